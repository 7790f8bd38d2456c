#!/bin/bash
# A daemon with sessions: with and without a terminal, and one that left a job. Needs: sshd ssh ssh-keygen
mkdir -p /run/sshd
cd "$T" || exit
chmod 700 .
ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -q -t ed25519 -N '' -f user
"$(command -v sshd)" -p 22022 -h "$T/host" -o AuthorizedKeysFile="$T/user.pub" -o StrictModes=no -o PidFile="$T/pid" \
    -o UsePAM=no -o PermitRootLogin=yes -E "$T/log"
sleep 0.3
login() {
    ssh -i user -p 22022 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$@"
}
login root@127.0.0.1 'sleep 901 & sleep 902' &
login -tt root@127.0.0.1 'nohup sleep 903 & exec sleep 904' </dev/zero >/dev/null &
login root@127.0.0.1 'setsid sleep 905 >/dev/null 2>&1 </dev/null & true'
sleep 3
touch "$DONE"
exec sleep 900
