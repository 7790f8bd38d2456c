"""From a record whose turn has come to its events.

`Maker` is where `ordering` has got to in the log: the tasks that are announced and have not ended. A task's first
record announces it, numbers of nested namespaces are translated, and what contradicts a birth is put right.
"""

from __future__ import annotations

from tracer.event import (
    CLONE_PARENT,
    CLONE_UNTRACED,
    UNTRACED,
    Attach,
    ChildSignal,
    Clone,
    Detach,
    Event,
    Exec,
    Exit,
    ExitBegin,
    JoinPidNs,
    Killed,
    Lost,
    NewPidNs,
    Reap,
    Rename,
    SameProcess,
    SetPdeathsig,
    SetSubreaper,
    SubreaperSettled,
)
from tracer.life import Life
from tracer.sources.strace.ordering.births import Births
from tracer.sources.strace.ordering.calls import Call
from tracer.sources.strace.ordering.leaving import acts, leaves
from tracer.sources.strace.ordering.pidns import UNPLACED
from tracer.sources.strace.ordering.state import State
from tracer.sources.strace.records import (
    ATTACHED,
    CHILD_SIGNAL,
    CLONED,
    DETACHED,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    FREED,
    JOIN_PID_NS,
    KILLED,
    NEW_PID_NS,
    PDEATHSIG,
    REAP,
    RENAME,
    SAME_GROUP,
    SEEN,
    SETTLED,
    SUBREAPER,
    Program,
    Record,
)

_PLAIN: dict[int, type[Event]] = {
    EXIT_BEGIN: ExitBegin,
    PDEATHSIG: SetPdeathsig,
    RENAME: Rename,
    NEW_PID_NS: NewPidNs,
    JOIN_PID_NS: JoinPidNs,
    DETACHED: Detach,
}
"""Kinds whose records are their events with the kind in front."""

_new = tuple.__new__


