"""Who is there, at the start of a session and after a loss: the kernel's walk, /proc, and the records since then.

/proc is read while it changes, and records tell of the same time. What cannot be put together is read again, until all
can be: see docs/architecture.md, "How a session starts".
"""

from __future__ import annotations

import time
from typing import NamedTuple

from tracer.sources import proc
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.living import same_start
from tracer.sources.ebpf.members import Table, born_later
from tracer.sources.ebpf.reader import Reader
from tracer.sources.ebpf.survey import Survey, survey

ENDING_PAUSE = 0.02
"""Seconds between two looks at who is just ending: most are through do_exit() in less than one."""
LOOKS, SECONDS = 12, 1.0
"""So often at most, and for so long. Who is longer in do_exit() is looked at later (repair.py): the init of a pid
namespace waits there for all others (zap_pid_ns_processes()), and a program may get no processor."""


class Presence(NamedTuple):
    """Everybody, and what has happened since the walk began."""

    table: Table
    records: list[bytes]
    told: Survey
    """What the records tell."""
    ending: set[tuple[int, int, int]]
    """(tgid, tid, start) of threads in do_exit() of which no record tells: the probe may have been passed before it
    was attached."""
    agrees: bool
    """All the rest of it can be put together. Where it changes too fast for that, another look is due."""


def look(reader: Reader) -> Presence:
    """Walk, read /proc, and take the records of the meantime."""
    records = reader.walk()
    table = proc.read_table()
    told = survey(records)
    swaps = Swaps()
    gone: set[int] = set()
    end = time.monotonic() + SECONDS
    for looks in range(1, LOOKS + 1):
        more = swaps.without(reader.drain_all())
        records += more
        told = survey(more, told)
        swapped = swaps.found(table, told)
        if swapped:
            for tgid in swapped:
                swaps.read(tgid, table, told)
            records = swaps.without(records)
            told = survey(records)
        later = born_later(told, table.values())
        older = {tgid: process for tgid, process in table.items() if tgid not in later}
        ending = _ending(older, told)
        again = (told.processes - table.keys() - later.keys() - gone) | proc.misplaced(older, later)
        settled = not (ending or again or swapped)
        if settled or looks == LOOKS or time.monotonic() > end:
            break
        if not (again or swapped):
            time.sleep(ENDING_PAUSE)
        for tgid in again | {tgid for tgid, _, _ in ending}:
            if not _read(tgid, table):
                gone.add(tgid)
    return Presence(table, records, told, ending, not (again or swapped))


def _read(tgid: int, table: Table) -> bool:
    """Put it into the table as it is now; whether it is there."""
    found = proc.read_process(tgid)
    if found is None:
        table.pop(tgid, None)
        return False
    table[tgid] = found
    return True


def _ending(table: Table, told: Survey) -> set[tuple[int, int, int]]:
    """Threads in do_exit() of which no record tells, yet or any more."""
    return {
        (tgid, tid, stat.start_ticks * proc.TICK)
        for tgid, process in table.items()
        for tid, stat in process.threads.items()
        if stat.exiting and stat.state not in "ZX" and tid not in told.exits
    }


class Swaps:
    """Processes whose leader is another thread than before: one that runs a program takes over its number and its start
    (de_thread()), so what the records say of that number may be of either."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        """tgid -> ns since boot: what was recorded before is contained in the table."""
        self._ended: set[int] = set()
        """No swap: these leaders have ended since they were read."""

    def found(self, table: Table, told: Survey) -> set[int]:
        """Those whose leader was read after an Exec that says so, or alive after an Exit."""
        execs = {tgid for tgid, at in told.new_leaders.items() if tgid in table and at < table[tgid].seen_at}
        exits = {
            tgid
            for tgid in told.exits.keys() & table.keys() - self._ended
            if _alive(table[tgid])
            and told.first_exits[tgid] < table[tgid].seen_at
            and same_start(told.exits[tgid], table[tgid].stat.start_ticks * proc.TICK)
        }
        return execs | exits

    def read(self, tgid: int, table: Table, told: Survey) -> None:
        """Read it once more: who is alive has not ended before, so the Exit was the old leader's."""
        found = proc.read_process(tgid)
        if found is not None and _alive(found):
            self._known[tgid] = found.read_at
        elif tgid in told.new_leaders:
            self._known[tgid] = told.new_leaders[tgid] + 1
        else:
            self._ended.add(tgid)
            return
        if found is None:
            del table[tgid]
        else:
            table[tgid] = found

    def without(self, records: list[bytes]) -> list[bytes]:
        """The records, but for what is contained in the table."""
        return [r for r in records if not self._contained(r)] if self._known else records

    def _contained(self, record: bytes) -> bool:
        """An own end or program, or the birth of a thread or of the process itself. Its children's births are not."""
        kind = record[wire.TYPE_AT]
        if kind == wire.T_CLONE:
            tgid = wire.CLONE.unpack(record)[11]
        elif kind in (wire.T_EXEC, wire.T_EXIT):
            tgid = wire.WHO.unpack_from(record)[1]
        else:
            return False
        (at,) = wire.TIME.unpack_from(record)
        return bool(at < self._known.get(tgid, 0))


def _alive(process: proc.ProcProcess) -> bool:
    """Its leader has not begun to end."""
    return not process.stat.exiting and process.stat.state not in "ZX"
