#!/bin/sh
# A browser: a zygote in namespaces of its own that makes the renderers, one without a sandbox, hundreds of threads.
# Needs: chromium
cat > "$T/page.html" <<'P'
<iframe src="data:text/html,<p>x"></iframe><script>new Worker(URL.createObjectURL(new Blob(["setInterval(()=>0,1e6)"])))</script>
P
export HOME="$T"
chromium --headless=new --no-first-run --disable-gpu --user-data-dir="$T/profile" --remote-debugging-port=0 \
    --disable-background-networking --disable-component-update --no-sandbox "file://$T/page.html" &
for _ in $(seq 300); do
    [ -s "$T/profile/DevToolsActivePort" ] && break
    sleep 0.1
done
sleep 3
touch "$DONE"
wait
