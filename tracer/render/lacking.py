"""What an strace log does not show, said where it made a parent less than certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.graph import ZOMBIE
from tracer.identity import Evidence
from tracer.reconstruct.state import WAIT_CALLS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.graph import Process

_CREATING = {"clone", "fork", "vfork", "clone3"}


def lacking(processes: Iterable[Process], calls: set[str]) -> str:
    """Which calls would have told more about these processes; '' where none would. `calls`: what the log shows.

    A call that is not there was left out by the filter, or nobody called it: a log does not tell which.
    """
    unborn = assumed = zombies = 0
    for process in processes:
        unborn += process.creator is None
        zombies += process.state is ZOMBIE
        assumed += bool(process.reparentings) and process.evidence.rank > Evidence.DERIVED.rank
    absent = []
    if unborn > 1:  # one is where the trace begins
        if not calls & _CREATING:
            absent.append("clone, clone3, fork, vfork (who created whom)")
        elif "clone3" not in calls:
            absent.append("clone3 (most threads, some processes)")
    if (unborn > 1 or zombies) and not calls & WAIT_CALLS:
        absent.append("wait4 and waitid (when a zombie goes)")
    if assumed and "prctl" not in calls:
        absent.append("prctl (who is a subreaper)")
    if not absent:
        return ""
    return f"Not in this log: {', '.join(absent)}. If strace was not asked for that, trace it again:"
