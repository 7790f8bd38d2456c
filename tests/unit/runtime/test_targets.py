"""Who a target is, from tables of processes as /proc tells them."""

from __future__ import annotations

import pytest

from tracer.errors import TargetError
from tracer.runtime.targets import select
from tracer.sources.ebpf.source import Selection
from tracer.sources.proc import ProcProcess, Stat

SOCKET = "/run/containerd/containerd.sock"


def there(pid: int, ppid: int, command: str, cgroup: str = "/", comm: str = "", depth: int = 0) -> ProcProcess:
    argv = tuple(command.split())
    exe = argv[0]
    stat = Stat(comm or exe.rpartition("/")[2][:15], "S", ppid, False, pid)
    return ProcProcess(
        tgid=pid,
        stat=stat,
        exe=exe,
        argv=argv,
        argv_cut=False,
        ns_pids=tuple(range(2, 2 + depth)),
        cgroup=cgroup,
        pid_ns=4026531836 + depth,
        threads={pid: stat},
        read_at=0,
    )


def shim(pid: int, ppid: int, cgroup: str, address: str = SOCKET, depth: int = 0) -> ProcProcess:
    command = f"/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id {pid:064x} -address {address}"
    return there(pid, ppid, command, cgroup, depth=depth)


CONTAINERD = "/system.slice/containerd.service"
DOCKER = "/system.slice/docker.service"
NODE = [
    there(1, 0, "/lib/systemd/systemd --system"),
    there(10, 1, "/usr/bin/containerd", CONTAINERD),
    shim(11, 1, CONTAINERD),
    there(12, 11, "/pause", f"/kubepods/podx/{'a' * 64}"),
    there(20, 1, "/usr/sbin/sshd -D", "/system.slice/ssh.service"),
    there(21, 20, "/usr/sbin/sshd -R", "/system.slice/ssh.service"),
    there(30, 1, "/usr/bin/kubelet --v=2", "/system.slice/kubelet.service"),
    there(40, 1, "/usr/bin/python3 /srv/shop.py", "/system.slice/shop.service", "python3"),
]


def chosen(target: str, *more: ProcProcess) -> Selection:
    return select(target)({p.tgid: p for p in [*NODE, *more]})


def test_containerd_has_its_orphaned_shims_by_any_name_of_it() -> None:
    for target in ("containerd", "10", "containerd.service", CONTAINERD, "/sys/fs/cgroup" + CONTAINERD + "/"):
        assert chosen(target).members >= {10, 11}, target
        assert not chosen(target).members & {1, 20, 30, 40}, target


def test_names_and_units_are_followed_and_numbers_are_not() -> None:
    assert chosen("containerd").follow == ("containerd",)
    assert chosen("containerd.service").follow == ("containerd",)
    assert chosen("10").follow == ()
    assert chosen("shop.service") == Selection({40}, ())


def test_a_name_means_the_top_of_a_family() -> None:
    assert chosen("sshd").members == {20}
    assert chosen("/usr/sbin/sshd".rpartition("/")[2]).members == {20}


def test_each_shim_belongs_to_the_containerd_of_its_socket() -> None:
    other = "/var/run/docker/containerd/containerd.sock"
    docker = [
        there(50, 1, "/usr/bin/dockerd", DOCKER),
        there(51, 50, f"/usr/bin/containerd --address {other}", DOCKER),
        shim(52, 1, CONTAINERD, other),
    ]
    assert chosen("10", *docker).members == {10, 11}
    assert chosen("51", *docker).members == {51, 52}


def test_where_a_configuration_file_names_the_socket_the_unit_tells() -> None:
    docker = [
        there(50, 1, "/usr/bin/dockerd", DOCKER),
        there(51, 50, "/usr/bin/containerd --config /var/run/docker/containerd/containerd.toml", DOCKER),
        shim(52, 1, DOCKER, "/var/run/docker/containerd/containerd.sock"),
    ]
    assert chosen("51", *docker).members == {51, 52}
    assert chosen("10", *docker).members == {10, 11}


def test_a_node_in_a_container_keeps_its_own() -> None:
    """The same socket path, the same unit name: another systemd, in another pid namespace."""
    inner = "/machine.slice/node" + CONTAINERD
    node = [
        there(60, 1, "/usr/bin/systemd-nspawn"),
        there(61, 60, "/lib/systemd/systemd", depth=1),
        there(62, 61, "/usr/bin/containerd", inner, depth=1),
        shim(63, 61, inner, depth=1),
    ]
    assert chosen("10", *node).members == {10, 11}
    assert chosen("62", *node).members == {62, 63}
    with pytest.raises(TargetError, match="2 processes are called containerd") as caught:
        chosen("containerd", *node)
    assert "10  /usr/bin/containerd" in caught.value.hint
    with pytest.raises(TargetError, match="2 units are called") as caught:
        chosen("containerd.service", *node)
    assert inner in caught.value.hint
    assert chosen(inner, *node).members == {62, 63}


@pytest.mark.parametrize(
    ("target", "near"),
    [
        ("conteinerd", "containerd"),
        ("kube", "kubelet"),
        ("containerd.servic.service", "containerd.service"),
        ("/system.slice/kubelt.service", "/system.slice/kubelet.service"),
    ],
)
def test_near_names_are_told(target: str, near: str) -> None:
    with pytest.raises(TargetError) as caught:
        chosen(target)
    assert near in caught.value.hint


def test_a_thread_is_told_from_nobody() -> None:
    process = there(50, 1, "/usr/bin/app")
    process.threads[51] = process.stat
    with pytest.raises(TargetError, match=r"51 is a thread of app \(50\)"):
        chosen("51", process)


@pytest.mark.parametrize("target", ["999", "/no/such/cgroup", "xyzzy", "xyzzy.service"])
def test_nobody(target: str) -> None:
    with pytest.raises(TargetError, match="no process"):
        chosen(target)
