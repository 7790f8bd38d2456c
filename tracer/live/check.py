"""Is the graph what the kernel has? Every living process compared with /proc: is it there, its parent, its threads.

Both change while they are compared, so what differs is looked at again after the source has been drained: only a
difference that stays is one, of threads one that is about the same threads (a program can make new ones all the time).
What is on its way through do_exit() can be there for long (the init of a pid namespace waits for all others,
zap_pid_ns_processes()); the probes told of its end when that began, so for the graph it is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.graph import DEAD, Process, ProcessGraph
from tracer.sources.proc import TICK, ProcProcess, read_process, read_table

LOOKS = 60
"""So often a difference is looked at before it is believed ..."""
PAUSE = 0.08
"""... with so many seconds in between: the kernel frees tasks an RCU grace period after they are gone for all others.
That is tens of ms, and seconds where a processor is kept busy."""


class Difference(NamedTuple):
    """Something that the graph and the kernel tell differently."""

    pid: int
    name: str
    """comm; raw."""
    what: str
    """`parent`, `threads`, `presence`, `state`."""
    ours: str
    kernel: str


class _Lone(NamedTuple):
    """Threads of a process that only one side has."""

    ours: AbstractSet[int]
    kernels: AbstractSet[int]


@dataclass(slots=True)
class Agreement:
    """The outcome of one comparison."""

    processes: int = 0
    """Living processes of the graph that were compared."""
    threads: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Something stayed different."""
        return bool(self.differences)


def check(
    graph: ProcessGraph,
    drain: Callable[[], object],
    *,
    everything: bool,
    context: Collection[Process] | None = None,
) -> Agreement:
    """Compare now. `drain` applies all events that have happened.

    everything  every process is meant to be traced, so the graph must have all of /proc
    context     of the others, those whose children are not traced; the children of all others must be there
                (None: not asked)
    """
    drain()
    suspects: set[int] | None = None
    lone: dict[int, _Lone] = {}
    for look in range(LOOKS):
        if look:
            time.sleep(PAUSE)
            drain()
        table = read_table() if suspects is None else _read(suspects)
        drain()
        ours = {p.tgid: p for p in graph.processes if p.state is not DEAD}
        result = Agreement(len(ours), sum([len(p.threads) for p in ours.values()]))
        pids = ours.keys() | _expected(table, ours, everything, context) if suspects is None else suspects
        for pid in sorted(pids):
            result.differences += _compare(ours.get(pid), table.get(pid), pid, lone)
        if not result.differences:
            return result
        suspects = {difference.pid for difference in result.differences}
    return result


def _read(pids: Iterable[int]) -> dict[int, ProcProcess]:
    return {pid: found for pid in pids if (found := read_process(pid)) is not None}


def _expected(
    table: dict[int, ProcProcess], ours: dict[int, Process], everything: bool, context: Collection[Process] | None
) -> set[int]:
    """Processes that the graph should have."""
    if everything:
        return set(table)
    if context is None:
        return set()
    in_full = {pid for pid, process in ours.items() if process not in context}
    return {pid for pid, found in table.items() if found.stat.ppid in in_full}


def _compare(ours: Process | None, kernel: ProcProcess | None, pid: int, lone: dict[int, _Lone]) -> list[Difference]:
    if ours is None and (kernel is None or kernel.dying):
        return []
    if ours is None or kernel is None:
        return _one_side(ours, kernel, pid)
    found = []
    name = kernel.stat.comm
    if ours.start_time and abs(ours.start_time - kernel.stat.start_ticks * TICK) >= TICK:
        return [Difference(pid, name, "presence", f"an earlier process of this number ({ours.comm})", "another one")]
    parent = ours.parent
    if (0 if parent is None else parent.tgid) != kernel.stat.ppid and not _about_to_move(ours, kernel):
        mine = "not known" if parent is None else f"{parent.tgid} ({ours.evidence.value})"
        found.append(Difference(pid, name, "parent", mine, str(kernel.stat.ppid)))
    zombie = ours.state == "zombie"
    if zombie != (kernel.zombie or (zombie and kernel.dying)):
        found.append(Difference(pid, name, "state", ours.state, "zombie" if kernel.zombie else "running"))
    if not zombie:
        found += _compare_threads(ours, kernel, pid, lone)
    return found


def _compare_threads(ours: Process, kernel: ProcProcess, pid: int, lone: dict[int, _Lone]) -> list[Difference]:
    """`lone` has what each of the earlier looks has found, and gets what this one has found, too."""
    now = _Lone(ours.threads.keys() - kernel.threads.keys(), kernel.threads.keys() - ours.threads.keys())
    before = lone.get(pid, now)
    always = lone[pid] = _Lone(now.ours & before.ours, now.kernels & before.kernels)
    if not (always.ours or always.kernels):
        return []
    return [Difference(pid, kernel.stat.comm, "threads", _numbers(always.ours), _numbers(always.kernels))]


def _about_to_move(ours: Process, kernel: ProcProcess) -> bool:
    """Its parent is dying, and still has it: exit_notify() comes at the end of do_exit()."""
    father = ours.reparentings[-1].old if ours.reparentings else None
    if father is None or father.tgid != kernel.stat.ppid:
        return False
    found = read_process(father.tgid)
    return found is None or found.dying


def _one_side(ours: Process | None, kernel: ProcProcess | None, pid: int) -> list[Difference]:
    if ours is not None:
        return [Difference(pid, ours.comm, "presence", ours.state, "not there")]
    assert kernel is not None
    state = "zombie" if kernel.zombie else "running"
    return [Difference(pid, kernel.stat.comm, "presence", "not there", f"{state}, child of {kernel.stat.ppid}")]


def _numbers(tids: Iterable[int]) -> str:
    shown = sorted(tids)
    text = ", ".join(map(str, shown[:8])) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
    return f"also {text}" if shown else "no others"
