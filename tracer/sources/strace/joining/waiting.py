"""What tells a parent of its child's end: wait4 and its like, and SIGCHLD."""

from __future__ import annotations

import re

from tracer.sources.strace.joining.state import (
    DETACHED_INSIDE,
    MAX_DIGITS,
    PID_MAX_LIMIT,
    UNFINISHED,
    WAITING,
    Handler,
    Handlers,
    State,
    halves,
)
from tracer.sources.strace.lines import calls
from tracer.sources.strace.lines.grammar import result
from tracer.sources.strace.records import CHILD_SIGNAL, REAP

_TARGET = re.compile(rb"(0x[0-9a-f]+|[1-9]\d{0,6})(?:<[^\n]*?>)?(?: /\* (\d{1,18}) in strace's PID NS \*/)?, ")
_FAST_SIGCHLD = b"SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid="


class Waiting:
    """Reads waits and signals."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._wait_results: dict[bytes, tuple[bool, int | None]] = {}

    def _wait_start(self, name: str) -> Handler:
        state = self._state
        head = name.encode() + b"("
        seen, asked = state.seen, state.asked
        waited = self._waited

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            if rest[-16:] == UNFINISHED or rest[-14:] == DETACHED_INSIDE:
                if rest[:1].isdigit():
                    asked[tid] = rest
                elif tid in asked:
                    del asked[tid]
                if tid not in seen:
                    state.saw(at, time, tid)
            else:
                waited(name, head, at, time, tid, rest)

        return handle

    def _wait_resumed(self, name: str) -> Handler:
        head = b"<... " + name.encode() + b" resumed>"

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            self._waited(name, head, at, time, tid, rest)

        return handle

    def _waited(self, name: str, head: bytes, at: int, time: bytes, tid: int, rest: bytes) -> None:
        state = self._state
        args, _, ret = rest.rpartition(b" = ")
        asked = state.asked.pop(tid, b"") if head[:1] == b"<" and state.asked else args
        if ret.isdigit() and len(ret) < MAX_DIGITS and name != "waitid":
            if ret != b"0":
                self._reaped(asked, args, at, time, tid, int(ret), 0)
            else:
                self._found_nobody(at, time, tid)
            return
        self._found_nobody(at, time, tid)
        if ret == b"-1 ECHILD (No child processes)":
            return
        found = result(rest)
        if found is None:
            if rest[-14:] != DETACHED_INSIDE:
                if asked is not args:
                    state.asked[tid] = asked
                state.hold(at, time, tid, head, rest)
            return
        if name == "waitid" and not found.open:
            info = calls.child_info(found.args) if found.value == 0 and not calls.leaves_zombie(found.args) else None
            if info is not None:
                state.records.append((REAP, at, state.time_of(time), tid, info[0], info[2], info[1]))
        elif found.open:
            state.dying(at, time, tid)
        elif found.value is not None and found.value > 0:
            self._reaped(asked, found.args + b")", at, time, tid, found.value, found.real)

    def _found_nobody(self, at: int, time: bytes, tid: int) -> None:
        """That the caller is there may be all that the log tells of it; of the task of a file the name does."""
        if tid not in self._state.seen and not self._state.alone:
            self._state.saw(at, time, tid)

    def _reaped(self, asked: bytes, args: bytes, at: int, time: bytes, tid: int, child: int, real: int) -> None:
        """`asked` begins with who was waited for. A wait for one child returns that one (do_wait()): where its caller
        was killed on the way out, another number is another call's result (creating.REFUSALS)."""
        state = self._state
        target = _TARGET.match(asked)
        if target is not None:
            number = calls.number(target[1]) or 0
            if number != child and 0 < number <= PID_MAX_LIMIT:
                self._found_nobody(at, time, tid)
                return
            real = real or int(target[2] or 0)
        known = self._wait_results.get(args)
        if known is None:
            known = calls.wait_result(args)
            if len(self._wait_results) > 2000:
                self._wait_results.clear()
            self._wait_results[args] = known
        if known[0]:
            state.records.append((REAP, at, state.time_of(time), tid, child, known[1], real))

    def _signalled(self) -> Handler:
        state = self._state
        append = state.records.append
        clock = state.time_of
        skip = len(_FAST_SIGCHLD)
        taken_over, exec_by = state.taken_over, state.exec_by

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            if tid in taken_over or tid in exec_by:
                state.stopped.add(tid)
            if rest[:skip] == _FAST_SIGCHLD:
                text = rest[skip : rest.find(b",", skip)]
                if text.isdigit() and len(text) < MAX_DIGITS:
                    append((CHILD_SIGNAL, at, clock(time), tid, int(text), 0))
                    return
            info = calls.child_info(rest) if b"si_code=" in rest else None
            if info is not None:
                append((CHILD_SIGNAL, at, clock(time), tid, info[0], info[1]))

        return handle

    def handlers(self) -> Handlers:
        """For the lines of these calls and of signals."""
        return {b"--- ": self._signalled(), **halves(WAITING, self._wait_start, self._wait_resumed)}
