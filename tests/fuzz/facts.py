"""What a log says, line by line, without a word on what it means: for the judge of `alternatives`.

Only the grammar of single lines is ctrace's own. Whose life a line belongs to, which call returned what, and between
which lines each thing happened is found here, in the simplest way, and for complete logs alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tracer.event import CLONE_PARENT, CLONE_THREAD, SIGCHLD
from tracer.sources.strace.lines import calls
from tracer.sources.strace.lines.cleaning import clean
from tracer.sources.strace.lines.grammar import GLUED, split, split_behind_output

NEVER = 1 << 62
CREATING = ("clone", "clone3", "fork", "vfork")
CHILD, NO_CHILD, OPEN, DOUBTFUL = "child", "no child", "open", "doubtful"

_NOTICE = re.compile(rb"strace: Process (\d+) attached\n")
_RESULT = re.compile(rb"(-?\d+|\?)(?:<[^>]*>)?(?: /\* (\d+) in strace's PID NS \*/)?((?: E\w+)?)")
_COMM = re.compile(rb"( = \d+)<.*>$")
"""-Y: behind the number stands a name, in which there may be anything."""
_SUPERSEDED = re.compile(rb"superseded by execve in pid (\d+)")
_CHOSEN = re.compile(rb"set_tid=\[(\d+)")
_PID_CHANGED = re.compile(rb"<pid changed to (\d+) \.\.\.>$")
_BEHIND = re.compile(rb"(?:(\d+)|-1 (?:\(errno (\d{10,20})\)|ENOSYS .*))$")
_TARGET = re.compile(rb"(-?\d+)(?: /\* (\d+) in strace's PID NS \*/)?")
_WAITID = re.compile(rb"(?:(P_ALL|0)|P_PID|0x1|1)(?: /\*[^*]*\*/)?, (-?\d+)")
_OPTIONS = re.compile(rb", (\w[\w|]*)(?: /\*[^*]*\*/)?, (?:NULL|0x\w+|\{.*\})\)? *$")
_CLOCK = re.compile(rb"(?:(\d+):(\d+):)?(\d+)\.(\d+)")
_WAIT_FLAGS = {b"WNOHANG": 1, b"__WNOTHREAD": 1 << 29, b"__WALL": 1 << 30, b"__WCLONE": 1 << 31}
WNOTHREAD, WALL, WCLONE = 1 << 29, 1 << 30, 1 << 31


_FORK, _THREAD, _BESIDE, _SILENT = (0, SIGCHLD), (CLONE_THREAD, 0), (CLONE_PARENT, SIGCHLD), (0, 0)
_OTHER = (0, SIGCHLD - 1)
_HIDDEN_KINDS = {
    57: (_FORK,),
    58: (_FORK,),
    56: (_FORK, _BESIDE, _OTHER),
    -56: (_THREAD, _SILENT, (CLONE_PARENT, 0)),
    435: (_FORK, _BESIDE, _OTHER, _THREAD, _SILENT),
    0: (_FORK, _BESIDE, _OTHER, _THREAD, _SILENT),
}
"""What a call of that number may create, on x86-64; -56: clone with an exit signal of 0."""
_HIDDEN_PRCTL, _HIDDEN_WAITS, _HIDDEN_EXITS, _HIDDEN_EXECS = 157, (61, 247), (60, 231), (59, 322)


@dataclass(slots=True, eq=False)
class Task:
    """One life of a number."""

    tid: int
    first: int
    """The first line that shows it."""
    acts: list[int] = field(default_factory=list)
    """Lines that it can write only while it lives and nobody has killed it."""
    death: int = NEVER
    """The line that tells of its end."""
    how: bytes = b""
    """What that says."""
    left: int = NEVER
    """The line where it calls exit or exit_group."""
    in_exec: bool = False
    """It is in execve to the end, which may have killed the other threads, and given it the number of its leader."""
    led: int = NEVER
    """The first line that shows it as the leader of its process: an exec under its own number."""
    low: int = 0
    """It died after what the lines up to this one tell."""

    def __repr__(self) -> str:
        return str(self.tid)


@dataclass(slots=True, eq=False)
class Call:
    """One clone, clone3, fork or vfork. Its child was created between `start` and `end`."""

    task: Task
    name: str
    start: int
    end: int = NEVER
    flags: int = 0
    exit_signal: int = 0
    kinds: tuple[tuple[int, int], ...] = ()
    """Of a hidden call: the flags and exit signals that it may have."""
    chosen: int = 0
    """The number that the caller wants for it (set_tid); 0: the kernel chooses."""
    state: str = OPEN
    number: int = 0
    child: Task | None = None

    def may_make(self, thread: bool) -> bool:
        """A thread, or a process."""
        return any(bool(flags & CLONE_THREAD) == thread for flags, _ in self.kinds or ((self.flags, 0),))


@dataclass(slots=True, frozen=True, eq=False)
class Fact:
    """Something that the log tells of a task; what `value` is depends on `kind`."""

    at: int
    kind: str
    """death, exec, takeover (the thread), reaped and told (the child's number), nobody, waits and perhaps (killed
    inside) with who was asked for and options, parent (its number)"""
    task: Task
    value: int = 0
    options: int = 0
    start: int = 0
    other: Task | None = None
    translated: bool = False
    """`value` is strace's own number, wherever the task lives."""


