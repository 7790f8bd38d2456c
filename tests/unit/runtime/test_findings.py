"""When a finding is one: what is normal for a moment, and what a log cannot know. Real triggers: tests/tree."""

from __future__ import annotations

import pytest

from tests.unit.runtime.test_containers import APP, POD, SANDBOX, SHIM, Story, node
from tracer import event as ev
from tracer.event import SIGCHLD
from tracer.runtime.containers import Names
from tracer.runtime.findings import Finding, find, find_in_trace
from tracer.runtime.roles import Roles


def found(story: Story, **options: int) -> list[Finding]:
    graph = story.graph()
    return find_in_trace(graph, Roles(graph), Names(), **options)  # type: ignore[arg-type]


def kinds(story: Story) -> dict[int, str]:
    return {finding.process.tgid: finding.kind for finding in found(story)}


def zombie(story: Story, tid: int, ppid: int, cgroup: str, ns_pids: tuple[int, ...] = ()) -> None:
    at = len(story.events)
    story.events.append(ev.Snapshot(at, None, tid, tid, ppid, "x", "", (), 1, True, ns_pids, cgroup))


def test_nothing_on_a_healthy_node() -> None:
    assert found(node()) == []


def test_zombies_are_counted_by_who_owes_the_wait() -> None:
    story = node()
    story.there(50, 1, "/usr/bin/lazy", cgroup="/")
    for pid in range(60, 70):
        zombie(story, pid, 50, "/")
    (finding,) = found(story)
    assert (finding.kind, finding.process.tgid, len(finding.others)) == ("zombies", 50, 10)
    assert finding.message.startswith("10 zombies: x (60), x (61), x (62), x (63), x (64) and 5 more ended")
    assert "lazy (50)" in finding.advice


def test_a_zombies_own_cgroup_says_nothing() -> None:
    """Version 1 shows every zombie in the root: it has not escaped."""
    story = node()
    zombie(story, 60, 22, "/")
    assert kinds(story) == {22: "zombies"}


def timed(ago: int) -> Story:
    """A shim of which the log has the birth, `ago` ns before the log's end, and no child."""
    story = Story()
    end = 100_000_000_000
    story.events += [
        ev.Attach(1, end - ago, 10, "starter", noticed=True),
        ev.Clone(2, end - ago, 10, 20, 0, SIGCHLD),
        ev.Exec(3, end - ago, 20, 20, SHIM, (SHIM, "-namespace", "k8s.io", "-id", SANDBOX), False),
        ev.Clone(4, end, 10, 30, 0, SIGCHLD),
    ]
    return story


@pytest.mark.parametrize(("ago", "expected"), [(999_999_999, {}), (1_000_000_000, {20: "childless-shim"})])
def test_what_has_been_so_for_a_second_counts(ago: int, expected: dict[int, str]) -> None:
    found_kinds = kinds(timed(ago))
    assert {pid: kind for pid, kind in found_kinds.items() if kind == "childless-shim"} == expected


def test_a_live_trace_counts_from_now() -> None:
    story = timed(0)
    assert found(story) == found(story, now=100_500_000_000) == []
    kinds_later = [finding.kind for finding in found(story, now=101_000_000_000)]
    assert "childless-shim" in kinds_later


def test_a_shim_older_than_the_log_may_have_children_that_the_log_does_not_show() -> None:
    story = Story()
    story.events.append(ev.Attach(1, None, 20, "containerd-shim"))
    story.run(20, SHIM, f"-namespace k8s.io -id {SANDBOX}")
    assert found(story) == []


def test_a_shim_is_not_childless_while_somebody_has_an_unknown_parent() -> None:
    story = timed(2_000_000_000)
    story.events.append(ev.Attach(9, None, 40, "pause"))
    assert found(story) == []


def test_a_shim_of_a_virtual_machine_needs_no_child() -> None:
    story = Story()
    story.there(20, 1, "/opt/kata/bin/containerd-shim-kata-v2", f"-namespace k8s.io -id {SANDBOX}")
    assert found(story) == []
    story.there(21, 1, SHIM, f"-namespace k8s.io -id {APP}")
    assert kinds(story) == {21: "childless-shim"}


def test_helpers_on_their_way_into_a_container_have_not_escaped() -> None:
    story = node()
    story.there(40, 22, "/usr/bin/runc", "init", cgroup="/system.slice/containerd.service")
    assert found(story) == []
    story.there(41, 22, "/bin/sh", cgroup="/system.slice/containerd.service")
    assert kinds(story) == {41: "escaped-cgroup"}


def test_another_containers_cgroup_is_no_escape() -> None:
    """Containers made inside a container need not be below it (cgroup version 1 without a cgroup namespace)."""
    story = node()
    story.there(40, 22, "/app", cgroup=f"/docker/{'1' * 64}")
    story.there(41, 22, "/app", cgroup=f"{POD}/{APP}/made/by/itself")
    assert found(story) == []


def test_filters_leave_what_is_about_or_shown_by_a_process() -> None:
    story = node()
    story.there(50, 1, "/usr/bin/lazy", cgroup="/")
    zombie(story, 60, 50, "/")
    graph = story.graph()
    by_pid = {process.tgid: process for process in graph.processes}

    def among(pid: int) -> list[str]:
        return [finding.kind for finding in find(graph, Roles(graph), Names(), among=[by_pid[pid]])]

    assert among(50) == among(60) == ["zombies"]
    assert among(22) == []


def test_names_are_kept_as_they_are_for_the_printer_to_clean() -> None:
    story = node()
    story.there(50, 1, "/tmp/\x1b[2Jx", cgroup="/")
    zombie(story, 60, 50, "/")
    (finding,) = found(story)
    assert "\x1b[2Jx (50)" in finding.message