class Maker:
    """Makes events, in the order of the calls of `apply`."""

    def __init__(self, state: State, births: Births) -> None:
        self._shown, self._tasks, self._calls, self._numbers, self._places, self._strangers = state
        self._births = births
        self.known = state.tasks.known
        """Tasks that are announced and have not ended, with their nested namespace or None."""
        self.events: list[Event | Life] = []
        self.lost = 0
        """How often that showed."""
        self.programs: dict[int, Program] = {}
        """The exec table that EXEC records refer to."""
        self.attached: set[int] = set()
        """Those of `known` whose creation was not in the trace."""
        self.reused: dict[int, Call] = {}
        """Births that wait for the end of the number's last owner, by creator."""
        self.early: dict[int, Record] = {}
        """Waits that stand before their child's end, by child: the order of -ff files is by beginnings. Elsewhere the
        tracer sees an end first (wait_consider_task()); what a dead task's wait seems to return is another's result."""
        self.untraced: set[int] = set()
        """Those of `known` of which strace tells nothing (CLONE_UNTRACED)."""
        self._left: set[int] = set()
        """Those of `known` that have left: `Tasks.left`, where this has got to."""
        self._told: dict[int, int] = {}
        """Living children of whose end a signal has told -> to whom. The line of an end can be lost: droptcb() drops
        what -z keeps back of a call, and that with it."""
        self._forced: set[int] = set()
        """Tasks that were announced as attached though a call that is open may have created them."""
        self._freed: set[int] = set()
        """Numbers whose last owners are gone, though no wait for them may be in the log."""
        self.took_for_hidden = False
        """A wait returned a task of whose end no line had told, when none had told of an ordinary end yet (-qq)."""
        self._last_attached_end = 0
        """The task that ended with the last record, if its creation was not in the trace."""

    def finish(self, at: int) -> None:
        """The log has ended: nothing more is waited for. Whose wait has returned a child that lives, and who lives
        himself, so that it was his, was told the truth."""
        for child, reap in [*self.early.items()]:
            if reap[3] in self.known and child in self.known and self._ends_are_told(child, reap[1]):
                self.lines_are_missing(at, None)
                self._lost_its_end(reap[1], reap[2], reap[3], child, reap[5])
        for call in list(self.reused.values()):
            self._announce(call)
        if not self.lost and self._strangers.are_too_many(self._births.doubts.count):
            self.lines_are_missing(at, None)

    def force(self, tid: int) -> None:
        """The task is announced as attached when its turn comes, whatever a call may still tell."""
        self._forced.add(tid)
        self._tasks.fresh.pop(tid, None)

    def apply(self, record: Record, call: Call | None) -> bool:
        """Make the record's event; False if it has to wait."""
        kind, at, time, tid = record[:4]
        if not self._is_there(record):
            return False
        if tid in self.reused:
            self._announce(self.reused[tid])
        if kind == JOIN_PID_NS and record[4] < 0:
            return True
        if kind in _PLAIN:
            self.events.append(_new(_PLAIN[kind], record[1:]))
        elif kind == SUBREAPER:
            self.events.append(SetSubreaper(at, time, tid, record[4], sure=False, returned=record[5]))
        elif kind == SETTLED:
            self.events.append(SubreaperSettled(at, time, tid))
        elif kind == EXIT:
            self._end(at, time, tid, record[4])
            return True
        elif kind == FREED:
            if record[4] in self.known and self.known[tid] is None:
                self._freed.add(record[4])
                self._end(at, time, record[4], None)
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

    def _is_there(self, record: Record) -> bool:
        """The record's task is announced; False if that has to wait."""
        _, at, time, tid = record[:4]
        if tid in self._left and acts(record):
            self._is_gone(tid)
            self.events.append(Exit(at, time, tid, None))
        if tid not in self.known and not self._birth(record, tid):
            return False
        if leaves(record) and not self._shown.ends:
            self._left.add(tid)
        return True

    def _is_gone(self, tid: int) -> None:
        """The number is free."""
        self.attached.discard(tid)
        self._told.pop(tid, None)
        self._left.discard(tid)
        self._tasks.left.discard(tid)
        self.known.pop(tid, None)

    def _end(self, at: int, time: int | None, tid: int, status: int | None) -> None:
        self._last_attached_end = tid if tid in self.attached else 0
        self._is_gone(tid)
        self.events.append(Exit(at, time, tid, status))
        if tid in self.early:
            reap = self.early.pop(tid)
            waiter = reap[3] if reap[6] or self._is_sure(reap[3], reap[4]) else 0
            self.events.append(_new(Reap, (at, time, waiter, tid, reap[5])))
        if self.early:
            self._forget_waits(tid)

    def _bring(self, call: Call) -> None:
        """A call has its child. Where the number's last owner is still to end, within the call, the birth waits."""
        child = call.child
        if child in self.known and call.reuses:
            self.reused[call.tid] = call
        else:
            self._announce(call)

    def _forget_waits(self, dead: int) -> None:
        """A task has ended before those that its wait seems to have returned."""
        for child in [child for child, reap in self.early.items() if reap[3] == dead]:
            del self.early[child]

    def _apply_evidence(self, record: Record) -> None:
        """What tells of other tasks, by numbers that may have to be translated."""
        kind, at, time, tid = record[:4]
        if kind == CHILD_SIGNAL:
            child = record[5] or self._translate(tid, record[4])
            ns = self.known[tid]
            if record[5] and ns is not None:
                ns.learn(record[4], child, chosen=True)  # wait4, which is not translated, will return it
            sure = record[5] or self._is_sure(tid, record[4])
            if child in self.early and self.early[child][3] == tid and sure:
                self._lost_its_end(at, time, tid, child, self.early.pop(child)[5])
            elif child in self.known and self._numbers.is_given_again(child, at, self._shown.ends):
                return  # of the number's last owner: the tracer sees an end before the parent is told
            if child and sure:
                self.events.append(_new(ChildSignal, (at, time, tid, child)))
                if child in self.known and self._shown.ends:
                    self._told[child] = tid
                    if child not in self.untraced:
                        self._is_untold(child, at, time)
        elif kind == REAP:
            self._reaped(record)
        elif kind == KILLED:
            number, real = record[4:]
            target = real or self._translate(tid, number) if number else tid
            if target in self.known and (real or not number or self._is_sure(tid, number)):
                self.events.append(Killed(at, time, target, bool(number)))
        elif kind == SAME_GROUP:
            one, other = self._translate(tid, record[5]), self._translate(tid, record[4])
            if one in self.known and other in self.known and one != other:
                self.events.append(SameProcess(at, time, one, other))

    def _is_untold(self, child: int, at: int, time: int | None) -> None:
        """A signal has told of an end that no line tells."""
        if self._ends_are_told(child, at):
            self.lines_are_missing(at, time)
        elif not (self._shown.from_start or self._shown.late_calls):
            self._places.untold = True

    def _reaped(self, record: Record) -> None:
        """A wait has returned a child."""
        _, at, time, tid = record[:4]
        child = record[6] or self._translate(tid, record[4])
        if child in self.known and self._numbers.is_given_again(child, at):
            pass  # of the number's last owner
        elif child in self.known and self._told.get(child) == tid and (record[6] or self._is_sure(tid, record[4])):
            self._lost_its_end(at, time, tid, child, record[5])
        elif child in self.known and child != tid and self._shown.ends:
            self.early[child] = record
        elif child:
            waiter = tid if record[6] or self._is_sure(tid, record[4]) else 0
            self.events.append(_new(Reap, (at, time, waiter, child, record[5])))
            if child in self.known and child != tid and not self._shown.ends:  # -qq hid its end
                self.took_for_hidden = True
                self._is_gone(child)

    def _lost_its_end(self, at: int, time: int | None, tid: int, child: int, status: int | None) -> None:
        """A wait and a signal tell the same: neither is another's result, and the line of the end is lost."""
        self._is_gone(child)
        self.events += [Exit(at, time, child, status), Reap(at, time, tid, child, status)]

    def _birth(self, record: Record, tid: int) -> bool:
        """The task's first record: announce it, if who created it is known or will never be."""
        calls = self._calls.settled.get(tid)
        if tid in self._strangers.earlier:
            self._strangers.earlier.discard(tid)
        elif calls:
            self._announce_line(calls[0])
            return True
        if self._births.deciding.may_be_explained(tid):
            return False
        noticed = record[0] == ATTACHED
        if tid in self._freed:
            self._freed.discard(tid)
            self.events.append(Reap(record[1], record[2], 0, tid, None))
        if self._strangers.is_one_too_many(tid, record[1]):
            self.lines_are_missing(record[1], record[2])
        creators, hosts = self._strangers.origins_of(tid, record[1])
        self.events.append(Attach(record[1], record[2], tid, "", noticed, record[4] if noticed else 0, creators, hosts))
        self.attached.add(tid)
        self.known[tid] = self._births.matching.place_stranger(tid, record)
        return True

    def lines_are_missing(self, at: int, time: int | None) -> None:
        """Before this line there were others that the log does not have."""
        self.lost += 1
        self.events.append(Lost(at, time, 0, 1))

    def _announce_line(self, call: Call) -> None:
        """The birth of a call's child, and before it that of the caller, if that has not been told either (-z)."""
        line = {call: None}
        while self._shown.late_calls and call.tid not in self.known:
            calls = self._calls.settled.get(call.tid)
            if not calls or calls[0] in line:
                break
            call = calls[0]
            line[call] = None
        for one in reversed(line):
            self._announce(one)

    def _announce(self, call: Call) -> None:
        """The birth of a call's child."""
        child = call.child
        self._calls.announced(call)
        if self.reused.get(call.tid) is call:
            del self.reused[call.tid]
        call.born = True
        if child in self.known:
            if child in self._forced:
                self._forced.discard(child)
                return
            # The number is used again, so its last owner has ended; -qq hides how.
            self.attached.discard(child)
            self.events.append(Exit(call.at, call.time, child, None))
        self._told.pop(child, None)
        self._left.discard(child)
        self.known[child] = call.child_ns
        (self.untraced.add if call.flags & CLONE_UNTRACED else self.untraced.discard)(child)
        number = call.number if call.number != child else 0
        end = call.end if call.flags & CLONE_PARENT and call.end > call.at else 0
        matched = call.matched or (UNTRACED if call.flags & CLONE_UNTRACED else "")
        birth = call.at, call.time, call.tid, child, call.flags, call.exit_signal, number, matched
        self.events.append(_new(Clone, (*birth, 0, (), 0, 0, bool(call.matched) and call.guessed, end)))

    def _exec(self, at: int, time: int | None, tid: int, old: int, reference: int) -> None:
        if old != tid:
            if self.early:
                self._forget_waits(tid)
            if old not in self.known and not self._birth((SEEN, at, time, old), old):
                self._births.deciding.decide(old, at_end=False)
                self._birth((SEEN, at, time, old), old)
            self._is_gone(old)
        self._left.discard(tid)
        filename, argv, cut = self.programs.get(reference, ("", (), True))
        self.events.append(_new(Exec, (at, time, tid, old, filename, argv, cut)))

    def _translate(self, tid: int, number: int) -> int:
        """strace's number of the task that `tid` calls so; 0 where that cannot be known."""
        ns = self.known.get(tid)
        if ns is None or ns is UNPLACED:
            return number
        child = ns.tasks.get(number, 0)
        if not child and self._last_attached_end:
            # Nothing lies between a task's end and this report of one, and nothing else explains the task.
            child = self._last_attached_end
            ns.learn(number, child, chosen=True, guessed=True)
        return child

    def _is_sure(self, tid: int, number: int) -> bool:
        """A wait or signal proves who the parent is only if its number is known to mean that child."""
        ns = self.known.get(tid)
        if ns is None or ns is UNPLACED:
            return tid in self._places.roaming or not self._places.is_doubtful(number, ns)
        return number not in ns.guessed

    def _ends_are_told(self, child: int, at: int) -> bool:
        """The log would say of the task that has this number at that line that it has ended, before anybody is told."""
        shown, numbers = self._shown, self._numbers
        last = numbers.last_given(child)
        told = shown.from_start and shown.ends and not (shown.late_calls or self._places.nested)
        return told and child not in numbers.chosen and last is not None and last[10] < at
