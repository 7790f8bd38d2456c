"""From records to events, in the order that `tracer.event` promises: births first.

In a log a child's lines often come before its creator's call returns. While it is not known who created a task, its
events are kept back, and all that follow them. Reading goes on meanwhile, so there are two places in the log:
`births.Births.look` sees each record when it is read, `making.Maker.apply` when its turn comes. Mostly both are the
same, and nothing is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tracer.sources.strace.ordering.announced import Announced
from tracer.sources.strace.ordering.births import Births
from tracer.sources.strace.ordering.calls import Call
from tracer.sources.strace.ordering.making import Maker
from tracer.sources.strace.ordering.places import Nesting
from tracer.sources.strace.ordering.quick import Quick
from tracer.sources.strace.ordering.state import at_the_start
from tracer.sources.strace.records import (
    CLONED,
    CUT_SHORT,
    DOUBTED,
    EXEC,
    GAP,
    KILLED,
    NAMED,
    OPEN,
    RUN,
    RUN_MEANS,
    SETTLED,
    Record,
)
from tracer.sources.strace.runs import Plan, records_of

MAX_KEPT = 200_000
"""So many records wait for an open call to return; then the task is taken for one whose creation the log lacks."""
PATIENCE = 5_000
"""So many records are read to find which task a number of another namespace means."""


class Learnt(NamedTuple):
    """What a reading shows in the end that changes how the beginning is read, when the log is read again."""

    nesting: Nesting | None = None
    """What was seen of namespaces, if nobody knows where some tasks live."""
    nobodys: frozenset[tuple[int, int]] = frozenset()
    """Calls, by caller and first line, whose results are another's."""
    late_ends: bool = False
    """It tells of ends, as has shown only after it was taken for one that does not."""


NOTHING = Learnt()


