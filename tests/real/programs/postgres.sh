#!/bin/sh
# A server that another user starts by pg_ctl. Needs: initdb pg_ctl su
chmod 777 "$T"
cd "$T" || exit
su -s /bin/sh nobody -c "PATH=$PATH; initdb -D $T/db >/dev/null &&
    pg_ctl -D $T/db -o '-k $T -c listen_addresses=' -l $T/log -w start >/dev/null"
touch "$DONE"
exec sleep 900
