"""What reading remembers from line to line: calls that have begun, who is who, and what came of it so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tracer.sources.strace.joining.around import Around
from tracer.sources.strace.joining.naming import NAMELESS, Naming
from tracer.sources.strace.joining.programs import Programs
from tracer.sources.strace.joining.settling import Settling
from tracer.sources.strace.lines.clock import make_clock
from tracer.sources.strace.lines.style import Style
from tracer.sources.strace.records import EXEC, KILLED, SEEN, Program, Record

CREATING = ("clone", "clone2", "clone3", "fork", "vfork")
WAITING = ("wait4", "waitid", "waitpid", "wait3")
LEAVING = ("exit", "exit_group", "_exit")
TWO_ENDED = ("execve", "execveat", "prctl", "unshare", "setns", "tgkill")
CALLS = (*CREATING, *WAITING, *LEAVING, *TWO_ENDED)
"""The system calls that change the tree or tell of it."""

PID_MAX_LIMIT = 4 * 1024 * 1024
"""No task's number is higher (include/linux/threads.h)."""
MAX_DIGITS = len(str(PID_MAX_LIMIT)) + 1
"""A number of a task has fewer."""

UNFINISHED = b"<unfinished ...>"
DETACHED_INSIDE = b"<detached ...>"

Handler = Callable[[int, bytes, int, bytes], None]
"""Reads one line: its number, time, task, and what follows the head."""
Handlers = dict[bytes, Handler]
"""By the head of the line: `wait4(`, `<... wait4 resumed>`, `+++ `, `--- `."""


def halves(names: Iterable[str], start: Callable[[str], Handler], resumed: Callable[[str], Handler]) -> Handlers:
    """For the lines that begin these calls, and those that bring the rest of unfinished ones."""
    table: Handlers = {}
    for name in names:
        table[name.encode() + b"("] = start(name)
        table[b"<... " + name.encode() + b" resumed>"] = resumed(name)
    return table


Pending = tuple[str, bytes, int, int | None, tuple[int, int] | None]
"""A call that waits for its end: name, arguments so far, line and time of the beginning, and of a clone call its flags
and exit signal if they are known already."""


class Held:
    """A line that stopped in the middle of a call: a notice or the tracee's output follows, then the rest of it."""

    __slots__ = ("at", "head", "notices", "pieces", "rest", "tid", "time")

    def __init__(self, at: int, time: bytes, tid: int, head: bytes, rest: bytes) -> None:
        self.at = at
        self.time = time
        self.tid = tid
        self.head = head
        self.rest = rest
        self.pieces = 1
        self.notices: list[tuple[int, bytes]] = []


