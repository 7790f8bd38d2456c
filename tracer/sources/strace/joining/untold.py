"""The call that `strace --seccomp-bpf` does not tell of: the first one after a thread's execve.

There strace lets a task run to the end of the call that it is in, or to the next one that the filter stops. Which of
them, dispatch_event() (src/strace.c, 5.3 to 7.2 at least) has decided for the leader before it learns that an execve
put a thread into its place (TE_STOP_BEFORE_EXECVE). So

- where the leader was in no call that is traced, the end of the execve is not stopped at. The beginning of the next
  traced call is taken for it, and nothing tells of the end of that call;
- where a signal is delivered before that, strace finds the task in its execve, and so stops it at the beginning of the
  next call of any kind (PTRACE_SYSCALL). That is taken for the end of the execve; if it is traced, a second stop tells
  of it as of any other call. Nothing is hidden;
- where the hidden call is an execve that succeeds, strace is told of that (PTRACE_EVENT_EXEC) while it knows of no
  execve. It supposes one, whose end it does not stop at either: so another call may be hidden behind the first. Before
  6.12 it takes what it has read last of any task for the number of that call, and where that is not traced, it says
  nothing: so after a hidden execve, which may have failed, any call may be hidden.

Its number stands as the result: PTRACE_GET_SYSCALL_INFO gives number and first argument of a call that begins where
those of one that ends have `rval` and `is_error` (get_error() in src/syscall.c). Since 6.12 it is ENOSYS instead, which
the register holds meanwhile.
"""

from __future__ import annotations

import re

from tracer.event import CLONE_THREAD
from tracer.sources.strace.lines import calls
from tracer.sources.strace.records import JOIN_PID_NS, SUBREAPER, UNTOLD, Record

_RESULT = re.compile(rb"\) += (?:(\d{2,3})|-1 (?:\(errno (\d{10,20})\)|ENOSYS .*))$")

_CLONE, _FORK, _VFORK, _CLONE3 = {56, 220}, {57}, {58}, {435}
EXECS = {0, 59, 221, 322, 281}
"""execve, execveat, or any call where that is not told."""
_PRCTL, _ENTERING = {157, 167}, {272, 308, 97, 268}
"""Their numbers on x86-64, and those that newer processors have in common (include/uapi/asm-generic/unistd.h)."""


def call_behind(rest: bytes) -> tuple[int, bool] | None:
    """What stands as the result of a thread's execve that has succeeded: (number of the call, 0 where it is not told;
    whether the low byte of its first argument is 0). None: it is a result."""
    found = _RESULT.search(rest)
    if found is None:
        return None
    if found[2] is None:
        return int(found[1] or 0), found[1] is not None
    return -int(found[2]) & 0xFFFF, False


def records(at: int, time: int | None, tid: int, number: int, zero: bool) -> list[Record]:
    """What the call may have done. UNTOLD is the last, since its end is the task's next record."""
    found: list[Record] = []
    number = 0 if number in EXECS else number
    if not number or number in _PRCTL:
        found += [(SUBREAPER, at, time, tid, on, False) for on in (True, False)]
    if number in _ENTERING:
        found.append((JOIN_PID_NS, at, time, tid, -1))
    if not number or number in _CLONE | _FORK | _VFORK | _CLONE3:
        # The low byte of clone's flags is the exit signal; a thread has none.
        kind = (CLONE_THREAD, 0) if number in _CLONE and zero else calls.VFORK if number in _VFORK else calls.FORK
        found.append((UNTOLD, at, time, tid, *kind, zero or not number or number in _CLONE3))
    return found
