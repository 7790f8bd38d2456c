from __future__ import annotations

import pytest

from tests.script import RUNC, SHIM, Script, pod
from tracer.runtime.roles import Roles, is_helper


def roles_of(script: Script) -> dict[int, str | None]:
    graph = script.graph()
    roles = Roles(graph)
    return {process.tgid: roles.role(process) for process in graph.processes}


def role_of_exec(exe: str, *argv: str) -> str | None:
    s = Script()
    s.attach(10)
    s.exec(10, exe, *argv)
    return roles_of(s)[10]


def test_pod() -> None:
    assert roles_of(pod()) == {
        100: "containerd",
        200: "cni",
        201: "cni",
        202: "cni",
        210: "shim-start",
        220: "shim",
        300: "runc-create",
        302: "runc-init",
        303: "runc-init",
        304: "pause",
        305: "runc-start",
        400: "runc-create",
        402: "runc-init",
        403: "runc-init",
        404: "container",
        405: "runc-start",
        410: None,
        411: None,
    }


def test_what_a_process_was_at_a_moment() -> None:
    graph = pod().graph()
    roles = Roles(graph)
    pause = graph.find(304)[0]
    assert pause.reparentings is not None
    at = pause.reparentings[0].at
    assert roles.label(pause, at) == "runc init"
    assert roles.label(graph.find(300)[0], at) == "runc create"
    assert roles.label(graph.find(300)[0], graph.find(300)[0].born_at) == "containerd-shim-runc-v2"
    nginx = graph.find(404)[0]
    assert nginx.exec_at is not None
    assert roles.label(nginx, nginx.exec_at - 1) == "docker-entrypoint.sh"
    assert roles.label(nginx, nginx.exec_at) == "nginx"
    assert roles.role(nginx, nginx.born_at) == "runc-init"


@pytest.mark.parametrize(
    ("exe", "argv", "role"),
    [
        ("/usr/bin/containerd", ("/usr/bin/containerd",), "containerd"),
        ("/usr/bin/dockerd", ("dockerd", "-H", "fd://"), "dockerd"),
        ("/usr/bin/kubelet", ("kubelet",), "kubelet"),
        ("/usr/lib/systemd/systemd", ("systemd", "--user"), "systemd"),
        ("/usr/bin/conmon", ("conmon", "--api-version", "1"), "conmon"),
        (SHIM, (SHIM[:32], "-namespace", "k8s.io", "-id", "start"), "shim"),
        (SHIM, (SHIM[:32], "-namespace", "k8s.io", "-debug", "-id", "x", "start"), "shim-start"),
        (SHIM, (SHIM, "-namespace", "k8s.io", "-bundle", "/b", "delete"), "shim-delete"),
        ("/usr/bin/containerd-shim", ("containerd-shim", "-namespace", "moby"), "shim"),
        ("/usr/sbin/runc", ("runc", *RUNC, "kill", "--all", "abc", "9"), "runc-kill"),
        ("/usr/sbin/runc", ("runc", *RUNC, "delete", "--force", "abc"), "runc-delete"),
        ("/usr/sbin/runc", ("runc", "--root", "create", "list"), "runc-list"),
        ("/usr/sbin/runc", ("runc", "--version"), "runc"),
        ("/usr/bin/crun", ("crun", "create", "abc"), "runc-create"),
        ("/proc/self/exe", ("runc", "init"), "runc-init"),
        ("/dev/fd/6", ("runc", "init"), "runc-init"),
        ("/proc/self/exe", ("busybox", "init"), None),
        ("/usr/lib/cni/bridge", ("/usr/lib/cni/bridge",), "cni"),
        ("/home/me/pause", ("pause",), None),
        ("/bin/sh", ("sh", "start"), None),
        ("", (), None),
    ],
)
def test_by_program_and_arguments(exe: str, argv: tuple[str, ...], role: str | None) -> None:
    assert role_of_exec(exe, *argv) == role


def test_a_nameless_process_that_runs_shim_start_is_containerd() -> None:
    s = Script()
    s.attach(10)
    s.attach(11)
    s.run(10, 20, SHIM, SHIM, "start")
    assert roles_of(s) == {10: "containerd", 11: None, 20: "shim-start"}


def test_an_orphan_that_came_to_the_shim_is_no_container() -> None:
    s = pod()
    s.fork(410, 500)
    s.fork(500, 501)
    s.exec(501, "/bin/sleep", "sleep", "9")
    s.exit(500)
    s.reap(410, 500)
    s.exit(410)
    s.exit(411)
    s.exit(404)
    graph = s.graph()
    orphan = graph.find(501)[0]
    assert orphan.parent is not None
    assert orphan.parent.tgid == 220
    assert Roles(graph).role(orphan) is None


def test_runc_exec_makes_no_main_process() -> None:
    s = pod()
    s.fork(221, 600)
    s.exec(600, "/usr/sbin/runc", "runc", *RUNC, "exec", "abc")
    s.fork(600, 601)
    s.exec(601, "/proc/self/exe", "runc", "init")
    s.beside(601, 602)
    s.exit(601)
    s.exit(600)
    s.exec(602, "/bin/sh", "sh")
    roles = roles_of(s)
    assert (roles[600], roles[601], roles[602]) == ("runc-exec", "runc-init", "exec")


def test_a_fork_of_a_shim_before_its_exec_has_no_role() -> None:
    s = pod()
    s.fork(221, 700)
    assert roles_of(s)[700] is None


def test_helpers() -> None:
    assert [r for r in ("cni", "shim-start", "runc-init", "shim", "pause", None) if is_helper(r)] == [
        "cni",
        "shim-start",
        "runc-init",
    ]
