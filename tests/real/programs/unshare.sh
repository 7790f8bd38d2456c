#!/bin/bash
# Pid namespaces in pid namespaces. Needs: unshare
unshare -pf --mount-proc bash -c '
    (sleep 901 &)
    sleep 902 | cat &
    unshare -pf --kill-child sh -c "sleep 903 & (sleep 904 &); sleep 905"
    true' &
unshare -Ur sh -c 'sleep 906; true' &
unshare -p sh -c 'sleep 907 & (sleep 908 &); wait' &
sleep 1.5
touch "$DONE"
sleep 900