@dataclass(slots=True, eq=False)
class Flag:
    """prctl(PR_SET_CHILD_SUBREAPER). `on` is None: a hidden call, which may have set it to either, or not at all."""

    task: Task
    on: bool | None
    start: int
    end: int = NEVER


@dataclass(slots=True)
class Log:
    """All of it."""

    tasks: list[Task] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    unshared: list[tuple[int, Task]] = field(default_factory=list)
    last: int = 0

    def lives(self, tid: int) -> list[Task]:
        return [task for task in self.tasks if task.tid == tid]


Row = tuple[int, int, bytes, bytes]
"""at, tid, head, rest"""


def _rows_of_file(raw: bytes) -> Iterator[Row]:
    """`at` is the line. A notice that was written into a line is taken out of it; it came after the line's beginning.
    Tid 0: the line names nobody."""
    raw = clean(raw, None)
    notices = iter(found[1] for found in _NOTICE.finditer(raw))
    at = 1
    for line in _NOTICE.sub(b"\0", raw).split(b"\n"):
        count = line.count(b"\0")
        before = len(line) - len(line.lstrip(b"\0"))
        begin = at + before
        for number in range(count):
            yield at + number + (number >= before), int(next(notices)), b"attached", b""
        at += count + 1
        line = line.replace(b"\0", b"")
        text, _, head, rest = split(line)
        if not text and (not head or head.endswith(GLUED)):
            found = split_behind_output(line, lambda _: True)
            text, _, head, rest = found if found[2] else (text, b"", head, rest)
        if head:
            yield begin, int(text or 0), head, rest


def _nanoseconds(text: bytes) -> int:
    found = _CLOCK.fullmatch(text)
    assert found is not None, text
    hours, minutes, seconds, rest = found.groups()
    return (int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds)) * 10**9 + int(rest.ljust(9, b"0"))


def _rows_of_set(folder: Path) -> list[Row]:
    """`at` is the time."""
    rows: list[Row] = []
    silent: list[int] = []
    for file in folder.iterdir():
        tid = int(file.suffix[1:])
        for line in file.read_bytes().split(b"\n"):
            _, time, head, rest = split(line)
            if head:
                rows.append((_nanoseconds(time), tid, head, rest))
        if not rows or rows[-1][1] != tid:
            silent.append(tid)
    rows.sort(key=lambda row: row[0])
    return rows + [(rows[-1][0], tid, b"attached", b"") for tid in silent]


def read(path: Path) -> Log:
    """A complete log: a file, or a folder of -ff with times."""
    together = path.is_file()
    rows = list(_rows_of_file(path.read_bytes())) if together else _rows_of_set(path)
    announced = {tid for _, tid, head, _ in rows if head == b"attached"}
    root = next((tid for _, tid, _, _ in rows if tid and tid not in announced), 0)
    return _Reader(together, root).read(rows)


