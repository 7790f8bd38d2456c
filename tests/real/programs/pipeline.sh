#!/bin/bash
# A shell's pipelines, jobs, substitutions and a coprocess. Needs: bash
find /usr/share/doc -maxdepth 1 | sort | uniq -c | head -3 >/dev/null
answer=$(echo a | (cat; true) | tr a b)
for i in 1 2 3; do true | false; /bin/true; done
(sleep 901 &)
sleep 902 &
( (sleep 903 &) &)
cat <(sleep 904) <(sleep 905) > >(cat >/dev/null) &
coproc sleep 906
setsid sleep 907 &
nohup sleep 908 >/dev/null 2>&1 &
sleep 909 | sleep 910 | cat &
timeout 900 sleep 911 &
kill %2
sleep 0.2
touch "$DONE"
cat /dev/null - | sleep "90${#answer}"
