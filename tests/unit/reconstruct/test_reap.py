"""A wait proves that the child has ended, though no line told of it (killed, strace -qqq): its children have moved."""

from __future__ import annotations

from tracer.event import SIGCHLD, Clone, Reap
from tracer.reconstruct.engine import Engine

KILLED = 9


def test_a_wait_ends_a_process_whose_end_was_not_told() -> None:
    engine = Engine(ptraced=True)
    engine.feed([Clone(1, None, 10, 11, 0, SIGCHLD), Clone(2, None, 11, 12, 0, SIGCHLD), Reap(3, None, 10, 11, KILLED)])
    graph = engine.finish()
    (child,), (orphan,) = graph.find(11), graph.find(12)
    assert (child.state, child.exited_at, child.reaped_at, child.status) == ("dead", 3, 3, KILLED)
    assert orphan.parent is graph.init
    assert [(step.at, step.old) for step in orphan.reparentings or ()] == [(3, child)]
