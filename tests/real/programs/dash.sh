#!/bin/sh
# What POSIX shells and their helpers start. Needs: start-stop-daemon flock script xargs
find /usr/share/doc -maxdepth 1 | sort | uniq -c | head -3 >/dev/null
(sleep 901 &)
( (sleep 902 &) &)
seq 3 | xargs -P3 -n1 sh -c 'sleep 91$0' &
start-stop-daemon --start --background --make-pidfile --pidfile "$T/pid" --exec /bin/sleep -- 903
flock "$T/lock" sleep 904 &
script -qc 'sleep 905' "$T/typescript" >/dev/null &
sleep 0.3
touch "$DONE"
exec sleep 900
