"""From which line on a subreaper flag that was set counts for every death that is told.

strace asks which tasks have stopped or died until there are no more, and then writes of each of them (next_event() in
its src/strace.c, since 4.26). What such a round tells happened in any order, but all before what the next one tells. A
death is there to be seen from the moment on in which the children have moved (exit_notify() in kernel/exit.c). So a
death told in the round of a call's return may have come before it; one told in a later round has not.

A task occurs once in a round, so its second line is of a later one. Only a task that is killed while it waits to be
written of occurs twice: that ends the asking, and its death is told behind the round.
"""

from __future__ import annotations

from tracer.sources.strace.records import (
    CLONED,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    REAP,
    RUN,
    SETTLED,
    SUBREAPER,
    Record,
    child_of,
)

PRCTL_TAKES = 1_000_000_000
"""ns: much longer than any prctl was seen to take under strace (2,289 calls under load: 42 ms)."""
ROUND_TAKES = 300_000
"""ns: a death told so soon after the beginning of a call is mostly of the same round, so it came before. A guess: of 36
pairs within a second in recorded trees those told 41 and 224 us after the beginning had, and from 411 us on all but one
had not."""


class Round:
    """The round that a record is of."""

    def __init__(self, record: Record) -> None:
        self._lines = {record[3]: record[1]}
        """The tasks that were told of since, and the last line of each."""
        self._leaving: set[int] = set()
        """Those of them that have called exit: but their death there is nothing that could be told of them."""

    def is_over(self, record: Record) -> bool:
        """Is this record, the next one, of a later round?"""
        kind, at, _, tid = record[:4]
        if kind == EXIT and tid not in self._leaving:  # perhaps it ended the asking: what follows is the next round
            self._lines.clear()
            self._leaving.clear()
            return False
        if kind >= RUN or self._lines.get(tid, at) != at:
            return True
        self._lines[tid] = at
        if kind == EXIT_BEGIN:
            self._leaving.add(tid)
        return False


class Settling:
    """Writes SETTLED records between the others of a log."""

    def __init__(self) -> None:
        self._returned: dict[int, Record] = {}
        """The calls of which that is to be told, by task."""
        self._round: Round | None = None
        """Of the last of them."""

    def settled(self, records: list[Record]) -> list[Record]:
        """The next records, and what is to be told between them."""
        if not self._returned and not any(r[0] == SUBREAPER and r[5] for r in records):
            return records
        found: list[Record] = []
        for record in records:
            if self._returned:
                self._look(record, found)
            found.append(record)
            if record[0] == SUBREAPER and record[5]:
                self._returned[record[3]] = record
                self._round = Round(record)
        return found

    def _look(self, record: Record, found: list[Record]) -> None:
        assert self._round is not None
        if self._round.is_over(record) or (record[0] == CLONED and record[10] == record[1]):  # two stops on one line
            found += [settled_at(record, call) for call in self._returned.values()]
            self._returned.clear()
        elif record[0] == EXIT:
            self._returned.pop(record[3], None)
        elif record[0] == REAP:
            self._returned.pop(child_of(record), None)
        elif record[0] == EXEC and record[4] in self._returned:
            self._returned[record[3]] = (*self._returned.pop(record[4])[:3], record[3], *record[4:])


class SettlingOfSet:
    """The same for a `-ff` set, where a line has the time at which a call began.

    It has returned before its task's next line (which wrote SETTLED into the file), and after PRCTL_TAKES. Lines of
    different files that have the same time are in no order.
    """

    def __init__(self) -> None:
        self._due: dict[int, tuple[int, Record]] = {}
        """By task: the time after which that is to be told of its last call, and what."""
        self._open: dict[int, Record] = {}
        """Calls that are taken for not carried out yet, by task."""

    def told(self, record: Record) -> list[Record]:
        """What to tell in place of the next record of the set."""
        kind, _, time, tid = record[:4]
        if time is None:
            return [record]
        found = self._told_until(record) if self._due else []
        if tid in self._open:
            found += self._returned(tid, record)
        if kind == SUBREAPER and record[5]:
            self._due[tid] = time + PRCTL_TAKES, record
            if time % 1_000_000_000:  # else the times are of whole seconds (-t)
                self._open[tid] = record
                record = (*record[:5], False)
        elif kind == SETTLED:
            if tid in self._due:
                self._due[tid] = time, record
            return found
        elif kind == EXIT:
            self._due.pop(tid, None)
        return [*found, record]

    def _told_until(self, record: Record) -> list[Record]:
        now = record[2]
        late = [tid for tid, call in self._open.items() if call[2] + ROUND_TAKES < now]
        found = self._returned(late[-1], record) if late else []
        over = [tid for tid, (time, _) in self._due.items() if time < now]
        return found + [settled_at(record, self._due.pop(tid)[1]) for tid in over]

    def _returned(self, tid: int, record: Record) -> list[Record]:
        """At that record the task's call has returned, and so have those that began before."""
        calls = [*self._open.items()]
        over = calls[: [other for other, _ in calls].index(tid) + 1]
        return [(SUBREAPER, record[1], record[2], *self._open.pop(other)[3:]) for other, _ in over]


def settled_at(record: Record, call: Record) -> Record:
    """From this record on, the call has returned for all that is told."""
    return SETTLED, record[1], record[2], call[3]
