from __future__ import annotations

from tests.script import Script, pod
from tracer.graph import DEAD
from tracer.view import LINEAGE, NOW, build_view


def test_now_shows_everything_alive_once() -> None:
    graph = pod().graph()
    drawn = [placed.process for placed in build_view(graph, NOW).walk()]
    assert len(drawn) == len(set(drawn))
    assert {p for p in drawn if not p.outside} == set(graph.live())


def test_lineage_shows_everything_once() -> None:
    graph = pod().graph()
    drawn = [placed.process for placed in build_view(graph, LINEAGE).walk()]
    assert sorted(p.tgid for p in drawn) == sorted(p.tgid for p in graph.processes)


def test_every_finished_process_is_counted_once() -> None:
    graph = pod().graph()
    counted = sum(finished.count for finished in build_view(graph, NOW).finished.values())
    assert counted == sum(1 for p in graph.processes if p.state == DEAD)


def test_last_is_marked() -> None:
    graph = pod().graph()
    placed = {p.process.tgid: p for p in build_view(graph, NOW).walk()}
    assert (placed[410].last, placed[411].last, placed[411].depth) == (False, True, 3)


def test_zombies_are_in_the_tree_and_the_reaped_are_not() -> None:
    s = Script()
    s.attach(10, "sh")
    s.fork(10, 11)
    s.exit(11)
    s.run(10, 12, "/bin/true")
    view = build_view(s.graph(), NOW)
    assert [p.process.tgid for p in view.walk()] == [10, 11]
    assert view.finished[view.roots[0]].kinds == {"true": 1}


def test_nobody_known_above() -> None:
    s = Script()
    s.attach(10, "a")
    s.exit(10)
    s.attach(11, "b")
    s.reap(11, 10)
    view = build_view(s.graph(), NOW)
    assert sum(finished.count for finished in view.finished.values()) == 1


def test_empty() -> None:
    assert list(build_view(Script().graph(), NOW).walk()) == []
    assert list(build_view(Script().graph(), LINEAGE).walk()) == []
