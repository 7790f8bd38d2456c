"""The experiment that started it all, watched with eBPF from outside the node: nothing dies when containerd stops."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.node import processes
from tests.node.cri import PidMode
from tracer.errors import CapabilityError
from tracer.graph import DEAD, RULE_CHILD_REAPER, RULE_SUBREAPER, Process
from tracer.live.check import check
from tracer.live.session import Session
from tracer.runtime import roles as r
from tracer.sources.ebpf.source import EbpfSource, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.node.cri import Pod
    from tests.node.systemd_node import SystemdNode

pytestmark = [pytest.mark.node, pytest.mark.live]


class Watched:
    """A session on everything in the node."""

    def __init__(self, node: SystemdNode, source: EbpfSource) -> None:
        self.node = node
        self.session = Session(source)
        self.session.feed(source.start(lambda table: Selection({node.pid})))

    def look(self) -> None:
        """Bring the graph to the present, and compare it with the kernel's: every process, parent and thread."""
        agreement = check(self.session.graph, self.session.drain, everything=False)
        assert agreement.processes > 5
        assert agreement.differences == []

    def host(self, tgid: int) -> Process:
        """The newest process with this number, living or not."""
        return self.session.graph.find(tgid)[-1]

    def inside(self, tgid: int) -> Process:
        return self.host(self.node.host_pid(tgid))

    def by_role(self, role: str) -> list[Process]:
        return [p for p in self.session.graph.live() if self.session.roles.role(p) == role]


@pytest.fixture
def watched(node: SystemdNode) -> Iterator[Watched]:
    try:
        with EbpfSource() as source:
            yield Watched(node, source)
    except CapabilityError as error:
        pytest.skip(f"{error.message} ({error.hint})")
    finally:
        node.cri.remove_all()


def test_containers_outlive_containerd_and_the_graph_shows_why(node: SystemdNode, watched: Watched) -> None:
    daemon = watched.inside(node.unit_pid("containerd.service"))
    pod = node.cri.run_pod("web")
    container = node.cri.run_container(pod, command=["/app", "7"])
    processes.wait_for_workers(node.host_pid(container.pid))
    watched.look()

    (shim,) = watched.by_role(r.SHIM)
    systemd = watched.host(node.pid)
    assert shim.parent is systemd
    assert shim.subreaper is True
    (adopted,) = shim.reparentings or ()
    assert adopted.old.creator is daemon
    assert watched.session.roles.role(adopted.old) == r.SHIM_START
    assert (adopted.new, adopted.rule) == (systemd, RULE_CHILD_REAPER)

    pause = watched.inside(node.cri.pause_pid(pod.id))
    app = watched.inside(container.pid)
    for inner in (pause, app):
        assert inner.parent is shim
        (moved,) = inner.reparentings or ()
        assert watched.session.roles.label(moved.old, moved.at) == "runc create"
        assert (moved.rule, str(moved.evidence)) == (RULE_SUBREAPER, "derived")
    assert len(list(app.children())) == 2

    alive = [shim, pause, app, *app.children()]
    parents = {p: p.parent for p in alive}
    node.stop_containerd()
    watched.look()
    assert daemon.state == DEAD
    assert {p: p.parent for p in alive} == parents

    node.start_containerd()
    watched.look()
    assert watched.inside(node.unit_pid("containerd.service")) is not daemon
    assert {p: p.parent for p in alive} == parents

    node.cri.stop_container(container.id)
    node.cri.remove_pod(pod.id)
    processes.wait_until(lambda: processes.read(shim.tgid) is None, 10, "the end of the shim")
    watched.look()
    assert {p.state for p in alive} == {DEAD}
    assert app.exit is not None
    assert (app.exit.code, app.exit.signal) == (7, None)
    assert (shim.exit and shim.exit.code) == 0


def test_with_a_shared_pid_namespace_an_orphan_goes_to_pause(node: SystemdNode, watched: Watched) -> None:
    pod = node.cri.run_pod("shared", pid_mode=PidMode.POD)
    _orphan_goes_to(watched, pod, watched_parent="pause")


def test_with_a_pid_namespace_of_its_own_an_orphan_goes_to_the_application(node: SystemdNode, watched: Watched) -> None:
    pod = node.cri.run_pod("own")
    _orphan_goes_to(watched, pod, watched_parent="app")


def _orphan_goes_to(watched: Watched, pod: Pod, watched_parent: str) -> None:
    """The application makes an orphan when it is told to (tests/node/programs/app.c)."""
    node = watched.node
    container = node.cri.run_container(pod)
    app_pid = node.host_pid(container.pid)
    processes.wait_for_workers(app_pid)
    os.kill(app_pid, signal.SIGUSR1)
    processes.wait_until(lambda: bool(_orphans(watched)), 10, "the orphan")
    watched.look()
    (orphan,) = _orphans(watched)
    pause, app = watched.inside(node.cri.pause_pid(pod.id)), watched.host(app_pid)
    assert orphan.parent is {"pause": pause, "app": app}[watched_parent]
    (step,) = orphan.reparentings or ()
    assert (step.rule, str(step.evidence)) == (RULE_CHILD_REAPER, "derived")
    assert step.old.creator is app


def _orphans(watched: Watched) -> list[Process]:
    watched.session.drain()
    return [p for p in watched.session.graph.live() if p.comm == "app-orphan" and p.reparentings]
