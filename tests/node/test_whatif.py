"""`ctrace whatif` on a real node: foretell, do it, compare with the kernel: every process is where it was foretold."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.node import processes
from tests.node.cri import PidMode
from tests.unit.cli.command import ARGV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.node.cri import Container, Pod
    from tests.node.systemd_node import SystemdNode

pytestmark = pytest.mark.node

REPO = Path(__file__).parents[2]
IN_THE_NODE = """\
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
for folder in systemd containerd dbus; do ln -s /proc/1/root/run/$folder /run/$folder; done
exec "$@"
"""
"""This machine's files, but the node's processes, and its systemd to talk to."""
BOTH = pytest.mark.parametrize("pid_mode", [PidMode.CONTAINER, PidMode.POD])


def ctrace(node: SystemdNode, *args: str) -> str:
    """Run it as if it was installed in the node."""
    enter = ["nsenter", "-t", str(node.pid), "-p", "-i", "-n", "-u", "-C", "--"]
    isolate = ["unshare", "-m", "--propagation", "private", "sh", "-ec", IN_THE_NODE, "sh"]
    done = subprocess.run(
        [*enter, *isolate, *ARGV, *args],
        cwd=REPO,
        env={**os.environ, "SYSTEMD_IGNORE_CHROOT": "1"},  # systemctl would take the foreign root for a chroot
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def has_ended(pid: int) -> bool:
    process = processes.read(pid)
    return process is None or process.state == "Z"


class Prediction:
    """Who is to be where, by the numbers of this machine."""

    def __init__(self, node: SystemdNode, *question: str) -> None:
        self.before = node.members()
        level = len(self.before[node.pid].ns_pids) - 1
        outside = {p.ns_pids[level]: pid for pid, p in self.before.items()}
        self.fate: dict[str, Any] = json.loads(ctrace(node, "whatif", *question, "--format", "json"))
        self.dead = {outside[d["process"]["pid"]] for d in self.fate["deaths"]}
        self.parents = {pid: p.ppid for pid, p in self.before.items() if p.state != "Z" and pid not in self.dead}
        self.parents |= {outside[a["process"]["pid"]]: outside[a["to"]["pid"]] for a in self.fate["adoptions"]}
        self.doubtful = {outside[d["process"]["pid"]] for d in self.fate["doubts"]}
        self.unwaited = {outside[z["process"]["pid"]] for z in self.fate["zombies"] if not z["waits"]}

    def differences(self) -> list[str]:
        """What the kernel says otherwise, now."""
        found = []
        for pid in self.dead:
            process = processes.read(pid)
            if process is not None and process.state != "Z":
                found.append(f"{pid} {process.comm} lives, and was to die")
            if process is not None and process.state == "Z" and pid not in self.unwaited:
                found.append(f"{pid} {process.comm} is a zombie, and somebody was to wait for it")
        for pid, parent in self.parents.items():
            process = processes.read(pid)
            if process is None or process.state == "Z":
                if pid in self.doubtful:
                    continue
                found.append(f"{pid} {self.before[pid].comm} is dead, and was to live")
            elif parent in self.doubtful and has_ended(parent):
                continue  # A shim that is stopped may have got as far as killing the application, not its workers.
            elif process.ppid != parent:
                found.append(f"{pid} {process.comm} is a child of {process.ppid}, and was to be one of {parent}")
        return found

    def check(self, settle: float = 1) -> None:
        """The kernel comes to this, and stays so."""
        with contextlib.suppress(TimeoutError):
            processes.wait_until(lambda: not self.differences(), 20, "what was foretold")
        time.sleep(settle)
        assert self.differences() == []

    def comms(self, pids: set[int]) -> list[str]:
        return sorted(self.before[pid].comm for pid in pids)


class Scenario:
    """A pod with one application, in which an orphan lives."""

    def __init__(self, node: SystemdNode, pid_mode: PidMode) -> None:
        self.node = node
        self.pod: Pod = node.cri.run_pod("web", pid_mode=pid_mode)
        self.app: Container = node.cri.run_container(self.pod)
        processes.wait_for_workers(self.app_pid)
        os.kill(self.app_pid, signal.SIGUSR1)
        processes.wait_until(self.has_an_orphan, 10, "an orphan")

    def has_an_orphan(self) -> bool:
        """Its first parent, another `app` for a moment, is gone."""
        comms = sorted(p.comm for p in self.node.members().values() if p.comm.startswith("app"))
        return comms == ["app", "app-orphan", "app-worker", "app-worker"]

    def app_tree(self) -> list[int]:
        """The application, its two workers and the orphan, by cgroup-independent means: their names."""
        return [pid for pid, p in self.node.members().items() if p.comm.startswith("app")]

    @property
    def app_pid(self) -> int:
        return self.node.host_pid(self.app.pid)

    @property
    def pause_pid(self) -> int:
        return self.node.host_pid(self.node.cri.pause_pid(self.pod.id))

    @property
    def shim_pid(self) -> int:
        return next(pid for pid, p in self.node.members().items() if p.comm == "containerd-shim")


@pytest.fixture
def scene(node: SystemdNode, request: pytest.FixtureRequest) -> Iterator[Scenario]:
    pid_mode = request.node.callspec.params["pid_mode"] if hasattr(request.node, "callspec") else PidMode.CONTAINER
    yield Scenario(node, pid_mode)
    node.run("systemctl", "reset-failed", check=False)
    node.start_containerd()
    node.cri.remove_all()
    processes.kill([pid for pid, p in node.members().items() if p.comm.startswith(("app", "pause", "containerd-sh"))])
    processes.wait_until(
        lambda: not any(p.comm.startswith(("app", "pause")) for p in node.members().values()), 10, "an empty node"
    )


@contextlib.contextmanager
def kill_mode(node: SystemdNode, mode: str) -> Iterator[None]:
    """containerd.service with another KillMode."""
    folder = node.path("/run/systemd/system/containerd.service.d")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.conf").write_text(f"[Service]\nKillMode={mode}\nTimeoutStopSec=2s\n")
    node.systemctl("daemon-reload")
    try:
        yield
    finally:
        (folder / "test.conf").unlink()
        node.systemctl("daemon-reload")


def foretold(node: SystemdNode, do: Callable[[], object], *question: str) -> Prediction:
    """Foretell, do it, compare."""
    prediction = Prediction(node, *question)
    do()
    prediction.check()
    return prediction


@BOTH
def test_stop_containerd(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    found = foretold(node, node.stop_containerd, "stop", "containerd.service")
    assert found.comms(found.dead) == ["containerd"]
    assert found.fate["units"][0]["kill_mode"] == "process"
    assert "containerd-shim-runc-v2" in {m["label"] for m in found.fate["units"][0]["members"]}
    default = found.fate["otherwise"]["control-group"]
    assert sorted(d["process"]["label"] for d in default["deaths"]) == ["containerd", "containerd-shim-runc-v2"]


@BOTH
def test_stop_containerd_with_the_default_kill_mode(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    """What KillMode=process spares the containers: systemd would kill the shims."""
    with kill_mode(node, "control-group"):
        found = foretold(node, node.stop_containerd, "stop", "containerd.service")
    assert found.comms(found.dead) == ["containerd", "containerd-shim"]
    assert {p["process"]["label"] for p in found.fate["adoptions"]} == {"pause", "app"}
    # containerd 1.6 and its shims get SIGTERM at once; measured: sometimes it deletes the containers, sometimes not.
    assert found.comms(found.doubtful) == ["app", "app-orphan", "app-worker", "app-worker", "pause"]


@BOTH
def test_stop_containerd_with_mixed_kill_mode(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    """The shims are killed when containerd is gone: nobody deletes the containers."""
    with kill_mode(node, "mixed"):
        found = foretold(node, node.stop_containerd, "stop", "containerd.service")
    assert found.comms(found.dead) == ["containerd", "containerd-shim"]
    assert found.doubtful == set()


@BOTH
def test_kill_a_shim(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    """containerd notices, and deletes the containers."""
    shim = scene.shim_pid
    found = foretold(node, lambda: os.kill(shim, 9), "exit", str(node.inside_pid(shim)))
    assert found.comms(found.dead) == ["app", "app-orphan", "app-worker", "app-worker", "containerd-shim", "pause"]


@BOTH
def test_kill_a_shim_while_containerd_is_stopped(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    """Nobody deletes the containers: they go to systemd."""
    node.stop_containerd()
    shim = scene.shim_pid
    found = foretold(node, lambda: os.kill(shim, 9), "exit", str(node.inside_pid(shim)))
    assert found.comms(found.dead) == ["containerd-shim"]
    assert sorted(a["process"]["label"] for a in found.fate["adoptions"]) == ["app", "pause"]


@BOTH
def test_kill_pause(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    pause = scene.pause_pid
    found = foretold(node, lambda: os.kill(pause, 9), "exit", str(node.inside_pid(pause)))
    everybody = ["app", "app-orphan", "app-worker", "app-worker", "containerd-shim", "pause"]
    assert found.comms(found.dead) == (["pause"] if pid_mode is PidMode.CONTAINER else everybody)


@BOTH
def test_kill_the_application(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    app = scene.app_pid
    found = foretold(node, lambda: os.kill(app, 9), "kill", scene.app.id)
    assert found.comms(found.dead) == ["app", "app-orphan", "app-worker", "app-worker"]
    kinds = {d["kind"] for d in found.fate["deaths"]} - {"asked"}
    assert kinds == {"pid_namespace" if pid_mode is PidMode.CONTAINER else "runtime"}


@BOTH
def test_kill_the_application_while_containerd_is_stopped(
    node: SystemdNode, scene: Scenario, pid_mode: PidMode
) -> None:
    """The shim needs no containerd to clean up."""
    node.stop_containerd()
    app = scene.app_pid
    found = foretold(node, lambda: os.kill(app, 9), "exit", str(node.inside_pid(app)))
    assert found.comms(found.dead) == ["app", "app-orphan", "app-worker", "app-worker"]


@BOTH
def test_kill_a_pod(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    pids = (scene.pause_pid, scene.app_pid)
    found = foretold(node, lambda: [os.kill(pid, 9) for pid in pids if processes.alive(pid)], "kill", "default/web")
    assert found.comms(found.dead) == ["app", "app-orphan", "app-worker", "app-worker", "containerd-shim", "pause"]


@BOTH
def test_kill_containerd_itself(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    """systemd starts another one; nobody else notices."""
    main = node.unit_pid("containerd.service")
    host = node.host_pid(main)
    found = foretold(node, lambda: os.kill(host, 9), "exit", str(main))
    assert found.comms(found.dead) == ["containerd"]
    processes.wait_until(lambda: node.unit_pid("containerd.service") not in {0, main}, 20, "another containerd")


@BOTH
def test_a_worker_ends(node: SystemdNode, scene: Scenario, pid_mode: PidMode) -> None:
    """Nobody is adopted; whether the application waits for it is not known beforehand."""
    worker = next(pid for pid in scene.app_tree() if processes.read(pid).ppid == scene.app_pid)  # type: ignore[union-attr]
    found = foretold(node, lambda: os.kill(worker, 9), "exit", str(node.inside_pid(worker)))
    assert found.dead == {worker}
    assert found.unwaited == {worker}


def test_what_requires_a_unit_is_stopped_with_it(node: SystemdNode) -> None:
    unit = node.path("/run/systemd/system/needs-containerd.service")
    unit.write_text(
        "[Unit]\nRequires=containerd.service\n[Service]\nExecStart=/bin/sh -c 'sleep 1000 & exec sleep 1001'\n"
    )
    node.systemctl("daemon-reload")
    node.systemctl("start", "needs-containerd.service")
    try:
        processes.wait_until(lambda: [p.comm for p in node.members().values()].count("sleep") == 2, 10, "its processes")
        found = foretold(node, node.stop_containerd, "stop", "containerd.service")
    finally:
        node.systemctl("stop", "needs-containerd.service")
        unit.unlink()
        node.systemctl("daemon-reload")
        node.start_containerd()
    assert found.comms(found.dead) == ["containerd", "sleep", "sleep"]
    assert [scope["name"] for scope in found.fate["units"]] == ["containerd.service", "needs-containerd.service"]


def test_units_that_cannot_be_stopped(node: SystemdNode) -> None:
    with pytest.raises(AssertionError, match=r"systemd has no unit nosuch\.service"):
        ctrace(node, "whatif", "stop", "nosuch")
    with pytest.raises(AssertionError, match="has no processes of its own"):
        ctrace(node, "whatif", "stop", "multi-user.target")
