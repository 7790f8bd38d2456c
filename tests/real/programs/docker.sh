#!/bin/bash
# A daemon and its own containerd: run, run --init, two containers in one pid namespace, exec, one that is gone.
# Needs: dockerd docker containerd runc busybox tar
cd "$T" || exit
export DOCKER_HOST="unix://$T/sock"
dockerd --host "$DOCKER_HOST" --data-root "$T/data" --exec-root "$T/exec" --pidfile "$T/pid" --storage-driver vfs \
    --bridge none --iptables=false --ip-masq=false >log 2>&1 </dev/null &
mkdir -p root/bin
cp "$(command -v busybox)" root/bin/busybox
for name in sh sleep true; do ln -s busybox "root/bin/$name"; done
for _ in $(seq 300); do
    docker version && break
    sleep 0.1
done >/dev/null 2>&1
tar -C root -c . | docker import - tiny
run() { docker run --network none "$@"; }
run -d --name one tiny sh -c 'sleep 901 & sleep 902 & exec sleep 903'
run -d --name two --init tiny sh -c 'sleep 904 & wait'
run -d --name three --pid container:one tiny sh -c '(sleep 905 &); sleep 906'
run --rm tiny true
docker exec -d one sh -c 'sleep 907 & sleep 908'
docker exec one sleep 909 &
sleep 2
touch "$DONE"
sleep 900
