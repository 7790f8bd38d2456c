"""Processes by cgroup."""

from __future__ import annotations

from tests.unit.runtime.test_containers import APP, POD, SANDBOX, Story, node
from tracer.cgroup_view import Folder, build, walk
from tracer.graph import Process


def drawn(story: Story, keep: list[int] | None = None) -> list[tuple[int, str | int]]:
    """(depth, name of a cgroup or pid)."""
    graph = story.graph()
    chosen = None if keep is None else [process for process in graph.processes if process.tgid in keep]
    return [(row.depth, label(row.item)) for row in walk(build(graph, chosen))]


def label(item: Folder | Process) -> str | int:
    return item.name if isinstance(item, Folder) else item.tgid


def test_folders_by_name_processes_first_and_chains_in_one_line() -> None:
    assert drawn(node()) == [
        (0, "/"),
        (1, "init.scope"),
        (2, 1),
        (1, POD.lstrip("/")),
        (2, SANDBOX),
        (3, 21),
        (2, APP),
        (3, 22),
        (3, "deeper"),
        (4, 23),
        (1, "system.slice/containerd.service"),
        (2, 10),
        (2, 20),
    ]


def test_what_was_asked_for_and_nothing_empty() -> None:
    assert drawn(node(), [21]) == [(0, "/"), (1, f"{POD.lstrip('/')}/{SANDBOX}"), (2, 21)]
    assert drawn(node(), []) == []


def test_unknown_cgroups_are_apart() -> None:
    story = Story()
    story.there(5, 1, "/bin/true", cgroup="")
    assert drawn(story) == [(0, "cgroup not known"), (1, 5)]


def test_the_last_of_its_level_is_marked() -> None:
    rows = list(walk(build(node().graph())))
    last = [label(row.item) for row in rows if row.last]
    assert last == ["/", 1, 21, APP, "deeper", 23, "system.slice/containerd.service", 20]


def test_paths_as_deep_as_they_can_be() -> None:
    story = Story()
    story.there(4, 1, "/bin/true", cgroup="/a" * 1000)
    story.there(5, 1, "/bin/true", cgroup="/a" * 2000)
    depths = [row.depth for row in walk(build(story.graph()))]
    assert depths == [0, 1, 2, 2, 3]
