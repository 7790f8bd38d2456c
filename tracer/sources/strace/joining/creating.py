"""clone, clone3, fork and vfork: CLONED where they return, OPEN where they begin."""

from __future__ import annotations

import errno
import re

from tracer.event import CLONE_NEWPID, CLONE_THREAD, SIGCHLD
from tracer.sources.strace.joining.state import (
    CREATING,
    DETACHED_INSIDE,
    MAX_DIGITS,
    PID_MAX_LIMIT,
    UNFINISHED,
    Handler,
    Handlers,
    State,
    halves,
)
from tracer.sources.strace.lines import calls
from tracer.sources.strace.lines.grammar import result
from tracer.sources.strace.records import CLONED, CUT_SHORT, DOUBTED, EXIT, NOT_CLONED, OPEN, SEEN, Record

NO_START = "the beginning of the call, which says what it creates, is not in the trace"

REFUSALS = frozenset(
    error
    for name in (
        *("E2BIG", "EACCES", "EAGAIN", "EBADF", "EBUSY", "EEXIST", "EFAULT", "EINTR", "EINVAL", "EMFILE", "ENFILE"),
        *("ENODEV", "ENOMEM", "ENOSPC", "ENOSYS", "EOPNOTSUPP", "EPERM", "EUSERS"),
    )
    for error in (name.encode(), b"%d" % getattr(errno, name))
)
"""What clone can fail with, by name and number. Any other error, and what no task's number can be, is no result of the
call: where its task is killed on the way out, PTRACE_GET_SYSCALL_INFO fills in nothing (PTRACE_SYSCALL_INFO_NONE), and
strace before 6.12 prints what it has read last of any task (get_error() in its src/syscall.c), as an int."""

LOOKED_BACK = 400
"""So many records."""

_SET_TID = re.compile(rb"set_tid=\[(\d{1,9})\b")
_ERROR = re.compile(rb"= -1 (?:\(errno )?(\w+)")


def _is_not_read(value: int | None, rest: bytes) -> bool:
    """The result that strace printed is not that of the call."""
    if value is None:
        return False
    error = _ERROR.search(rest, rest.rfind(b" = ")) if value == -1 else None
    return error[1] not in REFUSALS if error is not None else not 0 < value <= PID_MAX_LIMIT


def _chosen(args: bytes) -> int:
    """The number that the caller wants for its child (set_tid), in the child's own namespace; 0: the kernel chooses."""
    if b"set_tid=[" not in args:
        return 0
    found = _SET_TID.search(args)
    return int(found[1]) if found is not None else -1


def _is_silent(cloned: Record, lately: list[Record]) -> bool:
    """Nothing is told of the number since the end of its last owner, if that was seen while the call lasted."""
    begin, number, end = cloned[1], cloned[4], cloned[10]
    for record in reversed(lately):
        if record[3] == number and record[1] > begin:
            return record[0] == EXIT and bool(record[1] < end)
    return True


