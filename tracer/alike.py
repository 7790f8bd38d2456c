"""Finished processes that differ in their own numbers and moments alone: what is said of one can be said of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.graph import DEAD
from tracer.identity import Evidence

if TYPE_CHECKING:
    from tracer.graph import Process

Likeness = tuple[int, int, int, str, bool, int | None]
"""Holds addresses: good for as long as the graph is there and does not change."""


def likeness(process: Process) -> Likeness | None:
    """The same for processes that are alike; None for one that has something of its own to tell.

    Alike have the same creator, who is their parent and ran the same then, and the same program, name and status; they
    were reaped, and nothing else is known of them.
    """
    mother, parent, program = process.creator, process.real_parent, process.program
    if (
        process.state is not DEAD
        or mother is None
        or parent is None
        or parent.process is not mother
        or program is None
        or process.exited_at is None
        or process.reaped_at is None
        or process.reparentings
        or process.past
        or process.evidence is not Evidence.OBSERVED
        or process.reason
        or process.subreaper is not False
        or process.threads
        or process.ns_pids
        or process.cgroup
        or process.start_time
        or mother.past
        or (mother.exec_at is not None and mother.exec_at > process.born_at)
    ):
        return None
    creator_tid = process.leader.creator_tid
    return id(mother), creator_tid, id(program), process.comm, process.exec_at is None, process.status
