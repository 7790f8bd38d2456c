"""Edges of the tree: hung on another task, weakened, and taken away with who is gone."""

from __future__ import annotations

from tracer.graph import DEAD, NO_THREADS, Process, Task
from tracer.identity import Evidence


def set_real_parent(child: Process, parent: Task | None, evidence: Evidence, reason: str = "") -> None:
    """Hang `child` on another task; no history is written here."""
    old = child.real_parent
    if old is not None and old.children is not None:
        old.children.pop(child, None)
    child.real_parent = parent
    child.evidence = evidence
    child.reason = reason
    if parent is not None and not parent.process.outside:
        if parent.children is None:
            parent.children = {}
        parent.children[child] = None


def bury(process: Process, at: int | None = None, time: int | None = None, reaper_tid: int = 0) -> None:
    """release_task: the zombie is gone and its number is free."""
    process.state = DEAD
    process.reaped_at = at
    process.reaped_time = time
    process.reaper_tid = reaper_tid
    process.threads = NO_THREADS
    parent = process.real_parent
    if parent is not None and parent.children is not None:
        parent.children.pop(process, None)


def is_below(process: Process, other: Process) -> bool:
    """`other` is `process` or above it: making it a child of `process` would tie a knot into the tree."""
    above: Process | None = process
    while above is not None:
        if above is other:
            return True
        above = above.parent
    return False


def doubt_parent(process: Process, why: str) -> None:
    """Its parent is a guess: `inferred`, where it was better than that."""
    if process.evidence.rank < Evidence.INFERRED.rank:
        process.evidence, process.reason = Evidence.INFERRED, why


def doubt_children(father: Process, why: str) -> None:
    """Whoever is his child may be another's."""
    for thread in father.threads.values():
        for child in thread.children or ():
            doubt_parent(child, why)
