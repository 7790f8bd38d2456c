"""The short way for what a log repeats.

Most lines of a log have been there before but for their task and perhaps a number at their end: `exit_group(0) = ?`,
`<... vfork resumed>) = 15823`. What `joining` found out about such a text is kept here by the whole text, so that the
next line with it costs one look-up: no regex, no handler. Anything else goes the long way, and is learned there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import repeat
from operator import itemgetter

from tracer.sources.strace.fast.meanings import (
    CLONE_BEGINS,
    CLONE_RETURNS,
    ENDS,
    EXEC_BEGINS,
    EXEC_RETURNS,
    LEAVES,
    NOTHING,
    REAPS,
    SIGNALLED,
    WAITS,
    Meaning,
    followed_by_number,
    meaning_before_number,
    meaning_of,
)
from tracer.sources.strace.joining.joiner import Joiner
from tracer.sources.strace.joining.state import MAX_DIGITS
from tracer.sources.strace.lines.style import Style
from tracer.sources.strace.records import CHILD_SIGNAL, CLONED, EXEC, EXIT, EXIT_BEGIN, OPEN, REAP, SEEN

MAX_KEPT = 8_000
MAX_LENGTH = 300
"""Of texts that are kept."""

MAX_TID_DIGITS = 7
MAX_TIDS = 100_000

_Line = tuple[int, bytes, bytes, bytes, bytes, Meaning | None]
"""Line number, line, its task's number, its time, its rest, what that means."""

_SIGCHLD = b"--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid="
_SIGCHLD_LENGTH = len(_SIGCHLD)
_SIGNAL: Meaning = (SIGNALLED,)
_DIGITS = b"0123456789\n"

_TIME = re.compile(rb"(?:\d\d:\d\d:\d\d|\d{9,11})\.\d{6}")


