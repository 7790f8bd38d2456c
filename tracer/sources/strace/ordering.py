"""From records to events, in the order that `tracer.event` promises: births first.

In a log a child's lines often come before its creator's call returns. While it is not known who created a task, its
events are kept back, and all that follow them. Reading goes on meanwhile, so there are two places in the log:
`births.Births.look` sees each record when it is read, `_apply` when its turn comes. Mostly both are the same, and
nothing is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tracer.event import (
    CLONE_NEWPID,
    Attach,
    ChildSignal,
    Clone,
    Detach,
    Event,
    Exec,
    Exit,
    ExitBegin,
    JoinPidNs,
    Life,
    NewPidNs,
    Reap,
    Rename,
    SameProcess,
    SetPdeathsig,
    SetSubreaper,
)
from tracer.sources.strace.births import Births
from tracer.sources.strace.pidns import FAR, RESERVED, Call, Namespace
from tracer.sources.strace.records import (
    ATTACHED,
    CHILD_SIGNAL,
    CLONED,
    DETACHED,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    JOIN_PID_NS,
    NAMED,
    NEW_PID_NS,
    PDEATHSIG,
    REAP,
    RENAME,
    RUN,
    SAME_GROUP,
    SEEN,
    SUBREAPER,
    Program,
    Record,
)
from tracer.sources.strace.runs import Plan, records_of

MAX_KEPT = 200_000
"""So many records wait for an open call to return; then the task is taken for one whose creation the log lacks."""
PATIENCE = 5_000
"""So many records are read to find which task a number of another namespace means."""

_PLAIN: dict[int, type[Event]] = {
    EXIT_BEGIN: ExitBegin,
    SUBREAPER: SetSubreaper,
    PDEATHSIG: SetPdeathsig,
    RENAME: Rename,
    NEW_PID_NS: NewPidNs,
    JOIN_PID_NS: JoinPidNs,
    DETACHED: Detach,
}
"""Kinds whose records are their events with the kind in front."""

_CLONE_REST = (0, "", 0, (), 0, 0)
"""Clone's fields from `ns_child` on, where there is nothing to say."""

_new = tuple.__new__


