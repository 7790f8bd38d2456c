"""From records to events, in the order that `tracer.event` promises: births first.

In a log a child's lines often come before its creator's call returns. While it is not known who created a task, its
events are kept back, and all that follow them. Reading goes on meanwhile, so there are two places in the log:
`births.Births.look` sees each record when it is read, `making.Maker.apply` when its turn comes. Mostly both are the
same, and nothing is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator

from tracer.event import (
    CLONE_NEWPID,
    CLONE_PARENT,
    CLONE_UNTRACED,
    ChildSignal,
    Clone,
    Event,
    Exec,
    Exit,
    ExitBegin,
    Reap,
)
from tracer.life import Life
from tracer.sources.strace.ordering.births import Births
from tracer.sources.strace.ordering.calls import Call
from tracer.sources.strace.ordering.making import Maker
from tracer.sources.strace.ordering.pidns import FAR, RESERVED
from tracer.sources.strace.ordering.places import Nesting
from tracer.sources.strace.ordering.state import at_the_start
from tracer.sources.strace.records import (
    CHILD_SIGNAL,
    CLONED,
    CUT_SHORT,
    DOUBTED,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    GAP,
    NAMED,
    OPEN,
    REAP,
    RUN,
    SEEN,
    SETTLED,
    Record,
)
from tracer.sources.strace.runs import Plan, records_of

MAX_KEPT = 200_000
"""So many records wait for an open call to return; then the task is taken for one whose creation the log lacks."""
PATIENCE = 5_000
"""So many records are read to find which task a number of another namespace means."""

_CLONE_REST = (0, "", 0, (), 0, 0, False, 0)
"""Clone's fields from `ns_child` on, where there is nothing to say."""

_SELDOM = CLONE_NEWPID | CLONE_PARENT | CLONE_UNTRACED
"""Where there is more to say."""

_new = tuple.__new__