class _Reader:
    def __init__(self, together: bool, root: int) -> None:
        self.log = Log()
        self.together = together
        self.root = root
        """The task that the log begins with."""
        self.alive: dict[int, Task] = {}
        self.begun: dict[Task, tuple[int, str, bytes]] = {}
        """Calls that have not returned: line, name, arguments so far."""
        self.creating: dict[Task, Call] = {}
        """The clone call that a task is in, or was in last."""
        self.setting: dict[Task, Flag] = {}
        self.returning: dict[Task, list[Call | Flag | Fact]] = {}
        """-ff: what has returned before the task's next line."""
        self.waited: dict[Task, Fact] = {}
        """What each has waited for last."""
        self.told = 0
        self.last_of: dict[Task, str] = {}
        self.taken: set[Task] = set()
        """Leaders whose number a thread has taken, by an execve that has not been told to have returned."""
        self.hidden: dict[Task, tuple[int, int, bool]] = {}
        """Tasks in a call that --seccomp-bpf hides, which is over by their next line: where it began, its number (0 if
        that is hidden, too), and whether the low byte of its first argument is 0."""

    def read(self, rows: Iterable[Row]) -> Log:
        for at, tid, head, rest in rows:
            self.log.last = at
            self._row(at, tid, head, rest)
        for task in list(self.hidden):
            self._hidden_ends(NEVER, task, b"", b"")
        for task, (start, name, args) in self.begun.items():
            task.in_exec = name in ("execve", "execveat")
            if name in ("wait4", "waitid"):
                self.log.facts.append(Fact(NEVER, "waits", task, *_asked(name, args), start=start))
        self._bound_deaths()
        self._find_children()
        return self.log

    def _row(self, at: int, tid: int, head: bytes, rest: bytes) -> None:
        tid = tid or self._nameless(at)
        task = self.alive.get(tid)
        if task is None:
            task = self.alive[tid] = Task(tid, at)
            self.log.tasks.append(task)
        if task in self.hidden:
            self._hidden_ends(at, task, head, rest)
        self._settle_returned(at, task)
        if head == b"+++ ":
            self._ended(at, task, rest)
            return
        if head == b"attached":
            return
        task.acts.append(at)
        if head == b"--- ":
            self.last_of[task] = ""
            self.taken.discard(task)
            told = calls.child_info(rest)
            if told is not None:
                self.log.facts.append(Fact(at, "told", task, told[1] or told[0]))
            return
        changed = _PID_CHANGED.search(rest)
        if changed is not None:
            if self.together:  # in -ff the line has the time at which the call began
                self._takes_over(at, self.alive[int(changed[1])], task)
            return
        begins = head[-1:] == b"("
        name = (head[:-1] if begins else head[5:-9]).decode()
        self.last_of[task] = name
        if begins:
            self.begun[task] = at, name, b""
            self._begins(at, task, name, rest)
        start, name, args = self.begun.pop(task, (at, name, b""))
        if rest.endswith(b"<unfinished ...>"):
            self.begun[task] = start, name, args + rest[:-16]
            return
        if name in CREATING:
            rest = _COMM.sub(rb"\1", rest, count=1)
        args, _, result = (args + rest).rpartition(b" = ")
        found = _RESULT.match(result)
        if found is None:
            self.begun[task] = start, name, args  # the log ends inside
            return
        self._returned(at, task, start, name, args.rstrip(), found)

    def _settle_returned(self, at: int, task: Task) -> None:
        """-ff: it has come to its next line."""
        for thing in self.returning.pop(task, ()):
            if isinstance(thing, Fact):
                self.log.facts.append(replace(thing, at=at))
            else:
                thing.end = at

    def _nameless(self, at: int) -> int:
        """Whose line it is that names nobody: there was but one when it began."""
        there = [tid for tid, task in self.alive.items() if task.first < at]
        return there[0] if len(there) == 1 else self.root

    def _begins(self, at: int, task: Task, name: str, rest: bytes) -> None:
        if name in CREATING:
            self._call(task, name, at, rest)
        elif name in ("exit", "exit_group", "_exit"):
            task.left = at
        elif name == "prctl":
            asked = calls.prctl(rest.partition(b" <unfinished")[0].partition(b" = ")[0].rstrip())
            if asked is not None and asked[0] == calls.PR_SET_CHILD_SUBREAPER:
                value = calls.signal_value(calls.first_value(asked[1]))
                self.setting[task] = Flag(task, bool(value), at)
                self.log.flags.append(self.setting[task])

    def _call(self, task: Task, name: str, start: int, args: bytes) -> Call:
        """Its beginning; or its end, where that was taken for another's in a log without numbers."""
        call = self.creating[task] = Call(task, name, start)
        self.log.calls.append(call)
        self._describe(call, args)
        return call

    def _describe(self, call: Call, args: bytes) -> None:
        known = {"fork": calls.FORK, "vfork": calls.VFORK}.get(call.name) or calls.clone_flags(args)
        call.flags, call.exit_signal = known or (0, 0)
        chosen = _CHOSEN.search(args)
        call.chosen = int(chosen[1]) if chosen is not None else 0

    def _returned(self, at: int, task: Task, start: int, name: str, args: bytes, found: re.Match[bytes]) -> None:
        value = None if found[1] == b"?" else int(found[1])
        ends: list[Call | Flag | Fact] = []
        if name in CREATING:
            call = self.creating.get(task) or self._call(task, name, start, args)
            ends.append(call)
            if found[3]:
                call.state = NO_CHILD
            elif value is not None and value > 0:
                call.state, call.number = CHILD, int(found[2] or value)
                if call.number == self.told and not call.chosen:
                    call.state = DOUBTFUL  # said twice in a row
        elif name in ("wait4", "waitid"):
            ends += self._waited(at, task, start, name, args, value, found[3])
        elif name == "prctl" and task in self.setting and value is not None:
            ends.append(self.setting.pop(task))  # else it was killed inside
        elif name in ("execve", "execveat") and (value == 0 or (value is not None and task in self.taken)):
            task.led = min(task.led, at)
            ends.append(Fact(at, "exec", task))
            behind = _BEHIND.match(found.string, found.start())
            if value != 0 and behind is not None:
                self.hidden[task] = at, int(behind[1] or 0) or -int(behind[2] or 0) & 0xFFFF, behind[1] is not None
            self.taken.discard(task)
        elif name == "unshare" and value == 0 and calls.has_newpid(args):
            self.log.unshared.append((at, task))
        elif name == "getppid" and value:
            ends.append(Fact(at, "parent", task, value, start=start))
        self.told = value or self.told
        if not self.together:
            self.returning[task] = ends
            return
        for thing in ends:
            if isinstance(thing, Fact):
                self.log.facts.append(thing)
            else:
                thing.end = at

    def _waited(
        self, at: int, task: Task, start: int, name: str, args: bytes, value: int | None, error: bytes
    ) -> Iterator[Fact]:
        asked, options = _asked(name, args)
        self.waited[task] = Fact(at, "perhaps", task, asked, options, start)
        if error == b" ECHILD":
            yield Fact(at, "nobody", task, asked, options, start)
        elif value == 0 and (child := calls.child_info(args)) is not None:
            kept = int(calls.leaves_zombie(args))
            yield Fact(at, "reaped", task, child[1] or child[0], kept, start, translated=bool(child[1]))
        elif value == 0:
            yield Fact(at, "waits", task, asked, options, start)
        elif value is not None and value > 0 and calls.wait_result(args)[0]:
            target = _TARGET.match(args.rpartition(b"wait4(")[2])
            real = int(target[2] or 0) if target is not None else 0
            yield Fact(at, "reaped", task, real or value, 0, start, translated=bool(real))

    def _ended(self, at: int, task: Task, rest: bytes) -> None:
        superseded = _SUPERSEDED.match(rest)
        if superseded is not None:
            thread = self.alive.get(int(superseded[1]))
            if thread is not None:
                self._takes_over(at, task, thread)
            return
        task.death, task.how = at, rest.partition(b" +++")[0]
        task.in_exec = self.last_of.get(task) in ("execve", "execveat")
        self._cut_short(at, task)
        self.begun.pop(task, None)
        del self.alive[task.tid]
        self.log.facts.append(Fact(at, "death", task))

    def _takes_over(self, at: int, leader: Task, thread: Task) -> None:
        """de_thread(): the leader dies inside what it does, and the thread goes on under its number."""
        if self.alive.get(thread.tid) is not thread:
            return
        self._cut_short(at, leader)
        self.taken.add(leader)
        thread.death = thread.low = at
        leader.led = min(leader.led, at)
        self.begun.pop(leader, None)
        if thread in self.begun:
            self.begun[leader] = self.begun.pop(thread)
        del self.alive[thread.tid]
        self.log.facts.append(Fact(at, "takeover", leader, other=thread))

    def _cut_short(self, at: int, task: Task) -> None:
        """The task was killed. If that was inside a wait, or on its way out, it may have reaped somebody all the same;
        if it was inside a clone call, what that returned is not sure."""
        if self.last_of.get(task) in ("wait4", "waitid"):
            if task in self.begun:
                start, name, args = self.begun[task]
                self.log.facts.append(Fact(at, "perhaps", task, *_asked(name, args), start=start))
            else:
                asked = self.waited[task]
                self.log.facts = [f for f in self.log.facts if f.task is not task or f.start != asked.start]
                self.log.facts.append(asked)
        call = self.creating.get(task)
        if call is None or self.last_of.get(task) != call.name or call.state == NO_CHILD:
            return
        call.end = min(call.end, at)
        if task not in self.begun and call.state == CHILD:
            call.state = DOUBTFUL

    def _hidden_ends(self, at: int, task: Task, head: bytes, rest: bytes) -> None:
        """strace --seccomp-bpf takes the beginning of a call for the end of the execve before it, by which a thread has
        taken its leader's place, and does not stop at its end; but where a signal came between, it stops at the
        beginnings of all calls meanwhile, and hides none (dispatch_event(), src/strace.c, 5.3 to 7.2 at least)."""
        start, number, zero = self.hidden.pop(task)
        if number in (*_HIDDEN_EXECS, 0) and head[:4] == b"exec" and b'"' not in rest:
            self.taken.add(task)  # it was an execve that has succeeded: strace finds out in the middle of it
            return
        if number in _HIDDEN_EXECS:
            number = 0  # it may have been another call behind an execve of which strace has said nothing
        kinds = _HIDDEN_KINDS.get(-number if zero and number == 56 else number)
        if kinds is not None:
            self.log.calls.append(Call(task, "a hidden call", start, at, kinds=kinds))
        if number in (_HIDDEN_PRCTL, 0):
            self.log.flags.append(Flag(task, None, start, at))
        if number in (*_HIDDEN_WAITS, 0):
            self.log.facts.append(Fact(at, "perhaps", task, -1, WALL, start))
        if number in _HIDDEN_EXITS or (number == 0 and head == b"+++ "):
            task.left = start

    def _bound_deaths(self) -> None:
        """strace asks who has stopped until nobody is left, then writes of all (next_event()): a death that is told
        behind a second line of somebody came after that one's line before."""
        order = sorted((at, task.tid) for task in self.log.tasks for at in task.acts)
        for task in self.log.tasks:
            if task.low:
                continue
            task.low = task.acts[-1] if task.acts else task.first
            seen: set[int] = set()
            if not self.together or task.death == NEVER:
                continue
            for at, tid in reversed(order[: bisect_left(order, (task.death, 0))]):
                if at <= task.low or tid in seen:
                    task.low = max(task.low, at)
                    break
                seen.add(tid)

    def _find_children(self) -> None:
        """Which life of its number is the child of a call that says one."""
        lives: dict[int, list[Task]] = {}
        for task in self.log.tasks:
            lives.setdefault(task.tid, []).append(task)
        told = sorted((c for c in self.log.calls if c.number), key=lambda c: (c.state == DOUBTFUL, c.end))
        taken: set[Task] = set()
        for call in told:
            before: Task | None = None
            for task in lives.get(call.number, ()):
                free = before is None or before.death < call.end
                if free and task not in taken and call.start <= task.first and task.tid != call.task.tid:
                    call.child, call.state = task, CHILD
                    taken.add(task)
                    break
                before = task


def _asked(name: str, args: bytes) -> tuple[int, int]:
    """(who, options) of a wait. -1: any child; 0: another kind of choice, or nobody (EINVAL)."""
    text = args.partition(b"(")[2] if args.startswith(b"wait") else args
    number = 0
    if name == "waitid":
        found = _WAITID.match(text)
        if found is not None:
            number = -1 if found[1] else max(int(found[2]), 0)
    elif (target := _TARGET.match(text)) is not None:
        number = max(int(target[1]), -1)
    words = _OPTIONS.search(text)
    bits = 0
    for word in words[1].split(b"|") if words is not None else ():
        bits |= _WAIT_FLAGS.get(word) or calls.number(word) or 0
    return number, bits