class Creating:
    """Reads the calls that create tasks."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._flags: dict[bytes, tuple[int, int]] = {}

    def _clone_start(self, name: str) -> Handler:
        state = self._state
        records = state.records
        append = records.append
        pending = state.pending
        opened = state.opened
        clock = state.time_of
        created = self._created
        head = name.encode() + b"("

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            args, _, ret = rest.rpartition(b" = ")
            if ret.isdigit() and ret != b"0" and len(ret) < MAX_DIGITS and args.rstrip()[-1:] == b")":
                created(name, args, at, clock(time), tid, int(ret), 0, at)
            elif rest[-16:] == UNFINISHED:
                now = clock(time)
                pending[tid] = (name, rest[:-16], at, now, None)
                opened[tid] = len(records)
                append((OPEN, at, now, tid))
            else:
                found = result(rest)
                if found is not None:
                    if found.value is not None and 0 < found.value <= PID_MAX_LIMIT:
                        created(name, found.args, at, clock(time), tid, found.value, found.real, at)
                    elif found.open or _is_not_read(found.value, rest):
                        append((OPEN, at, clock(time), tid))
                        self._cut_short(name, found.args, at, tid)
                    else:
                        state.saw(at, time, tid)
                elif rest[-14:] == DETACHED_INSIDE:
                    state.saw(at, time, tid)
                else:
                    state.hold(at, time, tid, head, rest)

        return handle

    def _created(
        self, name: str, args: bytes, at: int, now: int | None, tid: int, child: int, real: int, end: int
    ) -> None:
        state = self._state
        values = self._clone_values(name, args)
        matched = ""
        if values is None:
            matched = NO_START
            # glibc and Go set the thread pointer of threads only; fork's children keep theirs.
            values = (CLONE_THREAD, 0) if b"tls=" in args else (0, SIGCHLD)
        flags, exit_signal = values
        if flags & CLONE_THREAD:
            state.leaders[real or child] = state.leaders.get(tid, tid)
        if not state.prefixed:
            state.naming.created(real or child)
        if state.exec_by:
            self._is_free(real or child, end, now)
        chosen = _chosen(args)
        state.cloned((CLONED, at, now, tid, child, flags, exit_signal, real, matched, chosen, end))

    def _is_free(self, number: int, at: int, now: int | None) -> None:
        """The number is given again. If a thread had it whose execve goes on as the leader's, that thread is gone."""
        state = self._state
        for leader in [leader for leader, thread in state.exec_by.items() if thread == number]:
            del state.exec_by[leader]
            state.records.append((EXIT, at, now, number, None))

    def killed_inside(self, at: int, tid: int, returned: bool = False) -> None:
        """The task is dead. If it was inside a call, that will never return; if it was on its way out of one, what
        strace has printed may be none (REFUSALS). `returned`: the call was over, as by another signal than SIGKILL, of
        which strace has told first."""
        call = self._state.pending.get(tid)
        if call is not None and call[0] in CREATING:
            del self._state.pending[tid]
            self._cut_short(call[0], call[1], at, tid)
        elif call is None and not (returned or self._state.alone or self._state.far_numbers or self._is_nested()):
            self._killed_on_the_way_out(at, tid)

    def _is_nested(self) -> bool:
        return any(flags & CLONE_NEWPID for flags, _ in self._flags.values())

    def _killed_on_the_way_out(self, at: int, tid: int) -> None:
        """The last that is told of it is a number, which may be no result."""
        records = self._state.records
        latest = range(len(records) - 1, max(len(records) - LOOKED_BACK, 0) - 1, -1)
        place = next((place for place in latest if records[place][3] == tid), -1)
        if place < 0 or records[place][0] != CLONED:
            return
        record = records[place]
        lately = records[-LOOKED_BACK:]
        if record[7] or record[9] or not _is_silent(record, lately) or self._has_gone_on(tid, record[10], at):
            return
        records.append((DOUBTED, at, None, tid, record[1], record[4]))

    def _has_gone_on(self, tid: int, after: int, until: int) -> bool:
        """Is there another line of the task, so that the call has returned? Yes, where that cannot be seen."""
        lines = self._state.around.between(after, until)
        if lines is None:
            return True
        # Without numbers in front of all lines, one that has none may be of any task; but notices are of no call, and
        # what follows one is the rest of the line that it was written into.
        own = re.compile((rb"%d(?!\d)" if self._state.prefixed else rb"\[pid +%d\]|(?!\[pid|strace: |$)") % tid)
        before = [b"", *lines]
        return any(own.match(line) and before[i][-9:] != b" attached" for i, line in enumerate(lines))

    def _cut_short(self, name: str, args: bytes, at: int, tid: int) -> None:
        """The call does not say whom it created; whoever it has created all the same is of this kind."""
        state = self._state
        state.opened.pop(tid, None)
        values = self._clone_values(name, args)
        if values is not None:
            state.records.append((CUT_SHORT, at, None, tid, *values, _chosen(args), 0 if state.alone else at))

    def _clone_values(self, name: str, args: bytes) -> tuple[int, int] | None:
        if name == "fork":
            return calls.FORK
        if name == "vfork":
            return calls.VFORK
        start = args.find(b"flags=")
        if start < 0:
            return None
        end = args.find(b",", start)
        key = args[start:end] if end > 0 else args[start:]
        if name == "clone3":
            start = args.find(b"exit_signal=", start)
            key += args[start : args.find(b",", start)] if start > 0 else b""
        values = self._flags.get(key)
        if values is None:
            found = calls.clone_flags(args)
            if found is None:
                return None
            values = found
            if len(self._flags) < 1000:
                self._flags[key] = values
        return values

    def _clone_resumed(self, name: str) -> Handler:
        state = self._state
        records = state.records
        pending = state.pending
        opened = state.opened
        created = self._created
        head = b"<... " + name.encode() + b" resumed>"

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            start = pending.pop(tid, None)
            if start is None or start[0] != name:
                start = (name, b"", at, state.time_of(time), None)
            args, _, ret = rest.rpartition(b" = ")
            if ret.isdigit() and ret != b"0" and len(ret) < MAX_DIGITS:
                created(name, start[1] + args, start[2], start[3], tid, int(ret), 0, at)
                return
            found = result(rest)
            if found is None:
                if rest[-14:] != DETACHED_INSIDE:
                    pending[tid] = start
                    state.hold(at, time, tid, head, rest)
            elif found.value is not None and 0 < found.value <= PID_MAX_LIMIT:
                created(name, start[1] + found.args, start[2], start[3], tid, found.value, found.real, at)
            elif found.open or _is_not_read(found.value, rest):
                self._cut_short(name, start[1] + found.args, at, tid)  # perhaps there is a child
                if found.open:
                    state.dying(at, time, tid)
            else:
                place = opened.pop(tid, None)
                if place is not None:
                    records[place] = (SEEN, *records[place][1:])
                else:
                    records.append((NOT_CLONED, at, state.time_of(time), tid))

        return handle

    def handlers(self) -> Handlers:
        """For the lines of these calls."""
        return halves(CREATING, self._clone_start, self._clone_resumed)

    def finish(self) -> None:
        """The log ends here."""
        for tid in list(self._state.pending):
            self.killed_inside(0, tid)
