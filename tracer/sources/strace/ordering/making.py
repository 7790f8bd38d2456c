"""From a record whose turn has come to its events.

A task's first record announces it, and what contradicts a birth is put right. What tells of ends is left to `ends`.
"""

from __future__ import annotations

from tracer.event import (
    CLONE_PARENT,
    CLONE_THREAD,
    CLONE_UNTRACED,
    UNTRACED,
    Attach,
    Clone,
    Detach,
    Event,
    Exec,
    Exit,
    ExitBegin,
    JoinPidNs,
    Killed,
    NewPidNs,
    Reap,
    Rename,
    SameProcess,
    SetPdeathsig,
    SetSubreaper,
    SubreaperSettled,
)
from tracer.sources.strace.ordering.announced import Announced
from tracer.sources.strace.ordering.births import Births
from tracer.sources.strace.ordering.calls import Call
from tracer.sources.strace.ordering.ends import Ends
from tracer.sources.strace.ordering.leaving import acts, leaves
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

    def __init__(self, state: State, births: Births, out: Announced) -> None:
        self._shown = state.shown
        self._calls = state.calls
        self._tasks = state.tasks
        self._strangers = state.strangers
        self._births = births
        self._out = out
        self._known = out.known
        self.ends = Ends(state, out)
        self.programs: dict[int, Program] = {}
        """The exec table that EXEC records refer to."""
        self.reused: dict[int, Call] = {}
        """Births that wait for the end of the number's last owner, by creator."""
        self._forced: set[int] = set()
        """Tasks that were announced as attached though a call that is open may have created them."""
        self._freed: set[int] = set()
        """Numbers whose last owners are gone, though no wait for them may be in the log."""

    def finish(self, at: int) -> None:
        """The log has ended: nothing more is waited for."""
        self.ends.finish(at)
        for call in list(self.reused.values()):
            self._announce(call)
        if not self._out.lost and self._strangers.are_too_many(self._births.doubts.count):
            self._out.lines_are_missing(at, None)

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
            self._out.events.append(_new(_PLAIN[kind], record[1:]))
        elif kind == SUBREAPER:
            self._out.events.append(SetSubreaper(at, time, tid, record[4], sure=False, returned=record[5]))
        elif kind == SETTLED:
            self._out.events.append(SubreaperSettled(at, time, tid))
        elif kind == EXIT:
            self.ends.ended(at, time, tid, record[4])
            return True
        elif kind == FREED:
            if record[4] in self._known and self._known[tid] is None:
                self._freed.add(record[4])
                self.ends.ended(at, time, record[4], None)
        elif kind == CLONED:
            assert call is not None
            if not call.settled:
                return call.passed
            if call.child and not call.born:
                self._bring(call)
        elif kind == EXEC:
            self._exec(at, time, tid, record[4], record[5])
        else:
            self._tells_of_others(record)
        self.ends.something_else()
        return True

    def _is_there(self, record: Record) -> bool:
        """The record's task is announced; False if that has to wait."""
        _, at, time, tid = record[:4]
        out = self._out
        if tid in out.left and acts(record):
            out.gone(tid)
            out.events.append(Exit(at, time, tid, None))
        if tid not in self._known and not self._birth(record, tid):
            return False
        if leaves(record) and not self._shown.ends:
            out.left.add(tid)
        return True

    def _tells_of_others(self, record: Record) -> None:
        """By numbers that may have to be translated."""
        kind, at, time, tid = record[:4]
        known, translate = self._known, self.ends.translate
        if kind == CHILD_SIGNAL:
            self.ends.signalled(record)
        elif kind == REAP:
            self.ends.reaped(record)
        elif kind == KILLED:
            number, real = record[4:]
            target = real or translate(tid, number) if number else tid
            if target in known and (real or not number or self.ends.is_sure(tid, number)):
                self._out.events.append(Killed(at, time, target, bool(number)))
        elif kind == SAME_GROUP:
            one, other = translate(tid, record[5]), translate(tid, record[4])
            if one in known and other in known and one != other:
                self._out.events.append(SameProcess(at, time, one, other))

    def _birth(self, record: Record, tid: int) -> bool:
        """The task's first record: announce it, if who created it is known or will never be."""
        at, time = record[1:3]
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
            self._out.events.append(Reap(at, time, 0, tid, None))
        if self._strangers.is_one_too_many(tid, at):
            self._out.lines_are_missing(at, time)
        creators, hosts = self._strangers.origins_of(tid, at)
        self._out.events.append(Attach(at, time, tid, "", noticed, record[4] if noticed else 0, creators, hosts))
        self._out.attached.add(tid)
        self._known[tid] = self._births.matching.place_stranger(tid, record)
        return True

    def _bring(self, call: Call) -> None:
        """A call has its child. Where the number's last owner is still to end, within the call, the birth waits."""
        if call.child in self._known and call.reuses:
            self.reused[call.tid] = call
        else:
            self._announce(call)

    def _announce_line(self, call: Call) -> None:
        """The birth of a call's child, and before it that of the caller, if that has not been told either (-z)."""
        line = {call: None}
        while self._shown.late_calls and call.tid not in self._known:
            calls = self._calls.settled.get(call.tid)
            if not calls or calls[0] in line:
                break
            call = calls[0]
            line[call] = None
        for one in reversed(line):
            self._announce(one)

    def _announce(self, call: Call) -> None:
        """The birth of a call's child."""
        child, out = call.child, self._out
        self._calls.announced(call)
        if self.reused.get(call.tid) is call:
            del self.reused[call.tid]
        call.born = True
        if child in self._known:
            if child in self._forced:
                self._forced.discard(child)
                return
            # The number is used again, so its last owner has ended; -qq hides how.
            out.attached.discard(child)
            out.events.append(Exit(call.at, call.time, child, None))
        out.born(child, call.child_ns, untraced=bool(call.flags & CLONE_UNTRACED))
        if call.either and call.matched:
            creators = call.tid, call.flags, call.at, call.tid, call.flags ^ CLONE_THREAD, call.at
            out.events.append(Attach(call.at, call.time, child, "", False, 0, creators))
            return
        number = call.number if call.number != child else 0
        end = call.end if call.flags & CLONE_PARENT and call.end > call.at else 0
        matched = call.matched or (UNTRACED if call.flags & CLONE_UNTRACED else "")
        birth = call.at, call.time, call.tid, child, call.flags, call.exit_signal, number, matched
        out.events.append(_new(Clone, (*birth, 0, (), 0, 0, bool(call.matched) and call.guessed, end)))

    def _exec(self, at: int, time: int | None, tid: int, old: int, reference: int) -> None:
        if old != tid:
            if self.ends.early:
                self.ends.forget_waits(tid)
            if old not in self._known and not self._birth((SEEN, at, time, old), old):
                self._births.deciding.decide(old, at_end=False)
                self._birth((SEEN, at, time, old), old)
            self._out.gone(old)
        self._out.left.discard(tid)
        filename, argv, cut = self.programs.get(reference, ("", (), True))
        self._out.events.append(_new(Exec, (at, time, tid, old, filename, argv, cut)))
