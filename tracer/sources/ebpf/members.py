"""Who belongs to the target, and where each comes from: the snapshot or the records (see source.py)."""

from __future__ import annotations

from collections.abc import Iterable

from tracer.sources.ebpf.living import same_start
from tracer.sources.ebpf.survey import State, Survey
from tracer.sources.proc import TICK, ProcProcess

Table = dict[int, ProcProcess]
"""By tgid."""


def descendants(table: Table, states: dict[int, State], roots: set[int]) -> set[int]:
    """All below the roots, by /proc or by the kernel's walk a moment before, in which fewer had been adopted."""
    children: dict[int, list[int]] = {}
    for tgid, process in table.items():
        children.setdefault(process.stat.ppid, []).append(tgid)
    for tgid, state in states.items():
        children.setdefault(state.parent_tgid, []).append(tgid)
    found: set[int] = set()
    todo = list(roots)
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


def ancestors(table: Table, members: Iterable[int]) -> set[int]:
    """All above the members: their ends and subreaper flags decide who adopts."""
    found: set[int] = set()
    for tgid in members:
        process = table.get(tgid)
        while process is not None and process.stat.ppid not in found:
            found.add(process.stat.ppid)
            process = table.get(process.stat.ppid)
    return found


def born_later(told: Survey, members: Iterable[ProcProcess]) -> dict[int, int]:
    """tid -> start of the tasks that come into being in the records, by a creator who is known by then."""
    known = {tid: stat.start_ticks * TICK for p in members for tid, stat in p.threads.items()}
    born: dict[int, int] = {}
    for creator, creator_start, child, child_start in told.births:
        if same_start(known.get(creator, -1), creator_start):
            known[child] = born[child] = child_start
    return born
