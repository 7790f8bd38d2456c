"""Who is there, at the start of a session and after a loss: the kernel's walk, /proc, and the records since then."""

from __future__ import annotations

import time
from typing import NamedTuple

from tracer.sources import proc
from tracer.sources.ebpf.members import Table, born_later
from tracer.sources.ebpf.reader import Reader
from tracer.sources.ebpf.survey import Survey, survey

ENDING_PAUSE = 0.02
"""Seconds between two looks at who is just ending ..."""
ENDING_LOOKS = 10
"""... and so many of them: most are through do_exit() in less than one. Who waits in there (the init of a pid namespace
for all others, zap_pid_ns_processes()) is not waited for any longer ..."""
RUNNABLE_PAUSE, RUNNABLE_LOOKS = 0.2, 25
"""... but who only wants a processor, on a machine that has more to do: its probe may have been passed already."""


class Presence(NamedTuple):
    """Everybody, and what has happened since the walk began."""

    table: Table
    records: list[bytes]
    told: Survey
    """What the records tell."""


def look(reader: Reader) -> Presence:
    """Walk, read /proc, and take the records of the meantime."""
    records = reader.walk()
    table = proc.read_table()
    records += reader.drain_all()
    told = survey(records)
    for look_number in range(ENDING_LOOKS + RUNNABLE_LOOKS):
        patient = look_number >= ENDING_LOOKS
        ending = _ending(table, told, "R" if patient else "")
        if not ending:
            break
        time.sleep(RUNNABLE_PAUSE if patient else ENDING_PAUSE)
        _read_again(table, ending)
        records += reader.drain_all()
        told = survey(records)
    _add_orphans(table, told)
    return Presence(table, records, told)


def _ending(table: Table, told: Survey, state: str) -> list[int]:
    """Processes with a thread in do_exit() of which no record tells, yet or any more; `state`: only in this one."""
    return [
        tgid
        for tgid, process in table.items()
        if any(
            s.exiting and s.state not in "ZX" and s.state in (state or s.state) and tid not in told.exits
            for tid, s in process.threads.items()
        )
    ]


def _read_again(table: Table, tgids: list[int]) -> None:
    for tgid in tgids:
        found = proc.read_process(tgid)
        if found is None:
            del table[tgid]
        else:
            table[tgid] = found


def _add_orphans(table: Table, told: Survey) -> None:
    """Who was born after /proc was listed, to somebody who was gone when his own entry was read."""
    while True:
        known = table.keys() | born_later(told, table.values()).keys()
        found = {tgid: proc.read_process(tgid) for tgid in told.processes - known}
        new = {tgid: process for tgid, process in found.items() if process is not None}
        if not new:
            return
        table.update(new)