class State:
    """Shared by all that reads lines of one log. None of the containers is ever replaced by another."""

    def __init__(self, style: Style, only: int | None = None, programs: Programs | None = None) -> None:
        """`only`: the task of a file that holds no other (`-ff`)."""
        self.records: list[Record] = []
        self.programs = programs or Programs()
        """The exec table; an EXEC record's number is 0 where the program is not known."""
        self.calls: set[str] = set()
        """Names of calls that the log has shown."""
        self.unreadable: list[tuple[int, bytes]] = []
        self.clock = make_clock(style)
        self.every_time = style.relative_time
        self.time_of = _as_number if self.every_time else self.clock
        self.prefixed = style.prefixed and only is None
        self.alone = only is not None
        self.far_numbers = style.successful
        """A result may be far from those around it: it is told late (-z), or of a nested pid namespace."""
        self.naming = Naming(self.records, self._first_named, only)
        self.opened: dict[int, int] = {}
        """Task -> place in `records` of the OPEN record of the call that it is in."""
        self.returned: dict[int, int] = {}
        """Child -> place in `records` of the call that returned it last."""
        self.last_child = 0
        """What the last clone call returned."""
        self.pending: dict[int, Pending] = {}
        """Calls that wait for their end, by task."""
        self.asked: dict[int, bytes] = {}
        """The arguments so far of the waits for one child that tasks are inside of."""
        self.exec_by: dict[int, int] = {}
        """Leader -> the thread whose execve goes on under the leader's number, though nothing says so (-qqq)."""
        self.taken_over: dict[int, int] = {}
        """The same where that was said, and EXEC written, until the execve's return."""
        self.stopped: set[int] = set()
        """Leaders of these two that a signal has reached before the execve's return was told: no call is hidden there
        (`untold`)."""
        self.hidden: dict[int, tuple[int, int]] = {}
        """Tasks whose last hidden call may have been an execve: from where to where the records stand of what else it
        may have been."""
        self.leaders: dict[int, int] = {}
        """Thread -> leader, from clone calls: for an execve where no line names the leader."""
        self.shows_leaving = False
        """The log has calls of exit, so who ends without one was killed."""
        self.callers: set[int] = set()
        """Tasks to which a clone call has returned a number, and that have not called exit since: what that was is
        looked at once more where one ends."""
        self.seen: set[int] = set()
        self.tids: dict[bytes, int] = {}
        self.around = Around()
        self.held: Held | None = None
        self.torn = False
        """The first line is the end of one: so the log's first notice is of somebody's child."""
        self._settling = Settling()
        self.flag_set_by = 0
        """In a file of one task: the task, if its last line set the subreaper flag."""

    def _first_named(self, tid: int) -> None:
        """The task that had no number until now has this one."""
        if NAMELESS in self.pending:
            self.pending[tid] = self.pending.pop(NAMELESS)
        if NAMELESS in self.opened:
            self.opened[tid] = self.opened.pop(NAMELESS)

    @property
    def is_holding(self) -> bool:
        """The last line was broken off: the next ones may be pieces of it."""
        return self.held is not None

    def hold(self, at: int, time: bytes, tid: int, head: bytes, rest: bytes) -> None:
        """The line has no end: wait for the rest of it."""
        self.held = Held(at, time, tid, head, rest)

    def saw(self, at: int, time: bytes, tid: int) -> None:
        """The task did something that has no record of its own."""
        if tid not in self.seen:
            self.seen.add(tid)
            self.records.append((SEEN, at, self.time_of(time), tid))

    def cloned(self, record: Record) -> None:
        """A clone call has returned: the record stands where the call began.

        Said twice (in a row: of one child), a number is the first call's: it comes first, though it may have begun
        later.
        """
        child, chosen = record[4], record[9]
        place = self.opened.pop(record[3], None)
        if place is not None and (chosen or child != self.last_child) and self.returned.get(child, 0) <= place:
            self.records[place] = record
        else:
            place = len(self.records)
            self.records.append(record)
        self.returned[child] = place
        self.last_child = child
        self.callers.add(record[3])

    def dying(self, at: int, time: bytes, tid: int) -> None:
        """The task is being killed inside a call."""
        self.records.append((KILLED, at, self.time_of(time), tid, 0, 0))

    def superseded(self, at: int, time: bytes, thread: int, leader: int) -> None:
        """The thread's execve goes on under the leader's number, and has succeeded: the kernel says so at its end
        (PTRACE_EVENT_EXEC, exec_binprm() in fs/exec.c)."""
        if thread == leader:  # without prefix, the thread was still taken for the one that lives
            leader = self.leaders.get(thread) or self.naming.only_other(thread) or leader
        self.naming.became(thread, leader)
        if self.alone:
            self.move_exec(thread, leader)
        elif self.taken_over.get(leader) != thread:
            self.taken_over[leader] = thread
            call = self.pending.pop(thread, None)
            reference = self.programs.reference(call[1] if call is not None else b"")
            self.records.append((EXEC, at, self.time_of(time), leader, thread, reference))

    def threads_in_exec(self, leader: int) -> list[int]:
        """Threads whose execve has not returned, as far as clone calls have told whose threads they are."""
        return [t for t, call in self.pending.items() if call[0][:4] == "exec" and self.leaders.get(t) == leader]

    def move_exec(self, thread: int, leader: int) -> None:
        """The open call is the leader's now."""
        call = self.pending.pop(thread, None)
        if call is not None:
            self.pending[leader] = call
        self.exec_by[leader] = thread

    def take(self) -> tuple[list[Record], list[tuple[int, Program]], set[str], list[tuple[int, bytes]]]:
        """What came of the lines so far; the next call returns only what is new."""
        records = self.records[:] if self.alone else self._settling.settled(self.records[:])
        taken = (records, self.programs.new[:], self.calls.copy(), self.unreadable[:])
        self.records.clear()
        self.opened.clear()
        self.returned.clear()
        if not self.alone:
            self.programs.new.clear()
        self.calls.clear()
        self.unreadable.clear()
        for tid in self.hidden:
            self.hidden[tid] = 0, 0
        return taken


def _as_number(text: bytes) -> int | None:
    return int(text) if text else None
