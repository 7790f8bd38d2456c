"""From rows to records: one record for each thing that happened, whatever number of lines tells of it.

A call is told on one line, or on two (`<unfinished ...>` and `resumed>`), or on more, where a notice of strace or the
tracee's own output was written into the middle of it. Lines without a prefix belong to a task that only the
context names. This is the hot loop of reading: one table lookup and one handler a line, bytes methods before
regexes. The handlers are in `creating`, `waiting`, `ending` and `changing`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tracer.sources.strace.joining.changing import Changing
from tracer.sources.strace.joining.creating import Creating
from tracer.sources.strace.joining.ending import Ending
from tracer.sources.strace.joining.killing import Killing
from tracer.sources.strace.joining.programs import Programs
from tracer.sources.strace.joining.state import LEAVING, UNFINISHED, Handler, Held, State
from tracer.sources.strace.joining.waiting import Waiting
from tracer.sources.strace.lines import calls
from tracer.sources.strace.lines.grammar import GLUED, NOTICE, SPLICED_NOTICE, Row, split, split_behind_output
from tracer.sources.strace.lines.style import Style
from tracer.sources.strace.records import ATTACHED, DETACHED, SETTLED

MAX_PIECES = 40
"""A line that was wrapped, or that others wrote into, is put together from at most so many."""

_LEAVING = frozenset(name.encode() for name in LEAVING)
_NOT_OURS = re.compile(rb"\s*$| > | \| |\S*strace[\w.-]*: |[#$>%]? ?(?:sudo )?(?:\S*/)?strace |Process \d+ ")


class Joiner(State):
    """Feed it rows in order; take records, new programs, call names and unreadable lines from it."""

    def __init__(self, style: Style, only: int | None = None, programs: Programs | None = None) -> None:
        super().__init__(style, only, programs)
        self._creating = Creating(self)
        self._handlers = {
            **self._creating.handlers(),
            **Waiting(self).handlers(),
            **Killing(self).handlers(),
            **Ending(self, self._creating).handlers(),
            **Changing(self, self._creating).handlers(),
        }
        self._table: dict[bytes, Handler | None] = {}
        """The same for the heads that the log has had so far, others included, so that a look-up never fails."""

    def feed(self, lines: Iterable[int], rows: list[Row]) -> None:
        """Read rows; `lines` are their line numbers, at least as many."""
        self.make_room()
        handlers = self._table
        for head in {row[2] for row in rows}.difference(handlers):
            self._first_use(head)
        if not self.prefixed or self.every_time:
            self._feed_slowly(lines, rows)
            return
        tids = self.tids
        for at, (text, time, head, rest, odd) in zip(lines, rows, strict=False):
            handler = handlers[head]
            if handler is not None:
                if self.held is not None:
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

    def _newcomer(self, at: int, text: bytes, time: bytes) -> None:
        """A task shows itself by a call that does not matter."""
        tid = self.tids[text] = int(text)
        self.saw(at, time, tid)

    def _first_use(self, head: bytes) -> None:
        handler = self._handlers.get(head)
        if handler is not None and head not in (b"+++ ", b"--- "):
            self.calls.add((head[5:-9] if head[:1] == b"<" else head[:-1]).decode())
        self._table[head] = handler

    def _feed_slowly(self, lines: Iterable[int], rows: Iterable[Row]) -> None:
        """The same for logs whose lines have no prefix, or a time that counts from the line before."""
        for at, (text, time, head, rest, odd) in zip(lines, rows, strict=False):
            if self.flag_set_by and head:
                self._settle(at, time, head)
            if head:
                self._line(at, text, time, head, rest)
            else:
                self._odd(at, odd)

    def _settle(self, at: int, time: bytes, head: bytes) -> None:
        """The next line of a file that holds one task: what it did by prctl is done."""
        if head != b"+++ ":
            self.records.append((SETTLED, at, self.time_of(time), self.flag_set_by))
        self.flag_set_by = 0

    def _line(self, at: int, text: bytes, time: bytes, head: bytes, rest: bytes) -> None:
        """One line that has the shape of strace's."""
        held = self.held
        if held is not None:
            if not held.head and not text:  # a notice was written into the name of the call
                self.held = None
                self._odd_again(held, held.rest + head + rest)
                return
            self._let_go()
        handler = self._handlers.get(head)
        if handler is None and head.endswith(GLUED) and not (text or self.prefixed or self.alone):
            *_, name, args = split_behind_output(head + rest, self.naming.may_write)
            head, rest = (name, args) if name else (head, rest)
            handler = self._handlers.get(head)
        if self.every_time:
            now = self.clock(time)
            time = b"%d" % (now or 0)
        if handler is None and rest[-9:] != b" attached":
            return
        naming = self.naming
        if text and not self.alone:  # -ff: digits there are the rest of a time
            tid = int(text)
            if not self.prefixed:
                naming.with_prefix(at, tid, head)
        elif self.prefixed:
            self.unreadable.append((at, head + rest))
            return
        else:
            tid = naming.without_prefix(at, head)
            if head[:5] == b"<... " and head[5:9] == b"exec" and tid not in (*self.exec_by, *self.taken_over):
                tid = self._take_over(tid, rest)
        spliced = SPLICED_NOTICE.search(rest) if rest[-9:] == b" attached" else None
        if spliced is not None:
            self.torn = self.torn or at == 1  # strace tells of whom it traces before that does anything
            self.held = Held(at, time, tid, head, rest[: spliced.start()])
            self.held.notices.append((at, spliced[0]))
            return
        if handler is not None:
            if not self.prefixed:
                naming.line(tid, head, rest)
            handler(at, time, tid, rest)

    def _take_over(self, tid: int, rest: bytes) -> int:
        """An execve that returns without prefix: a thread's goes on as its leader, with nothing to say so (-qqq)."""
        leader = self.leaders.get(tid)
        if leader is None or not rest.lstrip(b") ").startswith(b"= 0"):
            return tid
        self.naming.became(tid, leader)
        self.move_exec(tid, leader)
        return leader

    def _odd(self, at: int, line: bytes) -> None:
        """A line that does not begin like most lines of this log."""
        held = self.held
        notice = NOTICE.match(line)
        if notice is not None:
            if held is not None:
                held.notices.append((at, line))
            else:
                self._notice(at, line)
            return
        text, time, head, rest = split(line)
        if not head and held is None and not self.prefixed:
            text, time, head, rest = split_behind_output(line, self.naming.may_write)
        fresh = bool(head) and (bool(text) or not self.prefixed)
        if held is not None and held.head and not fresh:
            self._go_on(line)
        elif held is not None and not held.head:
            self.held = None
            self._odd_again(held, held.rest + line)
        elif fresh:
            self._line(at, text, time, head, rest)
            if at == 1:
                self.naming.from_start = False  # what stands in front of it may be the rest of its prefix
        elif SPLICED_NOTICE.search(line) is not None:
            found = SPLICED_NOTICE.search(line)
            assert found is not None
            self.torn = self.torn or at == 1
            self.held = Held(at, b"", 0, b"", line[: found.start()])
            self.held.notices.append((at, found[0]))
        elif _NOT_OURS.match(line) is None:
            self.torn = self.torn or at == 1
            self.unreadable.append((at, line))

    def _odd_again(self, held: Held, line: bytes) -> None:
        """A line that was broken before it said what it is, put together."""
        text, time, head, rest = split(line)
        if not head and not self.prefixed:
            text, time, head, rest = split_behind_output(line, self.naming.may_write)
        if head:
            self._line(held.at, text, time, head, rest)
        for at, notice in held.notices:
            self._notice(at, notice)

    def _go_on(self, line: bytes) -> None:
        """The rest of a line, or another piece of it."""
        held = self.held
        assert held is not None
        spliced = SPLICED_NOTICE.search(line) if line[-9:] == b" attached" else None
        if spliced is not None:
            held.notices.append((held.at, spliced[0]))
            line = line[: spliced.start()]
        held.rest += line
        held.pieces += 1
        if spliced is not None:
            return
        self.held = None
        handler = self._handlers.get(held.head)
        if handler is not None:
            if not self.prefixed:
                self.naming.line(held.tid, held.head, held.rest)
            handler(held.at, held.time, held.tid, held.rest)
        again: Held | None = self.held
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
        held = self.held
        self.held = None
        if held is None:
            return
        handler = self._handlers.get(held.head)
        if handler is not None:
            if held.head[-1:] == b"(":
                handler(held.at, held.time, held.tid, held.rest + b" " + UNFINISHED)
                self.naming.line(held.tid, held.head, UNFINISHED)
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
            self.naming.attached(tid)
            if self.torn and not found[3]:
                self.torn = False  # not the task that strace was told to trace: the log begins later
                self.saw(max(at, 2), b"", tid)  # nor does a task that line 1 begins with
                return
            self.records.append((ATTACHED, at, None, tid, int(found[3] or 0)))
        elif found[2] == b"detached":
            self.naming.detached(tid)
            self.records.append((DETACHED, at, None, tid))

    def cut(self, at: int, row: Row) -> None:
        """The last line, where it has no newline: a call that lasts, or a line that was cut off anywhere."""
        head, rest = row[2], row[3] or row[4]
        whole = rest[-3:] == b"+++" or rest[-3:] == b"---" or rest[-1:] in b"?>)" or rest[-4:] == b" = 0"
        if whole or self._lasts(head, rest):
            self.feed((at,), [row])
        elif head or _NOT_OURS.match(rest) is None:
            self.unreadable.append((at, head + rest))

    def _lasts(self, head: bytes, rest: bytes) -> bool:
        """strace writes what it knows of a call when that begins; an exit's code may be cut, and so may a result."""
        if head[-1:] != b"(" or head[:-1] in _LEAVING:
            return False
        if head in (b"clone(", b"clone3(") and b", " not in (flags := rest.partition(b"flags=")[2]):
            # Another flag may be to come, that of a thread; clone's last is the exit signal.
            return head == b"clone(" and calls.signal_value(flags.rpartition(b"|")[2]) in range(1, 65)
        return self._handlers.get(head) is None or b") " not in rest

    def finish(self) -> None:
        """The log ends here."""
        if self.held is not None:
            self._let_go()
        self._creating.finish()