class Orderer:
    """Feed it records, take events."""

    def __init__(
        self,
        follows: bool,
        shows_exits: bool = False,
        condense: bool = False,
        late_calls: bool = False,
        nesting: Nesting | None = None,
        nobodys: Collection[tuple[int, int]] = (),
    ) -> None:
        """`follows`: strace ran with -f, so that created tasks show up themselves.

        `shows_exits`: the log is known to tell of ordinary ends, before the first of them is read.
        `late_calls`: calls are told when they have returned (-z).
        `condense`: whole lives may come as one (Life).
        `nesting`, `nobodys`: what an earlier reading of the same log has shown in the end.
        """
        self._follows = follows
        self._condense = condense
        self.condensed = 0
        """How many more events there would be without Life."""
        self._state = at_the_start(late_calls, shows_exits)
        if nesting is not None:
            self._state.places.begin_with(nesting)
        self._births = Births(self._state)
        self.over_by = self._state.numbers.over_by
        """For the source to fill in before it feeds these lines, where no line tells when a call returned."""
        self._nobodys = frozenset(nobodys)
        self._maker = Maker(self._state, self._births)
        self.programs = self._maker.programs
        """The exec table that EXEC records refer to."""
        self._plans: dict[int, Plan] = {}
        """The table that RUN records refer to."""
        self._kept: deque[tuple[Record, Call | None]] = deque()
        self._nameless: list[Record] | None = []
        self._read_to = 0
        """The last line that there was something to read in."""

    @property
    def nesting(self) -> Nesting | None:
        """What was seen of namespaces, if nobody knows where some tasks live."""
        return self._state.places.nesting

    @property
    def nobodys(self) -> set[tuple[int, int]]:
        """Calls, by caller and first line, whose results are another's: who is unexplained was created by these."""
        return self._births.doubts.nobodys()

    @property
    def tells_of_ends(self) -> bool:
        """It does, as has shown only after it was taken for one that does not."""
        return self._maker.took_for_hidden and self._state.shown.ends

    def has_calls(self, calls: set[str]) -> None:
        """The log has these calls, in what comes next."""
        self._state.shown.has_calls(calls)

    def feed(self, records: Iterable[Record]) -> None:  # noqa: C901 - the hot loop: a function call costs as much as all
        """Read records; events come out as far as they can."""
        if self._nameless is not None:
            records = self._named(records)
        if self._nobodys:
            records = self._without_results(records)
        maker = self._maker
        known = maker.known
        shown, tasks, calls, numbers, places, _ = self._state
        append = maker.events.append
        programs = maker.programs
        attached = maker.attached
        busy = calls.open
        unplaced = places.unplaced
        early = maker.early
        history = numbers.history.append
        noted = tasks.noted
        waits = bool(self._kept or maker.reused)
        record = None
        for record in records:
            kind = record[0]
            if kind >= RUN:
                if kind != RUN or waits or not self._life(record):
                    self._run(record)
                    waits = bool(self._kept or maker.reused)
                continue
            tid = record[3]
            if waits or tid not in known:
                self._slowly(record)
                waits = bool(self._kept or maker.reused)
                continue
            if kind == CLONED:
                _, _, _, _, child, flags, _, real, matched, chosen, _ = record
                if (
                    known[tid] is None
                    and -FAR < child - numbers.recent < FAR
                    and (child > numbers.newest or child >= RESERVED)
                    and child not in known
                    and not (tid in busy or tid in noted)
                    and not (real or matched or chosen or flags & _SELDOM or places.next_ns or calls.settled)
                    and not places.anywhere
                    and (not (unplaced or places.roaming) or places.inherits_place(tid, child))
                ):
                    # The number is near the last one, as most are; nothing about it is in doubt.
                    if tid > numbers.newest and tid not in numbers.chosen:
                        numbers.newest = tid
                    numbers.recent = child
                    history(record)
                    known[child] = None
                    append(_new(Clone, record[1:7] + _CLONE_REST))
                    continue
            elif kind == EXIT_BEGIN and shown.ends:
                if tid > numbers.newest and tid not in numbers.chosen:
                    numbers.newest = tid
                append(_new(ExitBegin, record[1:]))
                continue
            elif tid in busy or tid in noted:
                pass
            elif kind == EXEC:
                if record[4] == tid and record[5]:
                    if tid > numbers.newest and tid not in numbers.chosen:
                        numbers.newest = tid
                    append(_new(Exec, record[1:5] + programs[record[5]]))
                    continue
            elif kind == SEEN:
                if tid > numbers.newest and tid not in numbers.chosen:
                    numbers.newest = tid
                continue
            elif known[tid] is not None:
                pass
            elif kind == EXIT:
                if shown.ends and tid not in attached:
                    del known[tid]
                    append(_new(Exit, record[1:]))
                    continue
            elif kind == REAP:
                if not record[6] and record[4] not in known and not places.anywhere:
                    append(_new(Reap, record[1:6]))
                    continue
            elif (
                kind == CHILD_SIGNAL
                and not (record[5] or places.anywhere)
                and record[4] not in early
                and record[4] not in known
            ):
                append(_new(ChildSignal, record[1:5]))
                continue
            self._slowly(record)
            waits = bool(self._kept or maker.reused)

        if record is not None:
            self._read_to = record[1]

    def _without_results(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same, but that some calls do not say whom they have created."""
        for record in records:
            if record[0] == CLONED and (record[3], record[1]) in self._nobodys:
                yield (OPEN, *record[1:4])
                yield (CUT_SHORT, record[10], None, record[3], *record[5:7], False, record[10])
            else:
                yield record

    def _life(self, record: Record) -> bool:
        """A whole life, if nothing about it is in doubt."""
        _, at, times, tid, child, number = record
        shown, tasks, calls, numbers, places, _ = self._state
        known = tasks.known
        if not (
            known.get(tid, self) is None
            and -FAR < child - numbers.recent < FAR
            and (child > numbers.newest or child >= RESERVED)
            and child not in known
            and shown.ends
            and not (tid in calls.open or tid in tasks.noted)
            and not (places.next_ns or calls.settled)
        ):
            return False
        if places.unplaced:
            places.inherits_place(tid, child)
        numbers.recent = child
        if child > numbers.newest and child not in numbers.chosen:
            numbers.newest = child
        plan = self._plans[number]
        numbers.history.append((CLONED, at, None, tid, child, 0, 0, 0, "", False, at + plan.clone_end))
        course = plan.course
        if self._condense and course is not None and times is None:
            self._maker.events.append(_new(Life, (at, None, tid, child, course)))
            self.condensed += course.size - 1
        else:
            self._maker.events += plan.events(at, times, tid, child)
        return True

    def _run(self, record: Record) -> None:
        """A life record by record, or what its number means; or what is of no task."""
        if record[0] == GAP:
            self._maker.lines_are_missing(record[1], record[2])
        elif record[0] == RUN:
            self.feed(records_of(record, self._plans[record[5]].run))
        else:
            self._plans[record[4]] = Plan(record[5], self.programs)

    def _slowly(self, record: Record) -> None:
        births = self._births
        if record[0] == DOUBTED:
            births.doubts.doubt(record)
            return
        call = births.look(record) if record[0] != SETTLED else None
        kept = self._kept
        if kept:
            kept.append((record, call))
            self._drain()
            if len(kept) > PATIENCE:
                self._lose_patience()
        elif not self._maker.apply(record, call):
            kept.append((record, call))
        if not kept and self._state.tasks.ahead:
            self._state.tasks.ahead.clear()

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
        self._maker.finish(self._read_to)

    def _named(self, records: Iterable[Record]) -> Iterable[Record]:
        """The first task has no number until a later line names it: wait for that."""
        waiting = self._nameless
        assert waiting is not None
        rest = iter(records)
        for record in rest:
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

    @property
    def lost(self) -> int:
        """How often it showed so far that lines are missing."""
        return self._maker.lost

    def take(self) -> list[Event | Life]:
        """The events so far; the next call returns only what is new."""
        events = self._maker.events
        taken = events[:]
        events.clear()
        return taken


def _renamed(record: Record, tid: int) -> Record:
    """The record of a task that had no number until now."""
    if record[3]:
        return record
    if record[0] == EXEC:
        return (EXEC, record[1], record[2], tid, record[4] or tid, record[5])
    return (*record[:3], tid, *record[4:])
