#!/bin/busybox sh
# A shell whose commands are itself. Needs: busybox
seq 3 | sort | busybox wc -l
(sleep 901 &)
busybox sh -c '(busybox sleep 902 & busybox sleep 903 &) ; busybox sleep 904 & wait' &
busybox timeout 800 busybox sleep 905 &
sleep 0.3
touch "$DONE"
sleep 906
