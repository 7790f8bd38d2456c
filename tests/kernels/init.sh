#!/bin/sh
# PID 1 of the guest: reaps orphans while it waits. Results go to the second serial port, a line of JSON each.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname guest
export CTRACE_TEST_PROGRAMS=/opt/programs
for word in $(cat /proc/cmdline); do
    case $word in ctrace.*=*) export "CTRACE_TEST_$(echo "${word%%=*}" | cut -d. -f2 | tr a-z A-Z)=${word#*=}" ;; esac
done
stty -F "$CTRACE_TEST_RESULTS" raw
cd /opt/src || exit
/opt/ctrace/bin/python -m tests.kernels.guest --output "$CTRACE_TEST_RESULTS"
echo "init: the steps ended with $?"
sync
/opt/ctrace/bin/python -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'
