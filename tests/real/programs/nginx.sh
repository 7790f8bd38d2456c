#!/bin/sh
# A daemon with workers: reloaded, and another one started by itself to replace it. Needs: nginx
cat > "$T/conf" <<X
worker_processes 3; error_log $T/errors; pid $T/pid; events {}
http {
    access_log off; client_body_temp_path $T/a; proxy_temp_path $T/b; fastcgi_temp_path $T/c; uwsgi_temp_path $T/d;
    scgi_temp_path $T/e; server { listen unix:$T/socket; }
}
X
nginx -c "$T/conf"
sleep 0.3
kill -HUP "$(cat "$T/pid")"
sleep 0.6
kill -USR2 "$(cat "$T/pid")"
sleep 0.6
touch "$DONE"
exec sleep 900
