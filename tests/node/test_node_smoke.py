"""The node itself, looked at with /proc alone: what ctrace is to show must first be so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.node import processes
from tests.node.cgroups import Cgroup
from tests.node.containerd import Containerd
from tests.node.cri import PidMode, State
from tests.node.systemd_node import SystemdNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.node.cri import Container, Cri, Pod

pytestmark = pytest.mark.node


@pytest.fixture
def pod(node: SystemdNode) -> Iterator[Pod]:
    """Without containers."""
    pod = node.cri.run_pod("web")
    yield pod
    node.cri.remove_all()


@pytest.fixture
def app(node: SystemdNode, pod: Pod) -> Container:
    container = node.cri.run_container(pod, command=["/app", "7"])
    processes.wait_for_workers(node.host_pid(container.pid))
    return container


def parent(pid: int) -> int:
    process = processes.read(pid)
    assert process is not None, f"{pid} is gone"
    return process.ppid


def children(pid: int) -> list[str]:
    return sorted(child.comm for child in processes.children(pid))


def zombies(pid: int) -> list[str]:
    return [child.comm for child in processes.children(pid) if child.state == "Z"]


def shim_of(node: SystemdNode) -> int:
    (shim,) = [p.pid for p in node.members().values() if p.comm == "containerd-shim"]
    return shim


def test_systemd_is_pid_1_of_the_node_and_parent_of_containerd(node: SystemdNode) -> None:
    assert node.host_pid(1) == node.pid != 1
    assert node.inside_pid(node.pid) == 1
    assert parent(node.host_pid(node.unit_pid("containerd.service"))) == node.pid
    with pytest.raises(ProcessLookupError):
        node.inside_pid(os.getpid())


def test_pause_and_app_hang_under_the_shim_and_the_shim_under_systemd(
    node: SystemdNode, pod: Pod, app: Container
) -> None:
    shim = shim_of(node)
    assert parent(shim) == node.pid
    assert children(shim) == ["app", "pause"]
    assert parent(node.host_pid(node.cri.pause_pid(pod.id))) == shim
    assert parent(node.host_pid(app.pid)) == shim
    assert children(node.host_pid(app.pid)) == ["app-worker", "app-worker"]


def test_containers_outlive_containerd(node: SystemdNode, pod: Pod, app: Container) -> None:
    daemon = node.host_pid(node.unit_pid("containerd.service"))
    shim = shim_of(node)
    before = {pid: (parent(pid), processes.alive(pid)) for pid in (shim, *processes.descendants(shim))}
    assert len(before) == 5

    node.stop_containerd()
    assert processes.read(daemon) is None
    assert {pid: (parent(pid), processes.alive(pid)) for pid in before} == before
    status = node.run("systemctl", "status", "containerd.service", check=False).stdout
    assert "inactive (dead)" in status
    assert f"─{node.inside_pid(shim)} /usr/bin/containerd-shim-runc-v2" in status

    node.start_containerd()
    assert {pid: (parent(pid), processes.alive(pid)) for pid in before} == before
    assert node.cri.container(app.id).state is State.RUNNING

    node.cri.stop_container(app.id)
    assert node.cri.container(app.id).exit_code == 7
    node.cri.remove_pod(pod.id)
    processes.wait_until(lambda: not any(processes.read(pid) for pid in before), 10, "the end of the pod")


def test_strace_inside_the_node_sees_the_nodes_numbers(node: SystemdNode, tmp_path: Path) -> None:
    with node.strace(node.unit_pid("containerd.service"), "-e", "trace=process,prctl") as log:
        app = node.cri.run_container(node.cri.run_pod("traced"))
        processes.wait_for_workers(node.host_pid(app.pid))
        shim = node.inside_pid(shim_of(node))
    shutil.copy(log, tmp_path)  # complete only now
    node.cri.remove_all()
    lines = (tmp_path / log.name).read_text().splitlines()
    first_lines = {int(line.split()[0]): line for line in reversed(lines)}
    assert {shim, app.pid} <= first_lines.keys()
    assert any("PR_SET_CHILD_SUBREAPER, 1" in line for line in lines)
    assert any("CLONE_PARENT" in line for line in lines)
    assert any("clone" in line and line.endswith(f" = {app.pid}") for line in lines)


def test_systemd_makes_a_scope_for_each_container(node: SystemdNode) -> None:
    """Kubernetes' usual setup, beside the other node."""
    with SystemdNode.boot(systemd_cgroup=True) as second:
        assert second.pid != node.pid
        app = second.cri.run_container(second.cri.run_pod("web"))
        scope = f"cri-containerd-{app.id}.scope"
        assert scope in second.run("cat", f"/proc/{app.pid}/cgroup").stdout
        assert "ActiveState=active" in second.systemctl("show", scope)


@pytest.mark.parametrize("mode", [PidMode.CONTAINER, PidMode.POD])
def test_who_adopts_an_orphan_inside_a_pod(containerd: Containerd, mode: PidMode) -> None:
    cri: Cri = containerd.cri
    pod = cri.run_pod("orphans", pid_mode=mode)
    app = cri.run_container(pod).pid
    processes.wait_for_workers(app)
    reaper = app if mode is PidMode.CONTAINER else cri.pause_pid(pod.id)

    os.kill(app, signal.SIGUSR1)
    processes.wait_until(lambda: "app-orphan" in children(reaper), 5, "the orphan's adoption")
    (orphan,) = [child.pid for child in processes.children(reaper) if child.comm == "app-orphan"]

    # pause reaps whatever comes; the application waits only for what it started, so its zombie stays.
    os.kill(orphan, signal.SIGKILL)
    if mode is PidMode.POD:
        processes.wait_until(lambda: processes.read(orphan) is None, 5, "the orphan's reaping")
    else:
        os.kill(app, signal.SIGUSR2)  # and one more that ends by itself
        processes.wait_until(lambda: zombies(app) == ["app-orphan", "app-orphan"], 5, "two zombies")

    cri.remove_pod(pod.id)
    processes.wait_until(lambda: not containerd.shims(), 10, "the end of the shim")


def test_nothing_is_left_of_a_containerd_that_stopped_with_a_running_pod(containerd: Containerd) -> None:
    with Containerd.start() as second:
        pod = second.cri.run_pod("left")
        processes.wait_for_workers(second.cri.run_container(pod).pid)
        shims = second.shims()
        started = [second.pid, *shims, *processes.descendants(*shims)]
        assert len(started) == 6
        second.stop()  # from here on the CRI cannot help with cleaning up
    assert not any(processes.alive(pid) for pid in started)
    assert not second.folder.exists()
    assert not second.cgroup.exists()
    assert processes.alive(containerd.pid), "the other containerd lives on"


def test_nothing_is_left_of_a_node_whose_test_run_was_killed(node: SystemdNode) -> None:
    command = [sys.executable, "-m", "tests.node.shell", "sh", "-c", "echo up; sleep 60"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        lines = list(iter(run.stdout.readline, "up\n"))
        (folder,) = [Path(line.split()[1]) for line in lines if line.startswith("folder: ")]
        cgroup = Cgroup(folder.name)
        started = cgroup.pids()
        assert len(started) > 8
        run.kill()
    processes.wait_until(lambda: not folder.exists(), 20, "the guard's work")
    assert not any(processes.alive(pid) for pid in started)
    assert not cgroup.exists()
    assert processes.alive(node.pid), "the other node lives on"
