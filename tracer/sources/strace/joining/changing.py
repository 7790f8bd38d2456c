"""Calls that count where they have returned 0: execve, prctl, unshare, setns, tgkill."""

from __future__ import annotations

import re

from tracer.sources.strace.joining.creating import Creating
from tracer.sources.strace.joining.state import (
    DETACHED_INSIDE,
    TWO_ENDED,
    UNFINISHED,
    Handler,
    Handlers,
    Pending,
    State,
    halves,
)
from tracer.sources.strace.joining.untold import EXECS, call_behind, records
from tracer.sources.strace.lines import calls
from tracer.sources.strace.lines.grammar import Result, result
from tracer.sources.strace.records import (
    EXEC,
    EXIT,
    HANDOVER,
    JOIN_PID_NS,
    NEW_PID_NS,
    PDEATHSIG,
    RENAME,
    SAME_GROUP,
    SEEN,
    SUBREAPER,
)

_PID_CHANGED = re.compile(rb"<pid changed to (\d{1,18}) \.\.\.>$")
_NUMBER = rb"(?:\w+=)?(\d{1,18})(?:<[^,\n]*>)?(?: /\*[^*]*\*/)?, "
_TWO_NUMBERS = re.compile(_NUMBER + _NUMBER)
_UNDONE = re.compile(
    rb"\) += (?:\?(?! ERESTART)|-1 (?:E(?:ACCES|FAULT|INVAL|NOSYS|PERM)\b|\(errno (?:1|13|14|22|38)\))|.*\(INJECTED)"
)
"""A prctl that says none of these was carried out: it cannot fail for another reason, and is not restarted. Its task
was killed while strace looked at its return, and what stands there is of another call (creating.REFUSALS)."""


def _is_done(name: str, found: Result, rest: bytes) -> bool:
    """The call has done what it was asked for."""
    return found.value == 0 or (name == "prctl" and _UNDONE.match(rest, len(found.args)) is None)


