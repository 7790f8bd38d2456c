"""When a zombie goes, and what a wait proves: the child has ended, though no line told of it (killed, strace -qqq)."""

from __future__ import annotations

import pytest

from tests.unit.reconstruct.build import edges, graph_of
from tracer.event import SIGCHLD, Clone, Reap
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.state import State

KILLED = 9


def test_a_wait_ends_a_process_whose_end_was_not_told() -> None:
    engine = Engine(State(ptraced=True))
    engine.feed([Clone(1, None, 10, 11, 0, SIGCHLD), Clone(2, None, 11, 12, 0, SIGCHLD), Reap(3, None, 10, 11, KILLED)])
    graph = engine.finish()
    (child,), (orphan,) = graph.find(11), graph.find(12)
    assert (child.state, child.exited_at, child.reaped_at, child.status) == ("dead", 3, 3, KILLED)
    assert orphan.parent is graph.init
    assert [(step.at, step.old) for step in orphan.reparentings or ()] == [(3, child)]


@pytest.mark.parametrize(
    ("last", "evidence"), [("12 exit 0\n11 exit 0", "observed"), ("11 exit 0\n12 exit 0", "inferred")]
)
def test_the_number_of_a_zombies_thread_can_be_given_again(last: str, evidence: str) -> None:
    """release_task() frees that of a thread at once, also of the last one; the zombie keeps its own. (Nothing is told
    of a thread behind its leader's end: lines are missing there.)"""
    found = edges(graph_of(f"10 exec a\n10 fork 11\n11 thread 12\n11 begin 0\n{last}\n10 fork 12"))
    assert found == {10: (None, "unknown"), 11: (10, evidence), 12: (10, "observed")}