class Orderer:
    """Feed it records, take events."""

    def __init__(self, follows: bool, shows_exits: bool = False, condense: bool = False) -> None:
        """`follows`: strace ran with -f, so that created tasks show up themselves.

        `shows_exits`: the log is known to tell of ordinary ends, before the first of them is read.
        `condense`: whole lives may come as one (Life).
        """
        self._follows = follows
        self._condense = condense
        self.events: list[Event | Life] = []
        self.condensed = 0
        """How many more events there would be without Life."""
        self.programs: dict[int, Program] = {}
        """The exec table that EXEC records refer to."""
        self._plans: dict[int, Plan] = {}
        """The table that RUN records refer to."""
        self._known: dict[int, Namespace | None] = {}
        self._births = Births(self._known)
        self._births.exits_seen = shows_exits
        self._kept: deque[tuple[Record, Call | None]] = deque()
        self._reused: dict[int, Call] = {}
        """Births that wait for the end of the number's last owner, by creator."""
        self._early: dict[int, Record] = {}
        """Waits in nested namespaces that stand before their child's end: the order of -ff files is by beginnings."""
        self._forced: set[int] = set()
        """Tasks that were announced as attached though a call that is open may have created them."""
        self._last_attached_end = 0
        """The task that ended with the last record, if its creation was not in the trace."""
        self._attached: set[int] = set()
        self._nameless: list[Record] | None = []

    # -- in -----------------------------------------------------------------------------------------------------

    def feed(self, records: Iterable[Record]) -> None:  # noqa: C901 - the hot loop: a function call costs as much as all
        """Read records; events come out as far as they can."""
        if self._nameless is not None:
            records = self._named(records)
        known = self._known
        births = self._births
        append = self.events.append
        programs = self.programs
        attached = self._attached
        busy = births.open
        history = births.history.append
        waits = bool(self._kept or self._reused)
        for record in records:
            kind = record[0]
            if kind >= RUN:
                if kind == RUN and not waits and self._is_plain(record):
                    self._lived(record)
                else:
                    self._run(record)
                    waits = bool(self._kept or self._reused)
                continue
            tid = record[3]
            if waits or tid not in known:
                self._slowly(record)
                waits = bool(self._kept or self._reused)
                continue
            if kind == CLONED:
                _, _, _, _, child, flags, _, real, matched, chosen, _ = record
                if (
                    known[tid] is None
                    and -FAR < child - births.recent < FAR
                    and (child > births.newest or child >= RESERVED)
                    and child not in known
                    and tid not in busy
                    and not (real or matched or chosen or flags & CLONE_NEWPID or births.next_ns or births.settled)
                ):
                    # The number is near the last one, as most are; nothing about it is in doubt.
                    births.recent = child
                    history(record)
                    known[child] = None
                    append(_new(Clone, record[1:7] + _CLONE_REST))
                    continue
            elif kind == EXIT_BEGIN:
                append(_new(ExitBegin, record[1:]))
                continue
            elif tid in busy:
                pass
            elif kind == EXEC:
                if record[4] == tid and record[5]:
                    append(_new(Exec, record[1:5] + programs[record[5]]))
                    continue
            elif kind == SEEN:
                if tid > births.newest and tid not in births.chosen:
                    births.newest = tid
                continue
            elif known[tid] is not None:
                pass
            elif kind == EXIT:
                if births.exits_seen and tid not in attached:
                    del known[tid]
                    append(_new(Exit, record[1:]))
                    continue
            elif kind == REAP:
                if not record[6] and record[4] not in known:
                    append(_new(Reap, record[1:6]))
                    continue
            elif kind == CHILD_SIGNAL and not record[5]:
                append(_new(ChildSignal, record[1:5]))
                continue
            self._slowly(record)
            waits = bool(self._kept or self._reused)

    def _is_plain(self, record: Record) -> bool:
        """Is nothing in doubt about a whole life? Then note its birth."""
        _, at, _, tid, child, number = record
        births = self._births
        known = self._known
        if (
            known.get(tid, self) is None
            and -FAR < child - births.recent < FAR
            and (child > births.newest or child >= RESERVED)
            and child not in known
            and births.exits_seen
            and tid not in births.open
            and not (births.next_ns or births.settled)
        ):
            births.recent = child
            if child > births.newest and child not in births.chosen:
                births.newest = child
            end = at + self._plans[number].clone_end
            births.history.append((CLONED, at, None, tid, child, 0, 0, 0, "", False, end))
            return True
        return False

    def _lived(self, record: Record) -> None:
        """A whole life, about which nothing is in doubt."""
        _, at, times, tid, child, number = record
        plan = self._plans[number]
        if self._condense and plan.course is not None and times is None:
            self.events.append(_new(Life, (at, None, tid, child, plan.course)))
            self.condensed += plan.course.size - 1
        else:
            self.events += plan.events(at, times, tid, child)

    def _run(self, record: Record) -> None:
        """A life record by record, or what its number means."""
        if record[0] == RUN:
            self.feed(records_of(record, self._plans[record[5]].run))
        else:
            self._plans[record[4]] = Plan(record[5], self.programs)

    def _slowly(self, record: Record) -> None:
        births = self._births
        call = births.look(record)
        kept = self._kept
        if kept:
            kept.append((record, call))
            self._drain()
            if len(kept) > PATIENCE:
                self._lose_patience()
        elif not self._apply(record, call):
            kept.append((record, call))
        if not kept and births.ahead:
            births.ahead.clear()

    def _drain(self) -> None:
        kept = self._kept
        while kept and self._apply(*kept[0]):
            kept.popleft()

    def _lose_patience(self) -> None:
        """The queue is long: let its head go, unless that waits for a call to return."""
        record, call = self._kept[0]
        if record[0] == CLONED and call is not None and record[3] in self._known:
            self._births.give_up(call, self._follows)
        elif self._births.waits_for_return(record[3]):
            if len(self._kept) <= MAX_KEPT:
                return
            self._force(record[3])
        else:
            self._births.decide(record[3], at_end=False)
        self._drain()

    def _force(self, tid: int) -> None:
        self._forced.add(tid)
        self._births.fresh.pop(tid, None)

    def finish(self) -> None:
        """The log has ended: what waits is decided by what is known."""
        if self._nameless:
            waiting, self._nameless = self._nameless, None
            self.feed(waiting)
        self._nameless = None
        while self._kept:
            record, call = self._kept[0]
            length = len(self._kept)
            if record[0] == CLONED and call is not None and record[3] in self._known:
                self._births.give_up(call, self._follows)
            else:
                self._births.decide(record[3], at_end=True)
            self._drain()
            if len(self._kept) == length:
                self._force(record[3])
                self._drain()
        for call in list(self._reused.values()):
            self._announce(call)

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

    # -- where events are made ----------------------------------------------------------------------------------

    def _apply(self, record: Record, call: Call | None) -> bool:
        """Make the record's event; False if it has to wait."""
        kind, at, time, tid = record[:4]
        if tid not in self._known and not self._birth(record, tid):
            return False
        if tid in self._reused:
            self._announce(self._reused[tid])
        if kind in _PLAIN:
            self.events.append(_new(_PLAIN[kind], record[1:]))
        elif kind == EXIT:
            self._last_attached_end = tid if tid in self._attached else 0
            self._attached.discard(tid)
            del self._known[tid]
            self.events.append(_new(Exit, record[1:]))
            if tid in self._early:
                reap = self._early.pop(tid)
                waiter = reap[3] if reap[6] or self._is_sure(reap[3], reap[4]) else 0
                self.events.append(_new(Reap, (at, time, waiter, tid, reap[5])))
            return True
        elif kind == CLONED:
            assert call is not None
            if not call.settled:
                return call.passed
            if call.child and not call.born:
                self._bring(call)
        elif kind == EXEC:
            self._exec(at, time, tid, record[4], record[5])
        else:
            self._apply_evidence(record)
        self._last_attached_end = 0
        return True

    def _bring(self, call: Call) -> None:
        """A call has its child. Where the number's last owner is still to end, within the call, the birth waits."""
        child = call.child
        if child in self._known and call.reuses:
            self._reused[call.tid] = call
        else:
            self._announce(call)

    def _apply_evidence(self, record: Record) -> None:
        """What tells of other tasks, by numbers that may have to be translated."""
        kind, at, time, tid = record[:4]
        if kind == CHILD_SIGNAL:
            child = record[5] or self._translate(tid, record[4])
            ns = self._known[tid]
            if record[5] and ns is not None:
                ns.learn(record[4], child, chosen=True)  # wait4, which is not translated, will return it
            if child and self._is_sure(tid, record[4]):
                self.events.append(_new(ChildSignal, (at, time, tid, child)))
        elif kind == REAP:
            child = record[6] or self._translate(tid, record[4])
            if child in self._known and self._known[tid] is not None and child != tid and self._births.exits_seen:
                self._early[child] = record
            elif child:
                waiter = tid if record[6] or self._is_sure(tid, record[4]) else 0
                self.events.append(_new(Reap, (at, time, waiter, child, record[5])))
                if child in self._known and child != tid and not self._births.exits_seen:  # -qq hid its end
                    self._attached.discard(child)
                    del self._known[child]
        elif kind == SAME_GROUP:
            one, other = self._translate(tid, record[5]), self._translate(tid, record[4])
            if one in self._known and other in self._known and one != other:
                self.events.append(SameProcess(at, time, one, other))

    def _birth(self, record: Record, tid: int) -> bool:
        """The task's first record: announce it, if who created it is known or will never be."""
        calls = self._births.settled.get(tid)
        if calls:
            self._announce(calls[0])
            return True
        if self._births.may_be_explained(tid):
            return False
        noticed = record[0] == ATTACHED
        self.events.append(Attach(record[1], record[2], tid, "", noticed, record[4] if noticed else 0))
        self._attached.add(tid)
        self._known[tid] = None
        return True

    def _announce(self, call: Call) -> None:
        """The birth of a call's child."""
        child = call.child
        self._births.announced(call)
        if self._reused.get(call.tid) is call:
            del self._reused[call.tid]
        call.born = True
        if child in self._known:
            if child in self._forced:
                self._forced.discard(child)
                return
            # The number is used again, so its last owner has ended; -qq hides how.
            self._attached.discard(child)
            self.events.append(Exit(call.at, call.time, child, None))
        self._known[child] = call.child_ns
        number = call.number if call.number != child else 0
        self.events.append(
            _new(
                Clone,
                (call.at, call.time, call.tid, child, call.flags, call.exit_signal, number, call.matched, 0, (), 0, 0),
            )
        )

    def _exec(self, at: int, time: int | None, tid: int, old: int, reference: int) -> None:
        if old != tid:
            if old not in self._known and not self._birth((SEEN, at, time, old), old):
                self._births.decide(old, at_end=False)
                self._birth((SEEN, at, time, old), old)
            self._known.pop(old, None)
            self._attached.discard(old)
        filename, argv, cut = self.programs.get(reference, ("", (), True))
        self.events.append(_new(Exec, (at, time, tid, old, filename, argv, cut)))

    def _translate(self, tid: int, number: int) -> int:
        """strace's number of the task that `tid` calls so; 0 where that cannot be known."""
        ns = self._known.get(tid)
        if ns is None:
            return number
        child = ns.tasks.get(number, 0)
        if not child and self._last_attached_end:
            # Nothing lies between a task's end and this report of one, and nothing else explains the task.
            child = self._last_attached_end
            ns.learn(number, child, chosen=True, guessed=True)
        return child

    def _is_sure(self, tid: int, number: int) -> bool:
        """A wait or signal proves who the parent is only if its number is known to mean that child."""
        ns = self._known.get(tid)
        return ns is None or number not in ns.guessed

    def take(self) -> list[Event | Life]:
        """The events so far; the next call returns only what is new."""
        taken = self.events[:]
        self.events.clear()
        return taken


def _renamed(record: Record, tid: int) -> Record:
    """The record of a task that had no number until now."""
    if record[3]:
        return record
    if record[0] == EXEC:
        return (EXEC, record[1], record[2], tid, record[4] or tid, record[5])
    return (*record[:3], tid, *record[4:])
