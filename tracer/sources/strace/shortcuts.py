"""The short way for what a log repeats.

Most lines of a log have been there before but for their task and perhaps a number at their end: `exit_group(0) = ?`,
`<... vfork resumed>) = 15823`. What `joining` found out about such a text is kept here by the whole text, so that the
next line with it costs one look-up: no regex, no handler. Anything else goes the long way, and is learned there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tracer.event import CLONE_THREAD
from tracer.sources.strace import calls
from tracer.sources.strace.grammar import Style
from tracer.sources.strace.joining import CREATING, LEAVING, WAITING, Joiner
from tracer.sources.strace.records import CHILD_SIGNAL, CLONED, EXEC, EXIT, EXIT_BEGIN, OPEN, REAP, SEEN

MAX_KEPT = 8_000
MAX_LENGTH = 300
"""Of texts that are kept."""

Meaning = tuple[Any, ...]

# What a text means: the first field of a Meaning; the comment names the others.
_NOTHING = 0
_WAITS = 1
_EXEC_BEGINS = 2  # name, arguments
_EXEC_RETURNS = 3  # name
_LEAVES = 4  # code, group
_ENDS = 5  # raw wait status
_CLONE_BEGINS = 6  # name, arguments, (flags, exit signal)
# The same for texts that a number follows.
_CLONE_RETURNS = 7  # name
_CLONES = 8  # flags, exit signal
_REAPS = 9  # raw wait status
_SIGNALLED = 10

_SIGCHLD = b"--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid="
_SIGCHLD_LENGTH = len(_SIGCHLD)
_SIGNAL: Meaning = (_SIGNALLED,)
_DIGITS = b"0123456789"
_MAX_TID_DIGITS = 7

_TIME = re.compile(rb"(?:\d\d:\d\d:\d\d|\d{9,11})\.\d{6}")
_START = re.compile(rb"(\w+)\((.*) ?<unfinished \.\.\.>", re.S)
_FAILED_WAIT = re.compile(rb"(?:<\.\.\. (\w+) resumed>|(\w+)\().*\) += -1 ECHILD \(No child processes\)", re.S)
_RETURN = re.compile(rb"(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*\)) += ", re.S)
_EXECED = re.compile(rb"<\.\.\. (execve|execveat) resumed> ?\) += 0")
_EXIT = re.compile(rb"(exit|exit_group|_exit)\((\d{1,10})\) += \?")

_CREATING = frozenset(CREATING)
_WAITING = frozenset(WAITING) - {"waitid"}
_LEAVING = frozenset(LEAVING)


class Shortcuts:
    """Feeds a Joiner with lines of a log in which every line names its task."""

    def __init__(self, joiner: Joiner, style: Style) -> None:
        self._joiner = joiner
        self._row = style.row
        self._clock_width = style.clock_width
        self._whole: dict[bytes, Meaning] = {
            b"+++ exited with %d +++" % code: (_ENDS, code << 8) for code in range(256)
        }
        """By the text behind task and time."""
        self._numbered: dict[bytes, Meaning] = {}
        """The same without the digits at the end."""

    def feed(self, numbers: Iterable[int], lines: list[bytes]) -> int:
        """Read lines, without their newlines; gives how many went the long way."""
        if len(self._whole) + len(self._numbered) > MAX_KEPT:
            self._whole = {text: meaning for text, meaning in self._whole.items() if meaning[0] == _ENDS}
            self._numbered.clear()
        self._joiner.make_room()
        return self._feed(zip(numbers, lines, strict=False))

    def _feed(self, lines: Iterator[tuple[int, bytes]]) -> int:  # noqa: C901 - one branch a meaning, no calls
        joiner = self._joiner
        records = joiner.records
        append = records.append
        pending, opened, seen, leaders = joiner.pending, joiner.opened, joiner.seen, joiner.leaders
        exec_by = joiner.exec_by
        program_of = joiner.programs.reference
        tids = joiner.tids
        clock = joiner.time_of
        width = self._clock_width
        whole = self._whole.get
        numbered = self._numbered.get
        slowly = self._slowly
        missed = 0
        second = time = b""
        number = b""
        if joiner.is_holding:
            missed += self._until_free(lines)
        for at, line in lines:
            text, _, rest = line.partition(b" ")
            if width:
                if rest[:1] == b" ":  # strace pads short numbers
                    rest = rest.lstrip(b" ")
                time = rest[:width]
                if time[:-6] != second or not time[-6:].isdigit() or rest[width : width + 1] != b" ":
                    missed += slowly(at, line, lines)
                    second = time[:-6] if _TIME.fullmatch(time) else b""
                    continue
                rest = rest[width + 1 :]
            what = whole(rest)
            if what is None:
                if rest[:1] == b" ":
                    rest = rest.lstrip(b" ")
                if rest.startswith(_SIGCHLD):
                    number = rest[_SIGCHLD_LENGTH : rest.find(b",", _SIGCHLD_LENGTH)]
                    what = _SIGNAL
                else:
                    start = rest.rstrip(_DIGITS)
                    number = rest[len(start) :]
                    what = numbered(start)
                if what is None or not number.isdigit():
                    missed += slowly(at, line, lines)
                    continue
            kind = what[0]
            if kind == _NOTHING:
                continue
            tid = tids.get(text)
            if tid is None:
                if not text.isdigit() or len(text) > _MAX_TID_DIGITS:
                    missed += slowly(at, line, lines)
                    continue
                tid = tids[text] = int(text)
            if kind == _WAITS:
                if tid not in seen:
                    seen.add(tid)
                    append((SEEN, at, clock(time), tid))
            elif kind == _LEAVES:
                append((EXIT_BEGIN, at, clock(time), tid, what[1], what[2]))
            elif kind == _ENDS:
                if tid in pending or tid in leaders:
                    missed += slowly(at, line, lines)
                    continue
                if tid in seen:
                    seen.remove(tid)
                del tids[text]
                append((EXIT, at, clock(time), tid, what[1]))
            elif kind == _SIGNALLED:
                append((CHILD_SIGNAL, at, clock(time), tid, int(number), 0))
            elif kind == _REAPS:
                if number != b"0":
                    append((REAP, at, clock(time), tid, int(number), what[1], 0))
            elif kind == _EXEC_BEGINS:
                pending[tid] = (what[1], what[2], at, None, None)
                if tid not in seen:
                    seen.add(tid)
                    append((SEEN, at, clock(time), tid))
            elif kind == _EXEC_RETURNS:
                call = pending.get(tid)
                if call is None or call[0] != what[1] or tid in exec_by or not (program := program_of(call[1])):
                    missed += slowly(at, line, lines)
                    continue
                del pending[tid]
                append((EXEC, at, clock(time), tid, tid, program))
            elif kind == _CLONE_BEGINS:
                now = clock(time)
                pending[tid] = (what[1], what[2], at, now, what[3])
                opened[tid] = len(records)
                append((OPEN, at, now, tid))
            elif kind == _CLONE_RETURNS:
                call = pending.get(tid)
                if call is None or call[0] != what[1] or call[4] is None or number == b"0":
                    missed += slowly(at, line, lines)
                    continue
                del pending[tid]
                record = (CLONED, call[2], call[3], tid, int(number), *call[4], 0, "", False)
                place = opened.pop(tid, None)
                if place is not None:
                    records[place] = record
                else:
                    append(record)
            elif number != b"0":  # _CLONES
                append((CLONED, at, clock(time), tid, int(number), what[1], what[2], 0, "", False))
        return missed

    def _slowly(self, at: int, line: bytes, lines: Iterator[tuple[int, bytes]]) -> int:
        """The long way, on to the end of what was written into the middle of a line. Gives the number of lines."""
        row = self._row.match(line)
        assert row is not None  # its last alternative is anything
        text, time, head, rest, odd = row.groups(b"")
        joiner = self._joiner
        joiner.feed_one(at, (text, time, head, rest, odd))
        if joiner.is_holding:
            return 1 + self._until_free(lines)
        if head and len(rest) < MAX_LENGTH:
            rest = line.partition(b" ")[2]
            if self._clock_width:
                rest = rest.lstrip(b" ")[self._clock_width + 1 :]
            self._learn(rest)
        return 1

    def _until_free(self, lines: Iterator[tuple[int, bytes]]) -> int:
        """A line was broken off: until it has ended, every line may be a piece of it."""
        joiner = self._joiner
        missed = 0
        for at, line in lines:
            row = self._row.match(line)
            assert row is not None
            text, time, head, rest, odd = row.groups(b"")
            joiner.feed_one(at, (text, time, head, rest, odd))
            missed += 1
            if not joiner.is_holding:
                break
        return missed

    def _learn(self, rest: bytes) -> None:
        """Keep what the text means, if that does not depend on anything else."""
        text = rest.lstrip(b" ")
        last = text[-1:]
        if last == b">":
            meaning = _beginning(text)
        elif last.isdigit():
            start = text.rstrip(_DIGITS)
            if _EXECED.fullmatch(text) is not None:
                self._whole[rest] = (_EXEC_RETURNS, text[5 : text.find(b" ", 5)].decode())
                return
            meaning = _returning(start)
            if meaning is not None:
                self._numbered[start] = meaning
            return
        elif last == b"+":
            meaning = self._whole.get(text)
        else:
            meaning = _without_number(text)
        if meaning is not None:
            self._whole[rest] = meaning


def _beginning(text: bytes) -> Meaning | None:
    """Of `name(arguments <unfinished ...>`."""
    found = _START.fullmatch(text)
    if found is None:
        return None
    name = found[1].decode()
    args = text[len(name) + 1 : -16]
    if name in WAITING:
        return (_WAITS,)
    if name in ("execve", "execveat"):
        return _EXEC_BEGINS, name, args
    if name in ("fork", "vfork"):
        return _CLONE_BEGINS, name, args, (calls.FORK if name == "fork" else calls.VFORK)
    if name in ("clone", "clone3") and b"set_tid" not in args:
        values = calls.clone_flags(args)
        is_whole = b"exit_signal=" in args if name == "clone3" else b"flags=" in args
        if values is not None and is_whole and not values[0] & CLONE_THREAD:
            return _CLONE_BEGINS, name, args, values
    return None


def _returning(text: bytes) -> Meaning | None:
    """Of `...) = ` before a number."""
    found = _RETURN.fullmatch(text)
    if found is None:
        return None
    resumed, name, args = found.groups()
    name = (resumed or name).decode()
    if name in _WAITING:
        ended, status = calls.wait_result(args)
        return (_REAPS, status) if ended else (_NOTHING,)
    if name not in _CREATING or b"set_tid" in args or b"parent_tid=[" in args:
        return None
    if resumed:
        return _CLONE_RETURNS, name
    if name in ("fork", "vfork"):
        return _CLONES, *(calls.FORK if name == "fork" else calls.VFORK)
    values = calls.clone_flags(args)
    if values is None or values[0] & CLONE_THREAD or (name == "clone3" and b"exit_signal=" not in args):
        return None
    return _CLONES, *values


def _without_number(text: bytes) -> Meaning | None:
    """Of an exit call, and of a wait that found nothing."""
    found = _EXIT.fullmatch(text)
    if found is not None:
        return _LEAVES, int(found[2]) & 0xFF, found[1] == b"exit_group"
    found = _FAILED_WAIT.fullmatch(text)
    if found is not None and (found[1] or found[2]).decode() in WAITING:
        return (_NOTHING,)
    return None
