#!/bin/sh
# A browser in its sandbox: zygotes in user and pid namespaces of their own that make the renderers, hundreds of threads.
# Needs: chromium setpriv
cat > "$T/page.html" <<'P'
<iframe src="data:text/html,<p>x"></iframe><script>new Worker(URL.createObjectURL(new Blob(["setInterval(()=>0,1e6)"])))</script>
P
chmod -R 777 "$T"
export HOME="$T"
setpriv --reuid 65534 --regid 65534 --clear-groups \
    chromium --headless=new --no-first-run --disable-gpu --user-data-dir="$T/profile" --remote-debugging-port=0 \
    --disable-background-networking --disable-component-update "file://$T/page.html" &
for _ in $(seq 300); do
    [ -s "$T/profile/DevToolsActivePort" ] && break
    sleep 0.1
done
sleep 3
touch "$DONE"
wait