class Shortcuts:
    """Feeds a Joiner with lines of a log in which every line names its task."""

    def __init__(self, joiner: Joiner, style: Style) -> None:
        self._joiner = joiner
        self._row = style.row
        self._width = style.clock_width or 0
        self._whole: dict[bytes, Meaning] = {
            b"+++ exited with %d +++\n" % code: (ENDS, code << 8) for code in range(256)
        }
        """By the text behind task and time, the newline included."""
        self._numbered: dict[bytes, Meaning] = {}
        """The same without the digits at the end."""
        self._tids: dict[bytes, int] = {}

    def feed(self, numbers: Iterable[int], block: bytes) -> int:
        """Read whole lines, `numbers` are their line numbers, at least as many; gives how many there were."""
        if len(self._whole) + len(self._numbered) > MAX_KEPT:
            self._whole = {text: meaning for text, meaning in self._whole.items() if meaning[0] == ENDS}
            self._numbered.clear()
        if len(self._tids) > MAX_TIDS:
            self._tids.clear()
        self._joiner.make_room()
        lines = list(BytesIO(block))
        if not lines:
            return 0
        tids, times, rests = self._parts(lines)
        # The rests are looked up one by one while the loop goes on, so what it learns serves the next line.
        self._feed(zip(numbers, lines, tids, times, rests, map(self._whole.get, rests), strict=False))
        return len(lines)

    def _parts(self, lines: list[bytes]) -> tuple[Iterable[bytes], Iterable[bytes], list[bytes]]:
        """Of each line the task's number, the time, and the rest."""
        first = lines[0]
        start = first.find(b" ") + 1
        while first[start : start + 1] == b" ":  # strace pads short numbers
            start += 1
        end = start + self._width
        after = end + 1 if self._width else end
        if all(line[start - 1 : start] == b" " for line in lines[:: len(lines) // 16 + 1]):
            # All numbers are as long as the first: slices can be made without bytecode.
            times = map(itemgetter(slice(start, end)), lines) if self._width else repeat(b"")
            return map(itemgetter(slice(0, start)), lines), times, list(map(itemgetter(slice(after, None)), lines))
        parts = [line.partition(b" ") for line in lines]
        tids = [part[0] for part in parts]
        rests = [part[2].lstrip(b" ") for part in parts]
        if not self._width:
            return tids, repeat(b""), rests
        return tids, [rest[: self._width] for rest in rests], [rest[self._width + 1 :] for rest in rests]

    def _feed(self, lines: Iterator[_Line]) -> None:  # noqa: C901 - the hot loop: a branch for each meaning, no calls
        joiner = self._joiner
        append = joiner.records.append
        pending, seen, leaders, callers = joiner.pending, joiner.seen, joiner.leaders, joiner.callers
        forget, asked = joiner.tids.pop, joiner.asked
        known = self._tids
        find_tid = known.get
        clock = joiner.time_of if self._width else None
        numbered, slowly = self._with_number, self._slowly
        second = b""
        base = 0
        now: int | None = None
        if joiner.is_holding:
            self._until_free(lines)
        for at, line, text, time, rest, what in lines:
            if clock is not None:
                fraction = time[-6:]
                if time[:-6] != second or not fraction.isdigit():
                    second = time[:-6] if _TIME.fullmatch(time) else b""
                    base = (clock(second + b"000000") or 0) if second else 0
                    slowly(at, line, rest, lines)
                    continue
                now = base + int(fraction) * 1000
            if what is None:
                if not numbered(at, now, text, rest):
                    slowly(at, line, rest, lines)
                continue
            kind = what[0]
            if kind == NOTHING and text in known:
                continue
            tid = find_tid(text) or self._new_tid(text)
            if not tid:
                slowly(at, line, rest, lines)
                continue
            if kind == LEAVES:
                callers.discard(tid)
                append((EXIT_BEGIN, at, now, tid, what[1], what[2]))
            elif kind == ENDS:
                if tid in pending or tid in leaders or tid in callers:
                    slowly(at, line, rest, lines)
                    continue
                seen.discard(tid)
                del known[text]
                forget(text.rstrip(), None)
                append((EXIT, at, now, tid, what[1]))
            elif kind == EXEC_RETURNS:
                program = self._program(tid, what[1])
                if not program:
                    slowly(at, line, rest, lines)
                    continue
                del pending[tid]
                append((EXEC, at, now, tid, tid, program))
            elif kind == CLONE_BEGINS:
                pending[tid] = (what[1], what[2], at, now, what[3])
                joiner.opened[tid] = len(joiner.records)
                append((OPEN, at, now, tid))
            else:  # NOTHING, WAITS, EXEC_BEGINS
                if kind == EXEC_BEGINS:
                    pending[tid] = what[1]
                elif kind == WAITS and tid in asked:
                    del asked[tid]
                if tid not in seen:
                    seen.add(tid)
                    append((SEEN, at, now, tid))

    def _with_number(self, at: int, now: int | None, text: bytes, rest: bytes) -> bool:
        """A line with a number that is another in each: at its end, or of the child that a signal tells of. False: it
        is not known."""
        if rest.startswith(_SIGCHLD):
            number = rest[_SIGCHLD_LENGTH : rest.find(b",", _SIGCHLD_LENGTH)]
            what = _SIGNAL if number.isdigit() else None
        else:
            start = rest.rstrip(_DIGITS)
            number = rest[len(start) :]
            what = self._numbered.get(start) if len(number) > 1 else None
        if what is None or len(number) > MAX_DIGITS:
            return False
        kind = what[0]
        if kind == NOTHING and text in self._tids:
            return True
        tid = self._tids.get(text) or self._new_tid(text)
        if not tid:
            return False
        joiner = self._joiner
        child = int(number)
        if kind == SIGNALLED:
            if joiner.taken_over or joiner.exec_by:
                return False  # where a signal comes between, matters
            joiner.records.append((CHILD_SIGNAL, at, now, tid, child, 0))
        elif kind == CLONE_RETURNS:
            return self._clone_returns(at, tid, what[1], child)
        elif kind == NOTHING:
            if tid not in joiner.seen:
                joiner.seen.add(tid)
                joiner.records.append((SEEN, at, now, tid))
        elif kind == REAPS and tid in joiner.asked:
            return False
        elif child and kind == REAPS:
            joiner.records.append((REAP, at, now, tid, child, what[1], 0))
        elif child:  # CLONES
            joiner.last_child = child
            joiner.returned[child] = len(joiner.records)
            joiner.callers.add(tid)
            joiner.records.append((CLONED, at, now, tid, child, what[1], what[2], 0, "", False, at))
        return True

    def _clone_returns(self, at: int, tid: int, name: str, child: int) -> bool:
        call = self._joiner.pending.get(tid)
        if call is None or call[0] != name or call[4] is None or not child:
            return False
        del self._joiner.pending[tid]
        self._joiner.cloned((CLONED, call[2], call[3], tid, child, *call[4], 0, "", False, at))
        return True

    def _program(self, tid: int, name: str) -> int:
        """The reference for the execve of that name that the task is in; 0: it is in none, or a thread's goes on."""
        joiner = self._joiner
        call = joiner.pending.get(tid)
        if call is None or call[0] != name or tid in joiner.exec_by:
            return 0
        return joiner.programs.reference(call[1])

    def _new_tid(self, text: bytes) -> int:
        number = text.rstrip(b" ")
        if not number.isdigit() or len(number) > MAX_TID_DIGITS:
            return 0
        tid = self._tids[text] = self._joiner.tids[number] = int(number)
        return tid

    def _slowly(self, at: int, line: bytes, rest: bytes, lines: Iterator[_Line]) -> None:
        """The long way, on to the end of what was written into the middle of a line."""
        row = self._row.match(line, 0, len(line) - 1)
        assert row is not None  # its last alternative is anything
        tid, time, head, tail, odd = row.groups(b"")
        joiner = self._joiner
        joiner.feed_one(at, (tid, time, head, tail, odd))
        if joiner.is_holding:
            self._until_free(lines)
        elif head and len(rest) < MAX_LENGTH and rest[:-1] == head + tail:
            self._learn(rest[:-1])

    def _until_free(self, lines: Iterator[_Line]) -> None:
        """A line was broken off: until it has ended, every line may be a piece of it."""
        joiner = self._joiner
        for at, line, *_ in lines:
            row = self._row.match(line, 0, len(line) - 1)
            assert row is not None
            tid, time, head, tail, odd = row.groups(b"")
            joiner.feed_one(at, (tid, time, head, tail, odd))
            if not joiner.is_holding:
                break

    def _learn(self, text: bytes) -> None:
        """Keep what the text means, if that does not depend on anything else."""
        start = followed_by_number(text)
        if start is None:
            meaning = meaning_of(text)
            if meaning is not None:
                self._whole[text + b"\n"] = meaning
        else:
            meaning = meaning_before_number(start)
            if meaning is not None:
                self._numbered[start] = meaning
