"""How tasks end: exit and exit_group, and strace's own `+++ exited with 0 +++`."""

from __future__ import annotations

import re

from tracer.sources.strace.joining.creating import Creating
from tracer.sources.strace.joining.state import LEAVING, Handler, Handlers, State, halves
from tracer.sources.strace.lines import calls
from tracer.sources.strace.records import EXIT, EXIT_BEGIN

_KILLED = re.compile(rb"killed by (\w+)( \(core dumped\))? \+\+\+")
_SUPERSEDED = re.compile(rb"superseded by execve in pid (\d{1,18})")


class Ending:
    """Reads ends."""

    def __init__(self, state: State, creating: Creating) -> None:
        self._state = state
        self._creating = creating

    def _exit_start(self, name: str) -> Handler:
        state = self._state
        append = state.records.append
        clock = state.time_of
        group = name == "exit_group"
        callers = state.callers
        codes: dict[bytes, int] = {}

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            code = codes.get(rest)
            if code is None:
                value = calls.number(calls.first_value(rest))
                if value is None:
                    state.unreadable.append((at, name.encode() + b"(" + rest))
                    return
                code = codes[rest] = value & 0xFF
                if len(codes) > 2000:
                    codes.clear()
            callers.discard(tid)
            state.shows_leaving = True
            append((EXIT_BEGIN, at, clock(time), tid, code, group))

        return handle

    def _exit_resumed(self, _name: str) -> Handler:
        return lambda at, time, tid, rest: None

    def _ended(self) -> Handler:
        state = self._state
        append = state.records.append
        clock = state.time_of
        status_of = {b"exited with %d +++" % code: code << 8 for code in range(256)}.get
        pending, leaders, seen, callers = state.pending, state.leaders, state.seen, state.callers
        tids = state.tids
        other, alone = self._other_end, state.prefixed

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            status = status_of(rest)
            tids.pop(b"%d" % tid, None)
            if status is None or not alone or tid in pending or tid in leaders or tid in seen or tid in callers:
                other(at, time, tid, rest, status)
            else:
                append((EXIT, at, clock(time), tid, status))

        return handle

    def _other_end(self, at: int, time: bytes, tid: int, rest: bytes, status: int | None) -> None:
        state = self._state
        if status is None:
            superseded = _SUPERSEDED.match(rest)
            if superseded is not None:
                self._creating.killed_inside(at, tid)
                state.superseded(at, time, int(superseded[1]), tid)
                return
            killed = _KILLED.match(rest)
            if killed is None:
                state.unreadable.append((at, b"+++ " + rest))
                return
            value = calls.signal_value(killed[1])
            status = None if value is None else value | (0x80 if killed[2] else 0)
            self._killed_in_its_place(at, time, tid, status)
        may_have_left = status is not None and not status & 0x7F and tid in state.callers and not state.shows_leaving
        self._creating.killed_inside(at, tid, returned=may_have_left and tid not in state.leaders)
        state.pending.pop(tid, None)
        state.leaders.pop(tid, None)
        state.seen.discard(tid)
        state.callers.discard(tid)
        if not state.prefixed:
            state.naming.ended(tid)
            if status is not None and not status & 0x7F:
                state.naming.tells_ends = True
        state.records.append((EXIT, at, state.time_of(time), tid, status))

    def _killed_in_its_place(self, at: int, time: bytes, leader: int, status: int | None) -> None:
        """A thread that is inside its execve has the leader's number once all others are gone (de_thread()), but strace
        is told so later (PTRACE_EVENT_EXEC): of its own number no end is told."""
        state = self._state
        threads = state.threads_in_exec(leader) if state.pending and leader not in state.leaders else ()
        if len(threads) == 1:
            state.pending.pop(threads[0])
            state.leaders.pop(threads[0])
            state.records.append((EXIT, at, state.time_of(time), threads[0], status))

    def handlers(self) -> Handlers:
        """For the lines of these calls and of ends."""
        return {b"+++ ": self._ended(), **halves(LEAVING, self._exit_start, self._exit_resumed)}
