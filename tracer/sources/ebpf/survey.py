"""What a heap of records tells before it is decoded: for the start of a session, and for repairs after a loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tracer.sources.ebpf import wire


class State(NamedTuple):
    """A process as the kernel's walk saw it."""

    start: int
    parent_tid: int
    parent_tgid: int
    subreaper: bool


class Survey(NamedTuple):
    """What the records say of who is there."""

    states: dict[int, State]
    """By tgid, from CT_STATE records."""
    births: list[tuple[int, int, int, int]]
    """(creator tid, creator start, child tid, child start), in order."""
    exits: dict[int, int]
    """tid -> start of tasks that exit in these records."""
    first_exits: dict[int, int]
    """tid -> ns since boot: when a task of this number first did."""
    processes: set[int]
    """tgids of all whose birth is among the records."""
    new_leaders: dict[int, int]
    """tgid -> ns since boot: when a thread, which became the leader by that, last ran a program."""


def survey(records: Iterable[bytes], before: Survey | None = None) -> Survey:
    """Look through records without decoding them to events; `before` is of earlier records, and gets these, too."""
    found = before if before is not None else Survey({}, [], {}, {}, set(), {})
    for record in records:
        kind = record[wire.TYPE_AT]
        if kind == wire.T_STATE:
            _, _, _, _, start, _, tgid, _, parent_tid, parent_tgid, flags, _, _, _ = wire.STATE.unpack(record)
            found.states[tgid] = State(start, parent_tid, parent_tgid, bool(flags & wire.F_SUBREAPER))
        elif kind == wire.T_CLONE:
            fields = wire.CLONE.unpack(record)
            found.births.append((fields[5], fields[4], fields[10], fields[8]))
            if fields[10] == fields[11]:
                found.processes.add(fields[10])
        elif kind == wire.T_EXIT:
            time, start, tid, _, _, _ = wire.EXIT_BRIEF.unpack(record)
            found.exits[tid] = start
            found.first_exits.setdefault(tid, time)
        elif kind == wire.T_EXEC:
            time, _, tid, old_tid, _ = wire.EXEC_BRIEF.unpack_from(record)
            if tid != old_tid:
                found.new_leaders[tid] = time
    return found
