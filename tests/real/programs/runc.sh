#!/bin/bash
# Containers: run; create and start; exec, attached and not. Needs: runc busybox python3
mkdir -p "$T/bundle/rootfs/bin" "$T/bundle/rootfs/proc"
cd "$T/bundle" || exit
cp "$(command -v busybox)" rootfs/bin/busybox
for name in sh sleep cat true; do ln -s busybox "rootfs/bin/$name"; done
runc spec
python3 - <<'X'
import json
config = json.load(open("config.json"))
config["process"] |= {"terminal": False, "args": ["sh", "-c", "(sleep 901 &); sleep 902 | cat & sleep 903; true"]}
config["linux"]["resources"] = {}
config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "cgroup"]
json.dump(config, open("config.json", "w"))
X
exec </dev/null >/dev/null 2>&1
run() { runc --root "$T/state" "$@"; }
run run one &
run create two
run start two
sleep 2
run exec -d one sleep 904
run exec one sh -c 'sleep 905 & sleep 906' &
sleep 2
touch "$DONE"
sleep 900
