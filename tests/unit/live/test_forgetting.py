"""A session does not grow with what came and went, and forgets nothing that a living process's story needs."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.unit.live.memory import LiveMemory, there
from tests.unit.reconstruct.build import parse
from tracer.event import Clone, Event, Exec, Exit, Reap
from tracer.graph import DEAD
from tracer.live import session as session_module
from tracer.live.session import Session
from tracer.render.tree import finished_text
from tracer.view import Finished, build_view

COUNT = 40_000


def came_and_went(count: int, creator: int = 100) -> Iterator[list[Event]]:
    """Each process is created, execs, exits and is reaped, one after the other; numbers come round again."""
    for n in range(count):
        tid, at = 1000 + n % 20_000, n * 4
        time = 1_000_000_000 + n * 1000
        yield [
            Clone(at, time, creator, tid, 0, 17, start_time=time, parent=creator),
            Exec(at + 1, time, tid, tid, "/opt/cni/bin/loopback" if n % 4 == 0 else "/bin/true", ("x",), False),
            Exit(at + 2, time, tid, 0),
            Reap(at + 3, time, creator, tid, 0),
        ]


def test_memory_is_flat_and_all_are_counted() -> None:
    session = Session(LiveMemory([[there(1, 0), there(100, 1)], *came_and_went(1000)]))
    while session.step(0):
        pass
    tracemalloc.start()
    peaks = []
    session.source = LiveMemory(came_and_went(COUNT))
    while session.step(0):
        if session.seen % 10_000 == 0:
            gc.collect()
            tracemalloc.reset_peak()
            peaks.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert len(session.graph.processes) <= 2 * session_module.RETIRE_AFTER + 10
    assert peaks[-1] < peaks[0] + 2_000_000, peaks
    assert session.seen == COUNT + 1000 + 2
    session.retire()
    shell = session.graph.processes[1]
    finished = session.finished.count(session.graph.processes)[shell]
    assert finished.count == COUNT + 1000
    assert finished.kinds == {"cni loopback": (COUNT + 1000) // 4, "true": (COUNT + 1000) * 3 // 4}


def test_names_that_never_come_again_are_counted_together() -> None:
    finished = Finished()
    for n in range(3000):
        finished.add(f"job-{n}")
    finished.add("job-7")
    assert len(finished.kinds) == 1000
    assert finished.count == 3001
    assert finished_text(finished).startswith("3,001 finished: job-7 ×2, job-0 ×1, ")
    assert finished_text(finished).endswith(" 2,995 others")


def test_a_service_that_replaces_itself_for_ever_is_no_growing_chain() -> None:
    """Each one creates the next and exits, so that every one was adopted, and created by a dead one."""

    def batches() -> Iterator[list[Event]]:
        for n in range(30_000):
            old, new = 1000 + n % 5000, 1000 + (n + 1) % 5000
            time = 1_000_000_000 + n * 1000
            yield [
                Clone(n * 3, time, old, new, 0, 17, start_time=time),
                Exit(n * 3 + 1, time, old, 0),
                Reap(n * 3 + 2, time, 1, old, 0),
            ]

    session = Session(LiveMemory([[there(1, 0), there(1000, 1)], *batches()]))
    while session.step(0):
        pass
    session.retire()
    (last,) = [p for p in session.graph.live() if p.tgid != 1]
    assert last.parent is not None
    assert last.parent.tgid == 1
    depth, node = 0, last.creator
    while node is not None:
        depth, node = depth + 1, node.creator
    assert 2 < depth < 40
    assert len(session.graph.processes) < 40


def test_the_story_of_a_living_process_is_kept() -> None:
    text = """
        100 fork 101
        101 exec runc
        101 fork 102
        102 beside 103
        103 exec pause
        102 exit 0
        101 reap 102
        101 exit 0
        100 reap 101
        100 fork 104
        104 exit 0
        100 reap 104
    """
    session = Session(LiveMemory([[there(1, 0), there(100, 1, subreaper=True)], parse(text)]))
    session.step(0)
    session.step(0)
    session.retire()
    (pause,) = session.graph.find(103)
    assert pause.creator is not None
    assert pause.creator.tgid == 102
    assert pause.reparentings is not None
    assert [(s.old.tgid, s.new.tgid) for s in pause.reparentings if s.new] == [(101, 100)]
    assert {p.tgid for p in session.graph.processes} == {1, 100, 101, 102, 103}
    assert {p.tgid for p in session.graph.processes if p.state is DEAD} == {101, 102}


@pytest.mark.parametrize("retire", [False, True])
def test_counts_are_those_of_the_view_that_forgets_nothing(retire: bool) -> None:
    text = """
        100 fork 101
        101 fork 102
        102 exit 0
        101 reap 102
        101 exit 0
        100 reap 101
        100 fork 103
        103 fork 104
        104 exit 0
        103 reap 104
    """
    snapshot: list[Event] = [there(1, 0), there(100, 1)]
    session = Session(LiveMemory([[*snapshot, *parse(text)]]))
    session.step(0)
    expected = build_view(session.graph, "now").finished
    wanted = {p.tgid: (f.kinds, f.below) for p, f in expected.items() if p is not None}
    if retire:
        session.retire()
    counts = session.finished.count(session.graph.processes)
    assert {p.tgid: (f.kinds, f.below) for p, f in counts.items() if p is not None} == wanted


def test_counts_move_up_when_their_place_dies() -> None:
    first = parse("100 fork 101\n101 fork 102\n102 exit 0\n101 reap 102")
    then = parse("101 exit 0\n100 reap 101")
    session = Session(LiveMemory([[there(1, 0), there(100, 1)], first, then]))
    session.step(0)
    session.step(0)
    session.retire()
    assert {p.tgid: f.count for p, f in session.finished.count(session.graph.processes).items() if p} == {101: 1}
    session.step(0)
    session.retire()
    assert {p.tgid: f.count for p, f in session.finished.count(session.graph.processes).items() if p} == {100: 2}
