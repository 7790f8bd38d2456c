"""Which unit a process is counted to, and where that is not what the tree suggests."""

from __future__ import annotations

import pytest

from tests.unit.runtime.test_containers import APP, POD, SANDBOX, SHIM, UNIT, Story, node
from tracer.graph import Process
from tracer.runtime.roles import Roles
from tracer.runtime.units import Units


def looked_at(story: Story) -> tuple[Units, dict[int, Process]]:
    graph = story.graph()
    return Units(graph, Roles(graph)), {process.tgid: process for process in graph.processes}


def test_groups() -> None:
    units, processes = looked_at(node())
    groups = {pid: units.group(process) for pid, process in processes.items()}
    assert groups == {
        1: "/init.scope",
        10: UNIT,
        20: UNIT,
        21: f"{POD}/{SANDBOX}",
        22: f"{POD}/{APP}",
        23: f"{POD}/{APP}",
    }


def test_the_shim_is_in_containerds_unit_and_not_below_it() -> None:
    units, processes = looked_at(node())
    different = {pid: units.disagreement(process) for pid, process in processes.items()}
    assert [pid for pid, d in different.items() if d is not None] == [20, 21, 22]
    shim = different[20]
    assert shim is not None
    assert (shim.group, shim.parent_group, shim.main, shim.mainless) == (UNIT, "/init.scope", processes[10], False)
    pause = different[21]
    assert pause is not None
    assert (pause.parent_group, pause.main, pause.mainless) == (UNIT, None, False)


def test_what_containerd_left_behind() -> None:
    story = Story()
    story.there(1, 0, "/usr/lib/systemd/systemd", cgroup="/init.scope")
    story.there(20, 1, SHIM, f"-namespace k8s.io -id {SANDBOX}")
    units, processes = looked_at(story)
    different = units.disagreement(processes[20])
    assert different is not None
    assert (different.main, different.mainless) == (None, True)


@pytest.mark.parametrize(
    ("exe", "ppid", "cgroup", "agrees"),
    [
        ("/usr/sbin/sshd", 1, "/system.slice/ssh.service", True),
        ("/usr/sbin/sshd", 10, UNIT, True),
        ("/bin/bash", 10, "/user.slice/user-0.slice/session-1.scope", False),
        ("/usr/lib/systemd/systemd", 10, "/x.slice/init.scope", True),
        ("/bin/true", 10, "", True),  # not known: nothing to say
    ],
)
def test_others(exe: str, ppid: int, cgroup: str, agrees: bool) -> None:
    story = Story()
    story.there(1, 0, "/usr/lib/systemd/systemd", cgroup="/init.scope")
    story.there(10, 1, "/usr/bin/containerd")
    story.there(50, ppid, exe, cgroup=cgroup)
    units, processes = looked_at(story)
    assert (units.disagreement(processes[50]) is None) is agrees


def test_a_second_child_of_systemd_in_a_unit_was_adopted() -> None:
    story = Story()
    story.there(1, 0, "/usr/lib/systemd/systemd", cgroup="/init.scope")
    story.there(10, 1, "/usr/sbin/cron", cgroup="/system.slice/cron.service")
    story.there(11, 1, "/usr/bin/left-behind", cgroup="/system.slice/cron.service")
    units, processes = looked_at(story)
    assert units.disagreement(processes[10]) is None
    adopted = units.disagreement(processes[11])
    assert adopted is not None
    assert adopted.main is processes[10]
