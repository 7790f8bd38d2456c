"""What an strace log does not show, said where it made a parent less than certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.graph import ZOMBIE
from tracer.identity import Evidence
from tracer.reconstruct.state import WAIT_CALLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracer.graph import GraphStats, Process

_CREATING = {"clone", "fork", "vfork", "clone3"}


def lacking(processes: Iterable[Process], calls: set[str], *, follows: bool = True) -> str:
    """What would have told more about these processes; '' where nothing would.

    calls    what the log shows; a call that is not there was left out by the filter, or nobody called it: a log does
             not tell which
    follows  its lines say whose they are
    """
    unborn = assumed = zombies = 0
    silent = not follows
    children = 0
    for process in processes:
        if process.creator is not None:
            children += 1
            # What somebody's child did would be in a line of its own.
            silent = silent and process.exec_at is None and process.creator.creator is None
        unborn += process.creator is None
        zombies += process.state is ZOMBIE
        assumed += bool(process.reparentings) and process.evidence.rank > Evidence.DERIVED.rank
    absent = []
    if silent and children:
        absent.append("what the child did (-f)" if children == 1 else "what the children did (-f)")
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


_PLACES = 3


def missing(stats: GraphStats, place: Callable[[int], str]) -> str:
    """Where lines of an strace log are missing, as far as it shows; '' where it shows nothing. Raw: clean it."""
    places = sorted(stats.lost_before)
    if not places:
        return ""
    named = [place(at) for at in places[:_PLACES]]
    more = len(places) - len(named)
    if more:
        named.append(f"{more:,} more place{'s' if more > 1 else ''}")
    said = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"Lines are missing before {said}: what was known before is a guess at best."