class Orderer:
    """Feed it records, take the events that have come out."""

    def __init__(
        self,
        follows: bool,
        shows_exits: bool = False,
        condense: bool = False,
        late_calls: bool = False,
        learnt: Learnt = NOTHING,
    ) -> None:
        """`follows`: strace ran with -f, so that created tasks show up themselves.

        `shows_exits`: the log is known to tell of ordinary ends, before the first of them is read.
        `late_calls`: calls are told when they have returned (-z).
        `condense`: whole lives may come as one (Life).
        `learnt`: what an earlier reading of the same log has shown in the end.
        """
        self._follows = follows
        self.learnt = learnt
        """When it has finished, what this reading has shown."""
        self._state = at_the_start(late_calls, shows_exits or learnt.late_ends)
        if learnt.nesting is not None:
            self._state.places.begin_with(learnt.nesting)
        self.out = Announced(self._state.tasks)
        """The events, to be taken."""
        self._births = Births(self._state)
        self._maker = Maker(self._state, self._births, self.out)
        self._quick = Quick(self._state, self._maker, self.out, condense)
        self.programs = self._maker.programs
        """The exec table that EXEC records refer to."""
        self.over_by = self._state.numbers.over_by
        """For the source to fill in before it feeds these lines, where no line tells when a call returned."""
        self._kept: deque[tuple[Record, Call | None]] = deque()
        self._nameless: list[Record] | None = []
        self._read_to = 0
        """The last line that there was something to read in."""

    def has_calls(self, calls: set[str]) -> None:
        """The log has these calls, in what comes next."""
        self._state.shown.has_calls(calls)

    def feed(self, records: Iterable[Record]) -> None:
        """Read records; events come out as far as they can."""
        if self._nameless is not None:
            records = self._named(records)
        if self.learnt.nobodys:
            records = self._without_results(records)
        quick = self._quick.by_kind()
        waits = self._waits()
        record = None
        for record in records:
            if waits or not quick[record[0]](record):
                self._slowly(record)
                waits = self._waits()
        if record is not None:
            self._read_to = max(self._read_to, record[1])  # the log ends inside calls: no line tells that

    def _waits(self) -> bool:
        """Something is kept back, so what follows is as well."""
        return bool(self._kept or self._maker.reused)

    def _without_results(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same, but that some calls do not say whom they have created."""
        for record in records:
            if record[0] == CLONED and (record[3], record[1]) in self.learnt.nobodys:
                yield (OPEN, *record[1:4])
                yield (CUT_SHORT, record[10], None, record[3], *record[5:7], False, record[10])
            else:
                yield record

    def _slowly(self, record: Record) -> None:
        kind = record[0]
        if kind == GAP:
            self.out.lines_are_missing(record[1], record[2])
        elif kind == RUN_MEANS:
            self._quick.plans[record[4]] = Plan(record[5], self._maker.programs)
        elif kind == RUN:
            self.feed(records_of(record, self._quick.plans[record[5]].run))
        elif kind == DOUBTED:
            self._births.doubts.doubt(record)
        else:
            self._keep(record, self._births.look(record) if kind != SETTLED else None)

    def _keep(self, record: Record, call: Call | None) -> None:
        """Make the record's events, after those of all that are kept."""
        kept, ahead = self._kept, self._state.tasks.ahead
        if kept:
            kept.append((record, call))
            self._drain()
            if len(kept) > PATIENCE:
                self._lose_patience()
        elif not self._maker.apply(record, call):
            kept.append((record, call))
        if not kept and ahead:
            ahead.clear()

    def _drain(self) -> None:
        kept = self._kept
        while kept and self._maker.apply(*kept[0]):
            kept.popleft()

    def _lose_patience(self) -> None:
        """The queue is long: let its head go, unless that waits for a call to return."""
        record, call = self._kept[0]
        if record[0] == CLONED and call is not None and record[3] in self._state.tasks.known:
            self._births.deciding.give_up(call, self._follows)
        elif self._births.deciding.waits_for_return(record[3]):
            if len(self._kept) <= MAX_KEPT:
                return
            self._maker.force(record[3])
        else:
            self._births.deciding.decide(record[3], at_end=False)
        self._drain()

    def finish(self) -> None:
        """The log has ended: what waits is decided by what is known."""
        if self._nameless:
            waiting, self._nameless = self._nameless, None
            self.feed(waiting)
        self._nameless = None
        while self._kept:
            record, call = self._kept[0]
            length = len(self._kept)
            if record[0] == CLONED and call is not None and record[3] in self._state.tasks.known:
                self._births.deciding.give_up(call, self._follows)
            else:
                self._births.deciding.decide(record[3], at_end=True)
            self._drain()
            if len(self._kept) == length:
                self._maker.force(record[3])
                self._drain()
        for tid in self._births.doubts.killed_untold():
            self._maker.apply((KILLED, self._read_to, None, tid, tid, tid), None)
        self._maker.finish(self._read_to)
        self.learnt = self._learn()

    def _learn(self) -> Learnt:
        before, nobodys = self.learnt, self._births.doubts.nobodys()
        # A result that is none is no sign of a namespace either.
        nesting = self._state.places.nesting if before.nobodys >= nobodys else None
        late_ends = before.late_ends or (self._maker.ends.took_for_hidden and self._state.shown.ends)
        return Learnt(nesting, before.nobodys | nobodys, late_ends)

    def _named(self, records: Iterable[Record]) -> Iterable[Record]:
        """The first task has no number until a later line names it: wait for that."""
        waiting = self._nameless
        assert waiting is not None
        rest = iter(records)
        for record in rest:
            if record[0] == GAP:
                self.out.lines_are_missing(record[1], record[2])
                continue
            self._read_to = max(self._read_to, record[1])
            if record[0] == NAMED:
                tid = record[3]
                self._nameless = None
                return [_renamed(r, tid) for r in waiting] + list(rest)
            if not waiting and record[3]:
                self._nameless = None
                return [record, *rest]
            waiting.append(record)
        if len(waiting) > MAX_KEPT:
            self._nameless = None
            return waiting
        return ()


def _renamed(record: Record, tid: int) -> Record:
    """The record of a task that had no number until now."""
    if record[3]:
        return record
    if record[0] == EXEC:
        return (EXEC, record[1], record[2], tid, record[4] or tid, record[5])
    return (*record[:3], tid, *record[4:])
