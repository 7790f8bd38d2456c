"""From rows to records: one record for each thing that happened, whatever number of lines tells of it.

A call is told on one line, or on two (`<unfinished ...>` and `resumed>`), or on more, where a notice of strace or the
tracee's own output was written into the middle of it. Lines without a prefix belong to a task that only the
context names. This is the hot loop of reading: one table lookup and one handler a line, bytes methods before
regexes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from tracer.event import CLONE_THREAD, SIGCHLD
from tracer.sources.strace import calls
from tracer.sources.strace.clock import make_clock
from tracer.sources.strace.grammar import NOTICE, SPLICED_NOTICE, Row, Style, result, split
from tracer.sources.strace.naming import NAMELESS, Naming
from tracer.sources.strace.programs import Programs
from tracer.sources.strace.records import (
    ATTACHED,
    CHILD_SIGNAL,
    CLONED,
    CUT_SHORT,
    DETACHED,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    HANDOVER,
    JOIN_PID_NS,
    NEW_PID_NS,
    NOT_CLONED,
    OPEN,
    PDEATHSIG,
    REAP,
    RENAME,
    SAME_GROUP,
    SEEN,
    SUBREAPER,
    Program,
    Record,
)

CREATING = ("clone", "clone2", "clone3", "fork", "vfork")
WAITING = ("wait4", "waitid", "waitpid", "wait3")
LEAVING = ("exit", "exit_group", "_exit")
TWO_ENDED = ("execve", "execveat", "prctl", "unshare", "setns", "tgkill")
CALLS = (*CREATING, *WAITING, *LEAVING, *TWO_ENDED)
"""The system calls that change the tree or tell of it."""

MAX_DIGITS = 12
"""A number of a task has fewer."""
MAX_PIECES = 40
"""A line that was wrapped, or that others wrote into, is put together from at most so many."""

Handler = Callable[[int, bytes, int, bytes], None]
Pending = tuple[str, bytes, int, int | None, tuple[int, int] | None]
"""A call that waits for its end: name, arguments so far, line and time of the beginning, and of a clone call its flags
and exit signal if they are known already."""

_UNFINISHED = b"<unfinished ...>"
_PID_CHANGED = re.compile(rb"<pid changed to (\d{1,18}) \.\.\.>$")
_KILLED = re.compile(rb"killed by (\w+)( \(core dumped\))? \+\+\+")
_SUPERSEDED = re.compile(rb"superseded by execve in pid (\d{1,18})")
_FAST_SIGCHLD = b"SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid="
_NOT_OURS = re.compile(rb"\s*$| > | \| |strace: |[#$>%]? ?(?:sudo )?(?:\S*/)?strace |Process \d+ ")
_TWO_NUMBERS = re.compile(rb"(\d{1,18})(?:<[^,\n]*>)?(?: /\*[^*]*\*/)?, (\d{1,18})(?:<[^,\n]*>)?(?: /\*[^*]*\*/)?, ")

NO_START = "the beginning of the call, which says what it creates, is not in the trace"


class _Held:
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


class Joiner:
    """Feed it rows in order; take records, new programs, call names and unreadable lines from it."""

    def __init__(self, style: Style, only: int | None = None, programs: Programs | None = None) -> None:
        self.records: list[Record] = []
        self.programs = programs or Programs()
        """The exec table; an EXEC record's number is 0 where the program is not known."""
        self.calls: set[str] = set()
        self.unreadable: list[tuple[int, bytes]] = []
        self._clock = make_clock(style)
        self._every_time = style.relative_time
        self.time_of = _as_number if self._every_time else self._clock
        self._prefixed = style.prefixed and only is None
        self.opened: dict[int, int] = {}
        """Task -> place in `records` of the OPEN record of the call that it is in."""
        self._wait_results: dict[bytes, tuple[bool, int | None]] = {}
        self._naming = Naming(self.records, only)
        self._alone = only is not None
        self._flags: dict[bytes, tuple[int, int]] = {}
        self.pending: dict[int, Pending] = {}
        """Calls that wait for their end, by task: name, arguments so far, line and time of the beginning."""
        self.exec_by: dict[int, int] = {}
        """Leader -> the thread whose execve goes on under the leader's number."""
        self.leaders: dict[int, int] = {}
        """Thread -> leader, from clone calls: for an execve where no line names the leader."""
        self.seen: set[int] = set()
        self._held: _Held | None = None
        self.tids: dict[bytes, int] = {}
        self._handlers = self._make_handlers()
        self._table: dict[bytes, Handler | None] = {}
        """The same for the heads that the log has had so far, others included, so that a look-up never fails."""

    def _make_handlers(self) -> dict[bytes, Handler]:
        table: dict[bytes, Handler] = {b"+++ ": self._ended(), b"--- ": self._signalled()}
        for names, start, resumed in (
            (CREATING, self._clone_start, self._clone_resumed),
            (WAITING, self._wait_start, self._wait_resumed),
            (LEAVING, self._exit_start, self._exit_resumed),
            (TWO_ENDED, self._call_start, self._call_resumed),
        ):
            for name in names:
                table[name.encode() + b"("] = start(name)
                table[b"<... " + name.encode() + b" resumed>"] = resumed(name)
        return table

    # -- the loop ----------------------------------------------------------------------------------------------

    def feed(self, lines: Iterable[int], rows: list[Row]) -> None:
        """Read rows; `lines` are their line numbers, at least as many."""
        self.make_room()
        handlers = self._table
        for head in {row[2] for row in rows}.difference(handlers):
            self._first_use(head)
        if not self._prefixed or self._every_time:
            self._feed_slowly(lines, rows)
            return
        tids = self.tids
        for at, (text, time, head, rest, odd) in zip(lines, rows, strict=False):
            handler = handlers[head]
            if handler is not None:
                if self._held is not None:
                    self._let_go()
                tid = tids.get(text)
                if tid is None:
                    tid = tids[text] = int(text)
                handler(at, time, tid, rest)
            elif not head:
                self._odd(at, odd)
            elif text not in tids:
                self._newcomer(at, text, time)
                self._line(at, text, time, head, rest)
            elif rest[-9:] == b" attached":
                self._line(at, text, time, head, rest)

    def feed_one(self, at: int, row: Row) -> None:
        """The same for one line of a log in which every line names its task."""
        head, rest = row[2], row[3]
        if not head:
            self._odd(at, row[4])
            return
        if head not in self._table:
            self._first_use(head)
        if row[0] not in self.tids:
            if self._table[head] is None:
                self._newcomer(at, row[0], row[1])
            else:
                self.tids[row[0]] = int(row[0])
        self._line(at, row[0], row[1], head, rest)

    def make_room(self) -> None:
        """Forget what a log made to fill memory has filled it with."""
        if len(self._table) > 10_000:  # no log has so many calls
            self._table.clear()
        if len(self.tids) > 200_000:
            self.tids.clear()

    @property
    def is_holding(self) -> bool:
        """The last line was broken off: the next ones may be pieces of it."""
        return self._held is not None

    def _newcomer(self, at: int, text: bytes, time: bytes) -> None:
        """A task shows itself by a call that does not matter."""
        tid = self.tids[text] = int(text)
        self._seen_at(at, time, tid)

    def _first_use(self, head: bytes) -> None:
        handler = self._handlers.get(head)
        if handler is not None and head not in (b"+++ ", b"--- "):
            self.calls.add((head[5:-9] if head[:1] == b"<" else head[:-1]).decode())
        self._table[head] = handler

    def _feed_slowly(self, lines: Iterable[int], rows: Iterable[Row]) -> None:
        """The same for logs whose lines have no prefix, or a time that counts from the line before."""
        for at, (text, time, head, rest, odd) in zip(lines, rows, strict=False):
            if head:
                self._line(at, text, time, head, rest)
            else:
                self._odd(at, odd)

    def _line(self, at: int, text: bytes, time: bytes, head: bytes, rest: bytes) -> None:
        """One line that has the shape of strace's."""
        held = self._held
        if held is not None:
            if not held.head and not text:  # a notice was written into the name of the call
                self._held = None
                self._odd_again(held, held.rest + head + rest)
                return
            self._let_go()
        handler = self._handlers.get(head)
        if self._every_time:
            now = self._clock(time)
            time = b"%d" % (now or 0)
        if handler is None and rest[-9:] != b" attached":
            return
        naming = self._naming
        if text:
            tid = int(text)
            if not self._prefixed and naming.with_prefix(tid, head) and NAMELESS in self.pending:
                self.pending[tid] = self.pending.pop(NAMELESS)
                if NAMELESS in self.opened:
                    self.opened[tid] = self.opened.pop(NAMELESS)
        elif self._prefixed:
            self.unreadable.append((at, head + rest))
            return
        else:
            tid = naming.without_prefix(head)
            if head[:5] == b"<... " and head[5:9] == b"exec" and tid not in self.exec_by:
                tid = self._take_over(tid, rest)
        spliced = SPLICED_NOTICE.search(rest) if rest[-9:] == b" attached" else None
        if spliced is not None:
            self._held = _Held(at, time, tid, head, rest[: spliced.start()])
            self._held.notices.append((at, spliced[0]))
            return
        if handler is not None:
            if not self._prefixed:
                naming.line(tid, head, rest)
            handler(at, time, tid, rest)

    def _take_over(self, tid: int, rest: bytes) -> int:
        """An execve that returns without prefix: a thread's goes on as its leader, with nothing to say so (-qqq)."""
        leader = self.leaders.get(tid)
        if leader is None or not rest.lstrip(b") ").startswith(b"= 0"):
            return tid
        self._naming.became(tid, leader)
        self._move_exec(tid, leader)
        return leader

    def _odd(self, at: int, line: bytes) -> None:
        """A line that does not begin like most lines of this log."""
        held = self._held
        notice = NOTICE.match(line)
        if notice is not None:
            if held is not None:
                held.notices.append((at, line))
            else:
                self._notice(at, line)
            return
        text, time, head, rest = split(line)
        fresh = bool(head) and (bool(text) or not self._prefixed)
        if held is not None and held.head and not fresh:
            self._go_on(line)
        elif held is not None and not held.head:
            self._held = None
            self._odd_again(held, held.rest + line)
        elif fresh:
            self._line(at, text, time, head, rest)
        elif SPLICED_NOTICE.search(line) is not None:
            found = SPLICED_NOTICE.search(line)
            assert found is not None
            self._held = _Held(at, b"", 0, b"", line[: found.start()])
            self._held.notices.append((at, found[0]))
        elif _NOT_OURS.match(line) is None:
            self.unreadable.append((at, line))

    def _odd_again(self, held: _Held, line: bytes) -> None:
        """A line that was broken before it said what it is, put together."""
        text, time, head, rest = split(line)
        if head:
            self._line(held.at, text, time, head, rest)
        for at, notice in held.notices:
            self._notice(at, notice)

    # -- lines that others wrote into ---------------------------------------------------------------------------

    def _hold(self, at: int, time: bytes, tid: int, head: bytes, rest: bytes) -> None:
        """The handler found no end: wait for the rest of the line."""
        self._held = _Held(at, time, tid, head, rest)

    def _go_on(self, line: bytes) -> None:
        """The rest of a line, or another piece of it."""
        held = self._held
        assert held is not None
        spliced = SPLICED_NOTICE.search(line) if line[-9:] == b" attached" else None
        if spliced is not None:
            held.notices.append((held.at, spliced[0]))
            line = line[: spliced.start()]
        held.rest += line
        held.pieces += 1
        if spliced is not None:
            return
        self._held = None
        handler = self._handlers.get(held.head)
        if handler is not None:
            if not self._prefixed:
                self._naming.line(held.tid, held.head, held.rest)
            handler(held.at, held.time, held.tid, held.rest)
        again: _Held | None = self._held
        if again is not None:  # still no end
            again.pieces = held.pieces
            again.notices = held.notices
            if again.pieces > MAX_PIECES or len(again.rest) > 1 << 20:
                self._let_go()
            return
        for at, notice in held.notices:
            self._notice(at, notice)

    def _let_go(self) -> None:
        """Another line came: what was begun is a call that has begun."""
        held = self._held
        self._held = None
        if held is None:
            return
        handler = self._handlers.get(held.head)
        if handler is not None:
            if held.head[-1:] == b"(":
                handler(held.at, held.time, held.tid, held.rest + b" " + _UNFINISHED)
                self._naming.line(held.tid, held.head, _UNFINISHED)
            else:
                self.unreadable.append((held.at, held.head + held.rest))
        for at, notice in held.notices:
            self._notice(at, notice)

    def _notice(self, at: int, line: bytes) -> None:
        found = NOTICE.match(line)
        if found is None:
            return
        tid = int(found[1])
        if found[2] == b"attached":
            self._naming.attached(tid)
            self.records.append((ATTACHED, at, None, tid, int(found[3] or 0)))
        elif found[2] == b"detached":
            self._naming.ended(tid)
            self.records.append((DETACHED, at, None, tid))

    def cut(self, at: int, row: Row) -> None:
        """The last line, where it has no newline: it may have been cut off anywhere."""
        head, rest = row[2], row[3] or row[4]
        if rest[-3:] == b"+++" or rest[-3:] == b"---" or rest[-1:] in b"?>)" or rest[-4:] == b" = 0":
            self.feed((at,), [row])
        elif head or _NOT_OURS.match(rest) is None:
            self.unreadable.append((at, head + rest))

    def finish(self) -> None:
        """The log ends here."""
        if self._held is not None:
            self._let_go()
        for tid, call in self.pending.items():
            if call[0] in CREATING:
                self._cut_short(call[0], call[1], 0, tid)

    # -- clone and its like -------------------------------------------------------------------------------------

    def _clone_start(self, name: str) -> Handler:
        records = self.records
        append = records.append
        pending = self.pending
        opened = self.opened
        clock = self.time_of
        created = self._created
        head = name.encode() + b"("

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            args, _, ret = rest.rpartition(b" = ")
            if ret.isdigit() and len(ret) < MAX_DIGITS and args.rstrip()[-1:] == b")":
                created(name, args, at, clock(time), tid, int(ret), 0, at)
            elif rest[-16:] == _UNFINISHED:
                now = clock(time)
                pending[tid] = (name, rest[:-16], at, now, None)
                opened[tid] = len(records)
                append((OPEN, at, now, tid))
            else:
                found = result(rest)
                if found is not None:
                    if found.value is not None and found.value > 0:
                        created(name, found.args, at, clock(time), tid, found.value, found.real, at)
                    elif found.open:
                        append((OPEN, at, clock(time), tid))
                        self._cut_short(name, found.args, at, tid)
                    else:
                        self._seen_at(at, time, tid)
                elif rest[-14:] == b"<detached ...>":
                    self._seen_at(at, time, tid)
                else:
                    self._hold(at, time, tid, head, rest)

        return handle

    def _created(
        self, name: str, args: bytes, at: int, now: int | None, tid: int, child: int, real: int, end: int
    ) -> None:
        values = self._clone_values(name, args)
        matched = ""
        if values is None:
            matched = NO_START
            # glibc and Go set the thread pointer of threads only; fork's children keep theirs.
            values = (CLONE_THREAD, 0) if b"tls=" in args else (0, SIGCHLD)
        flags, exit_signal = values
        if flags & CLONE_THREAD:
            self.leaders[real or child] = self.leaders.get(tid, tid)
        if not self._prefixed:
            self._naming.created(real or child)
        record = (CLONED, at, now, tid, child, flags, exit_signal, real, matched, b"set_tid=[" in args, end)
        place = self.opened.pop(tid, None) if self.opened else None
        if place is not None:
            self.records[place] = record
        else:
            self.records.append(record)

    def _cut_short(self, name: str, args: bytes, at: int, tid: int) -> None:
        """The call will never return; whoever it has created all the same is of this kind."""
        self.opened.pop(tid, None)
        values = self._clone_values(name, args)
        if values is not None:
            self.records.append((CUT_SHORT, at, None, tid, *values, b"set_tid=[" in args))

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
        records = self.records
        pending = self.pending
        opened = self.opened
        created = self._created
        head = b"<... " + name.encode() + b" resumed>"

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            start = pending.pop(tid, None)
            if start is None or start[0] != name:
                start = (name, b"", at, self.time_of(time), None)
            args, _, ret = rest.rpartition(b" = ")
            if ret.isdigit() and len(ret) < MAX_DIGITS:
                created(name, start[1] + args, start[2], start[3], tid, int(ret), 0, at)
                return
            found = result(rest)
            if found is None:
                if rest[-14:] != b"<detached ...>":
                    pending[tid] = start
                    self._hold(at, time, tid, head, rest)
            elif found.value is not None and found.value > 0:
                created(name, start[1] + found.args, start[2], start[3], tid, found.value, found.real, at)
            elif found.open:
                self._cut_short(name, start[1] + found.args, at, tid)  # perhaps there is a child
            else:
                place = opened.pop(tid, None)
                if place is not None:
                    records[place] = (SEEN, *records[place][1:])
                else:
                    records.append((NOT_CLONED, at, self.time_of(time), tid))

        return handle

    # -- wait ---------------------------------------------------------------------------------------------------

    def _wait_start(self, name: str) -> Handler:
        head = name.encode() + b"("
        seen = self.seen
        waited = self._waited

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            if rest[-16:] == _UNFINISHED or rest[-14:] == b"<detached ...>":
                if tid not in seen:
                    self._seen_at(at, time, tid)
            else:
                waited(name, head, at, time, tid, rest)

        return handle

    def _wait_resumed(self, name: str) -> Handler:
        head = b"<... " + name.encode() + b" resumed>"

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            self._waited(name, head, at, time, tid, rest)

        return handle

    def _waited(self, name: str, head: bytes, at: int, time: bytes, tid: int, rest: bytes) -> None:
        args, _, ret = rest.rpartition(b" = ")
        if ret.isdigit() and len(ret) < MAX_DIGITS and name != "waitid":
            if ret != b"0":
                self._reaped(args, at, time, tid, int(ret), 0)
            return
        if ret == b"-1 ECHILD (No child processes)":
            return
        found = result(rest)
        if found is None:
            if rest[-14:] != b"<detached ...>":
                self._hold(at, time, tid, head, rest)
            return
        if name == "waitid":
            info = calls.child_info(found.args) if found.value == 0 and not calls.leaves_zombie(found.args) else None
            if info is not None:
                self.records.append((REAP, at, self.time_of(time), tid, info[0], info[2], info[1]))
        elif found.value is not None and found.value > 0:
            self._reaped(found.args + b")", at, time, tid, found.value, found.real)

    def _reaped(self, args: bytes, at: int, time: bytes, tid: int, child: int, real: int) -> None:
        known = self._wait_results.get(args)
        if known is None:
            known = calls.wait_result(args)
            if len(self._wait_results) > 2000:
                self._wait_results.clear()
            self._wait_results[args] = known
        if known[0]:
            self.records.append((REAP, at, self.time_of(time), tid, child, known[1], real))

    # -- exit ---------------------------------------------------------------------------------------------------

    def _exit_start(self, name: str) -> Handler:
        append = self.records.append
        clock = self.time_of
        group = name == "exit_group"
        codes: dict[bytes, int] = {}

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            code = codes.get(rest)
            if code is None:
                value = calls.number(rest.partition(b")")[0].partition(b" ")[0])
                if value is None:
                    self.unreadable.append((at, name.encode() + b"(" + rest))
                    return
                code = codes[rest] = value & 0xFF
                if len(codes) > 2000:
                    codes.clear()
            append((EXIT_BEGIN, at, clock(time), tid, code, group))

        return handle

    def _exit_resumed(self, _name: str) -> Handler:
        return lambda at, time, tid, rest: None

    def _ended(self) -> Handler:
        append = self.records.append
        clock = self.time_of
        status_of = {b"exited with %d +++" % code: code << 8 for code in range(256)}.get
        pending, leaders, seen = self.pending, self.leaders, self.seen
        tids = self.tids
        other, alone = self._other_end, self._prefixed

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            status = status_of(rest)
            tids.pop(b"%d" % tid, None)
            if status is None or not alone or tid in pending or tid in leaders or tid in seen:
                other(at, time, tid, rest, status)
            else:
                append((EXIT, at, clock(time), tid, status))

        return handle

    def _other_end(self, at: int, time: bytes, tid: int, rest: bytes, status: int | None) -> None:
        if status is None:
            superseded = _SUPERSEDED.match(rest)
            if superseded is not None:
                self._superseded(int(superseded[1]), tid)
                return
            killed = _KILLED.match(rest)
            if killed is None:
                self.unreadable.append((at, b"+++ " + rest))
                return
            value = calls.signal_value(killed[1])
            status = None if value is None else value | (0x80 if killed[2] else 0)
        call = self.pending.pop(tid, None)
        if call is not None and call[0] == "prctl":
            self._killed_inside_prctl(at, time, tid, call[1])
        self.leaders.pop(tid, None)
        self.seen.discard(tid)
        if not self._prefixed:
            self._naming.ended(tid)
        self.records.append((EXIT, at, self.time_of(time), tid, status))

    def _superseded(self, thread: int, leader: int) -> None:
        if thread == leader:  # without prefix, the thread was still taken for the one that lives
            leader = self.leaders.get(thread, leader)
        self._naming.became(thread, leader)
        self._move_exec(thread, leader)

    def _move_exec(self, thread: int, leader: int) -> None:
        call = self.pending.pop(thread, None)
        if call is not None:
            self.pending[leader] = call
        self.exec_by[leader] = thread

    # -- signals ------------------------------------------------------------------------------------------------

    def _signalled(self) -> Handler:
        append = self.records.append
        clock = self.time_of
        skip = len(_FAST_SIGCHLD)

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            if rest[:skip] == _FAST_SIGCHLD:
                text = rest[skip : rest.find(b",", skip)]
                if text.isdigit() and len(text) < MAX_DIGITS:
                    append((CHILD_SIGNAL, at, clock(time), tid, int(text), 0))
                    return
            info = calls.child_info(rest) if b"si_code=" in rest else None
            if info is not None:
                append((CHILD_SIGNAL, at, clock(time), tid, info[0], info[1]))

        return handle

    # -- execve, prctl, unshare, setns, tgkill ------------------------------------------------------------------

    def _call_start(self, name: str) -> Handler:
        pending = self.pending
        finish = self._finisher(name)
        head = name.encode() + b"("

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            if rest[-4:] == b" = 0":
                finish(at, time, tid, rest[:-4])
            elif rest[-16:] == _UNFINISHED:
                pending[tid] = (name, rest[:-16], at, None, None)
                self._seen_at(at, time, tid)
            elif rest[-5:] == b" ...>":
                changed = _PID_CHANGED.search(rest)
                if changed is not None:
                    pending[tid] = (name, rest[: changed.start()], at, None, None)
                    self._changed(at, time, tid, int(changed[1]))
            else:
                found = result(rest)
                if found is None:
                    self._hold(at, time, tid, head, rest)
                elif found.value == 0:
                    finish(at, time, tid, found.args)
                else:
                    self._seen_at(at, time, tid)

        return handle

    def _call_resumed(self, name: str) -> Handler:
        pending = self.pending
        finish = self._finisher(name)
        head = b"<... " + name.encode() + b" resumed>"
        is_exec = name.startswith("exec")

        def handle(at: int, time: bytes, tid: int, rest: bytes) -> None:
            if is_exec and tid not in pending and tid not in self.exec_by:
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
                if rest[-14:] != b"<detached ...>":
                    self._hold(at, time, tid, head, rest)
            elif found.value == 0:
                finish(at, time, tid, args + found.args)
            elif found.open and start is not None:
                pending[tid] = start
            elif is_exec and tid in self.exec_by:
                # It failed after the thread had become the leader: the thread's number is gone, the program is not.
                self.records.append((EXIT, at, self.time_of(time), self.exec_by.pop(tid), None))

        return handle

    def _changed(self, at: int, time: bytes, thread: int, leader: int) -> None:
        """The thread's number ends here; its execve goes on as the leader's."""
        if self._alone:
            args = self.pending.pop(thread)[1]
            self.records.append((HANDOVER, at, self.time_of(time), thread, leader, self.programs.reference(args)))
        else:
            self._superseded(thread, leader)

    def _find_thread(self, leader: int) -> None:
        """An execve returns to a task that began none: -qqq hid that it took over from one of its threads."""
        threads = [t for t, call in self.pending.items() if call[0][:4] == "exec" and self.leaders.get(t) == leader]
        if len(threads) == 1:
            self._move_exec(threads[0], leader)

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
        reference = self.programs.reference(args)
        if reference == 0 and args.strip(b" )"):
            self.unreadable.append((at, b"execve(" + args))
            return
        old = self.exec_by.pop(tid, tid) if self.exec_by else tid
        self.records.append((EXEC, at, self.time_of(time), tid, old, reference))

    def _prctled(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        found = calls.prctl(args)
        if found is None:
            self._seen_at(at, time, tid)
            return
        option, rest = found
        if option == calls.PR_SET_NAME:
            comm = calls.quoted(rest)
            if comm is not None:
                self.records.append((RENAME, at, self.time_of(time), tid, comm.encode()[:15].decode("utf-8", "ignore")))
            return
        value = calls.signal_value(calls.first_value(rest))
        if value is None:
            return
        if option == calls.PR_SET_CHILD_SUBREAPER:
            self.records.append((SUBREAPER, at, self.time_of(time), tid, value != 0, True))
        else:
            self.records.append((PDEATHSIG, at, self.time_of(time), tid, value))

    def _killed_inside_prctl(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        found = calls.prctl(args)
        if found is not None and found[0] == calls.PR_SET_CHILD_SUBREAPER:
            value = calls.signal_value(calls.first_value(found[1]))
            self.records.append((SUBREAPER, at, self.time_of(time), tid, value != 0, False))

    def _unshared(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        if calls.has_newpid(args):
            self.records.append((NEW_PID_NS, at, self.time_of(time), tid))
        else:
            self._seen_at(at, time, tid)

    def _joined_ns(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        inode = calls.joins_pid_ns(args)
        if inode is not None:
            self.records.append((JOIN_PID_NS, at, self.time_of(time), tid, inode))
        else:
            self._seen_at(at, time, tid)

    def _tgkilled(self, at: int, time: bytes, tid: int, args: bytes) -> None:
        found = _TWO_NUMBERS.match(args)
        if found is not None and found[1] != found[2]:
            self.records.append((SAME_GROUP, at, self.time_of(time), tid, int(found[1]), int(found[2])))

    # -- small things -------------------------------------------------------------------------------------------

    def _seen_at(self, at: int, time: bytes, tid: int) -> None:
        if tid not in self.seen:
            self.seen.add(tid)
            self.records.append((SEEN, at, self.time_of(time), tid))

    def take(self) -> tuple[list[Record], list[tuple[int, Program]], set[str], list[tuple[int, bytes]]]:
        """What came of the rows so far; the next call returns only what is new."""
        taken = (self.records[:], self.programs.new[:], self.calls.copy(), self.unreadable[:])
        self.records.clear()
        self.opened.clear()
        if not self._alone:
            self.programs.new.clear()
        self.calls.clear()
        self.unreadable.clear()
        return taken


def _as_number(text: bytes) -> int | None:
    return int(text) if text else None