class Changing:
    """Reads the calls by which a task changes itself."""

    def __init__(self, state: State, creating: Creating) -> None:
        self._state = state
        self._creating = creating

    def _call_start(self, name: str) -> Handler:
        state = self._state
        pending = state.pending
        finish = self._finisher(name)
        head = name.encode() + b"("
        began = self._prctl_began if name == "prctl" else None

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            if rest[-4:] == b" = 0":
                finish(at, time, tid, rest[:-4])
            elif rest[-16:] == UNFINISHED:
                pending[tid] = (name, rest[:-16], at, None, None)
                if began is None or not began(at, time, tid, rest[:-16]):
                    state.saw(at, time, tid)
            elif rest[-5:] == b" ...>":
                changed = _PID_CHANGED.search(rest)
                if changed is not None:
                    pending[tid] = (name, rest[: changed.start()], at, None, None)
                    self._changed(at, time, tid, int(changed[1]))
            else:
                found = result(rest)
                if found is None:
                    state.hold(at, time, tid, head, rest)
                elif _is_done(name, found, rest):
                    finish(at, time, tid, found.args)
                elif state.hidden and self._was_hidden(tid, found.args, rest):
                    self._execed_unseen(at, time, tid, rest)
                elif not (began is not None and found.open and began(at, time, tid, found.args)):
                    state.saw(at, time, tid)

        return handle

    def _call_resumed(self, name: str) -> Handler:
        state = self._state
        pending = state.pending
        finish = self._finisher(name)
        head = b"<... " + name.encode() + b" resumed>"
        is_exec = name.startswith("exec")

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            if is_exec and tid in state.taken_over:
                self._after_taking_over(at, time, tid, head, rest)
                return
            if is_exec and tid not in pending and tid not in state.exec_by:
                self._find_thread(tid)
            start = pending.pop(tid, None)
            args = start[1] if start is not None and start[0] == name else b""
            if rest[-4:] == b" = 0":
                finish(at, time, tid, args + rest[:-4])
                return
            found = result(rest)
            if found is None:
                if start is not None:
                    pending[tid] = start
                if rest[-14:] != DETACHED_INSIDE:
                    state.hold(at, time, tid, head, rest)
            elif _is_done(name, found, rest):
                finish(at, time, tid, args + found.args)
            elif state.hidden and self._was_hidden(tid, args + found.args, rest):
                self._execed_unseen(at, time, tid, rest)
            elif found.open and start is not None and tid not in state.exec_by:
                pending[tid] = start
                state.dying(at, time, tid)
            elif is_exec and self._has_taken_over(tid, start) and call_behind(rest) is not None:
                finish(at, time, tid, args + found.args)
                self._hides(at, time, tid, rest)
            elif is_exec and tid in state.exec_by:
                # It failed after the thread had become the leader: the thread's number is gone, the program is not.
                state.records.append((EXIT, at, state.time_of(time), state.exec_by.pop(tid), None))

        return handle

    def _after_taking_over(self, at: int, time: bytes, tid: int, head: bytes, rest: bytes) -> None:
        """The return of an execve that is known to have succeeded."""
        state = self._state
        if result(rest) is None and rest[-14:] != DETACHED_INSIDE:
            state.hold(at, time, tid, head, rest)
            return
        del state.taken_over[tid]
        self._hides(at, time, tid, rest)

    def _hides(self, at: int, time: bytes, tid: int, rest: bytes) -> None:
        """What stands as the result of an execve that has succeeded may be the beginning of a call that is not told."""
        state = self._state
        behind = call_behind(rest)
        if tid in state.stopped:
            state.stopped.discard(tid)
        elif behind is not None:
            first = len(state.records)
            state.records += records(at, state.time_of(time), tid, *behind)
            if behind[0] in EXECS:
                state.hidden[tid] = first, len(state.records)

    def _was_hidden(self, tid: int, args: bytes, rest: bytes) -> bool:
        """The hidden call was an execve that has succeeded: what strace takes for its beginning then (`Stray
        PTRACE_EVENT_EXEC`, dispatch_event()) is read from registers that are empty, and has no string in it."""
        return tid in self._state.hidden and b'"' not in args and call_behind(rest) is not None

    def _execed_unseen(self, at: int, time: bytes, tid: int, rest: bytes) -> None:
        state = self._state
        for place in range(*state.hidden.pop(tid)):  # so it was nothing else
            state.records[place] = (SEEN, *state.records[place][1:4])
        state.records.append((EXEC, at, state.time_of(time), tid, tid, 0))
        self._hides(at, time, tid, rest)

    def _changed(self, at: int, time: bytes, thread: int, leader: int) -> None:
        """The thread's number ends here; its execve goes on as the leader's."""
        state = self._state
        if state.alone:
            args = state.pending.pop(thread)[1]
            state.records.append((HANDOVER, at, state.time_of(time), thread, leader, state.programs.reference(args)))
        else:
            self._creating.killed_inside(at, leader)
            state.superseded(at, time, thread, leader)

    def _find_thread(self, leader: int) -> None:
        """An execve returns to a task that began none: -qqq hid that it took over from one of its threads."""
        state = self._state
        threads = state.threads_in_exec(leader)
        if len(threads) == 1:
            state.move_exec(threads[0], leader)

    def _has_taken_over(self, tid: int, start: Pending | None) -> bool:
        """The execve was a thread's, which has succeeded. Its beginning is in the thread's file, if each has one."""
        return tid in self._state.exec_by or (self._state.alone and start is None)

    def _finisher(self, name: str) -> Handler:
        return {
            "execve": self._execed,
            "execveat": self._execed,
            "prctl": self._prctled,
            "unshare": self._unshared,
            "setns": self._joined_ns,
            "tgkill": self._tgkilled,
        }[name]

    def _execed(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        state = self._state
        reference = state.programs.reference(args)
        if reference == 0 and args.strip(b" )"):
            state.unreadable.append((at, b"execve(" + args))
            return
        old = state.exec_by.pop(tid, tid) if state.exec_by else tid
        state.records.append((EXEC, at, state.time_of(time), tid, old, reference))

    def _prctled(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        state = self._state
        found = calls.prctl(args)
        if found is None:
            state.saw(at, time, tid)
            return
        option, rest = found
        if option == calls.PR_SET_NAME:
            comm = calls.quoted(rest)
            if comm is not None:
                state.records.append(
                    (RENAME, at, state.time_of(time), tid, comm.encode()[:15].decode("utf-8", "ignore"))
                )
            return
        value = calls.signal_value(calls.first_value(rest))
        if value is None:
            return
        if option == calls.PR_SET_CHILD_SUBREAPER:
            state.records.append((SUBREAPER, at, state.time_of(time), tid, value != 0, True))
            self._state.flag_set_by = tid if self._state.alone else 0
        else:
            state.records.append((PDEATHSIG, at, state.time_of(time), tid, value))

    def _prctl_began(self, at: int, time: bytes, tid: int, args: bytes) -> bool:
        """From here on the flag may be set, though the call has not returned: True if it is about that flag."""
        found = calls.prctl(args)
        if found is None or found[0] != calls.PR_SET_CHILD_SUBREAPER:
            return False
        value = calls.signal_value(calls.first_value(found[1]))
        self._state.records.append((SUBREAPER, at, self._state.time_of(time), tid, value != 0, False))
        return True

    def _unshared(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        state = self._state
        if calls.has_newpid(args):
            state.far_numbers = True
            state.records.append((NEW_PID_NS, at, state.time_of(time), tid))
        else:
            state.saw(at, time, tid)

    def _joined_ns(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        state = self._state
        inode = calls.joins_pid_ns(args)
        if inode is not None:
            state.far_numbers = True
            state.records.append((JOIN_PID_NS, at, state.time_of(time), tid, inode))
        else:
            state.saw(at, time, tid)

    def _tgkilled(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        state = self._state
        found = _TWO_NUMBERS.match(args)
        if found is not None and found[1] != found[2]:
            state.records.append((SAME_GROUP, at, state.time_of(time), tid, int(found[1]), int(found[2])))

    def handlers(self) -> Handlers:
        """For the lines of these calls."""
        return halves(TWO_ENDED, self._call_start, self._call_resumed)
