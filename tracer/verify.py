"""Compare a graph with what the machine itself said: the living processes with those of a Listing (pstree, ps).

What cannot be compared is counted with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import NotATrace
from tracer.graph import DEAD

if TYPE_CHECKING:
    from tracer.graph import Process, ProcessGraph
    from tracer.sources.listing import Listing


class Difference(NamedTuple):
    """A process whose parent (or a thread whose process) the text has otherwise."""

    process: Process
    tid: int
    """The process's own number, or the thread's."""
    ours: int | None
    theirs: int
    theirs_name: str
    what: str
    """`parent`, `thread of`, or `kind`: a process here and a thread there."""


@dataclass(slots=True)
class Comparison:
    """How far graph and text agree."""

    listing: Listing
    compared: int = 0
    agreeing: int = 0
    threads_compared: int = 0
    threads_agreeing: int = 0
    differences: list[Difference] = field(default_factory=list)
    not_compared: Counter[str] = field(default_factory=Counter)
    """Living processes and threads of the graph that were left out, by reason."""
    only_in_text: int = 0
    """Processes of the text that the graph does not have alive."""

    @property
    def differs(self) -> bool:
        """Something was found that does not agree."""
        return bool(self.differences)


def compare(graph: ProcessGraph, listing: Listing) -> Comparison:
    """Compare every living process (zombies too) and thread. Raises NotATrace where they have nothing in common."""
    result = Comparison(listing)
    alive = {process.tgid: process for process in graph.live()}
    for process in alive.values():
        _compare_parent(process, result)
        _compare_threads(process, result)
    result.only_in_text = sum(1 for pid in listing.processes if pid not in alive and pid != graph.init.tgid)
    if not alive and graph.processes:
        raise NotATrace(
            "nothing to compare: everything in the trace had ended", "--at LINE|TIME compares as it was then."
        )
    if not result.compared and not result.differences:
        why = "; ".join(f"{count} {reason}" for reason, count in result.not_compared.items())
        raise NotATrace(
            "nothing to compare: no process that is alive in the trace has its parent in the text"
            + f" ({why})" * bool(why)
        )
    return result


def _compare_parent(process: Process, result: Comparison) -> None:
    listing = result.listing
    ours = None if process.parent is None else process.parent.tgid
    listed = listing.processes.get(process.tgid)
    if process.tgid == 0:
        result.not_compared["its number is not in the trace"] += 1
    elif listed is None:
        host = listing.threads.get(process.tgid)
        if host is None:
            result.not_compared["not in the text: ended in between, or the text leaves it out"] += 1
        elif not process.leader_known:
            result.not_compared["a thread in the text; the trace knows only that the task is there"] += 1
        else:
            result.compared += 1
            name = listing.processes[host].name if host in listing.processes else ""
            result.differences.append(Difference(process, process.tgid, ours, host, name, "kind"))
    elif listed.ppid is None:
        result.not_compared["at the top of the text"] += 1
    elif ours == 0:
        result.not_compared["its parent's number is not in the trace"] += 1
    elif ours is None:
        result.not_compared["parent not known from the trace"] += 1
    else:
        result.compared += 1
        if ours == listed.ppid:
            result.agreeing += 1
        else:
            above = listing.processes.get(listed.ppid)
            name = above.name if above else ""
            result.differences.append(Difference(process, process.tgid, ours, listed.ppid, name, "parent"))


def _compare_threads(process: Process, result: Comparison) -> None:
    listing = result.listing
    if not listing.threads or process.tgid not in listing.processes:
        return
    for tid in _other_threads(process):
        host = listing.threads.get(tid)
        if host is None and tid in listing.processes:
            host = tid
        if host is None:
            result.not_compared["threads not in the text"] += 1
            continue
        result.threads_compared += 1
        if host == process.tgid:
            result.threads_agreeing += 1
        else:
            name = listing.processes[host].name if host in listing.processes else ""
            result.differences.append(Difference(process, tid, process.tgid, host, name, "thread of"))


def _other_threads(process: Process) -> Iterable[int]:
    return () if process.state == DEAD else (tid for tid in process.threads if tid != process.tgid)
