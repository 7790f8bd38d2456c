"""How the lines of one log begin, which depends on the options that strace ran with: a sample of the log decides."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.sources.strace.lines.cleaning import clean, is_coloured, mend
from tracer.sources.strace.lines.fronts import begins, find_front
from tracer.sources.strace.lines.grammar import (
    ANY,
    CLOCK,
    COMM,
    CONTEXT,
    DELTA,
    NOTICE,
    NUMBER,
    POINTER,
)

_FAST_HEAD = rb"(\w+\(|<[^>\n]+>|[-+?]+[ (])"
_USUAL_CLOCK = rb"\d\d:\d\d:\d\d\.\d{6}"
_MICROSECONDS = re.compile(rb"[:\d]+\.\d{6}")
_USUAL = re.compile(_USUAL_CLOCK)
_NUMBERED, _POINTED, _IN_CONTEXT = re.compile(NUMBER), re.compile(POINTER), re.compile(CONTEXT)
_NOT_SUCCESSFUL = re.compile(rb"\) += (?:-1 [E(]|\?)[^\"]*$| <unfinished \.\.\.>$")


class Style(NamedTuple):
    """How the lines of one log begin."""

    rows: re.Pattern[bytes]
    """findall gives one row for each line of a block."""
    row: re.Pattern[bytes]
    """The same for one line without its newline; matches always."""
    clock_width: int | None
    """Characters of the time, if all lines are alike: `TID TIME REST`, with one space behind a time of always this
    width (0: no times), whose last six are digits. None: they are not so."""
    relative_time: bool
    """Times are those of `-r` alone: each counts from the line before."""
    clock: str | None
    """SourceInfo.clock"""
    prefixed: bool
    """Every line names its task (`-o FILE -f`), so a line without has no meaning of its own."""
    bracketed: bool
    """Some lines name their task as `[pid N]`."""
    junk: re.Pattern[bytes] | None
    """What people's tools put in front of each line."""
    known: int
    """Lines of the sample that are strace's."""
    coloured: bool
    """Escape sequences stand in the middle of words (--color, strace 7.0)."""
    successful: bool
    """It looks like `-z`: a call is written when it has succeeded, so a child can speak before its creator's call."""
    torn: bool
    """The log begins within the number of its first line."""

    @property
    def every_line(self) -> bool:
        """No line can be left out for the words that it lacks."""
        return self.relative_time or self.coloured or self.junk is not None


@dataclass(slots=True)
class _Seen:
    """How many lines of the sample have what, and what holds for all of them."""

    known: int = 0
    bare: int = 0
    """`TID `, and the next: `[pid TID] `."""
    bracketed: int = 0
    comm: int = 0
    clock: int = 0
    delta: int = 0
    both: int = 0
    """`(+0.1) ` behind a time."""
    numbers: int = 0
    pointers: int = 0
    contexts: int = 0
    widths: set[int] = field(default_factory=set)
    """Of times; -1: of such as have no microseconds."""
    unix: bool = False
    """Some times are seconds since 1970."""
    usual: bool = True
    """All times are of the most common kind."""
    successful: bool = True
    """All lines can be of -z."""

    def look(self, line: bytes) -> None:
        """One more line."""
        found = ANY.match(line)
        if found is None:
            return
        in_brackets, tid, time, delta, head, rest = found.groups()
        front = line[: found.start(5)]
        self.known += 1
        self.successful = self.successful and _can_be_successful(head, rest)
        self.bare += tid is not None
        self.bracketed += in_brackets is not None
        self.comm += b"<" in front
        self.delta += delta is not None
        self.both += b"(+" in front
        self.numbers += _NUMBERED.search(front) is not None
        self.pointers += _POINTED.search(front) is not None
        self.contexts += _IN_CONTEXT.search(front) is not None
        if time is not None:
            self.clock += 1
            self.widths.add(len(time) if _MICROSECONDS.fullmatch(time) is not None else -1)
            self.usual = self.usual and _USUAL.fullmatch(time) is not None
            self.unix = self.unix or b":" not in time

    @property
    def clock_width(self) -> int | None:
        """As in Style."""
        odd = self.comm or self.delta or self.numbers or self.pointers or self.contexts
        if odd or not self.bare == self.known > 0 or self.clock not in (0, self.known) or len(self.widths) > 1:
            return None
        width = max(self.widths, default=0)
        return width if width >= 0 else None

    def front(self) -> bytes:
        """The regex for what stands in front of what a line does; its groups are number and time."""
        name = (rb"(?:" + COMM + rb")?") if self.comm else b""
        if self.bare > self.bracketed:
            front = rb"(\d{1,7})" + name + rb" ++"
        else:
            front = rb"(?:\[pid +(\d{1,18})" + name + rb"\] )?"
        front += rb"(?:" + CONTEXT + rb")?" if self.contexts else b""
        if self.clock:
            front += rb"(" + (_USUAL_CLOCK if self.usual else CLOCK) + rb") "
        elif self.delta:
            front += rb"(" + DELTA + rb") "
        else:
            front += rb"()"
        front += rb"(?:\(\+" + DELTA + rb"\) )?" if self.both else b""
        front += NUMBER if self.numbers else b""
        front += POINTER if self.pointers else b""
        return front


def find_style(sample: bytes) -> Style:
    """What a piece of a log (whole lines, as many as one likes) says about the rest of it."""
    coloured = is_coloured(sample)
    sample = clean(sample, None)
    junk = find_front(sample)
    lines = mend(clean(sample, junk)).split(b"\n")
    seen = _Seen()
    for line in lines:
        seen.look(line)
    front = seen.front() + _FAST_HEAD
    prefixed = seen.bare > seen.bracketed
    return Style(
        rows=re.compile(front + rb"(.*)\n|(.*)\n"),
        row=re.compile(front + rb"(.*)|(.*)"),
        clock_width=seen.clock_width,
        relative_time=bool(seen.delta and not seen.clock),
        clock=("epoch" if seen.unix else "day") if seen.clock else ("start" if seen.delta else None),
        prefixed=prefixed,
        bracketed=seen.bracketed > 0,
        junk=junk,
        known=seen.known,
        coloured=coloured,
        successful=seen.successful and seen.bare + seen.bracketed > 0,
        torn=prefixed and _is_torn(lines),
    )


_COLUMN_WIDTH = 6
_COLUMN = re.compile(rb"\d+ +")


def _is_torn(lines: list[bytes]) -> bool:
    """strace -o pads numbers ("%-5u " in printleader()): only of the first line is the column too narrow."""
    first = _COLUMN.match(lines[0]) if ANY.match(lines[0]) else None
    others = [len(found[0]) for line in lines[1:] if (found := _COLUMN.match(line))]
    return first is not None and bool(others) and len(first[0]) < _COLUMN_WIDTH <= min(others)


def _can_be_successful(head: bytes, rest: bytes) -> bool:
    """A log of -z can have the line: no call that failed or never returned, and of no other call the end alone."""
    if head[:5] == b"<... ":
        return head[5:9] == b"exec"
    if head == b"???(":  # a task that was killed
        return True
    return head not in (b"exit(", b"exit_group(", b"_exit(") and _NOT_SUCCESSFUL.search(rest) is None


def looks_like_strace(sample: bytes, *, calls: bool = False) -> bool:
    """Is this the beginning of an strace log? At least one line in it must be strace's beyond doubt; with `calls`, and
    no notice of its own (`strace: Process 12 attached`)."""
    sample = clean(sample, None)
    lines = clean(sample, find_front(sample)).split(b"\n")
    return any(begins(line) or (not calls and NOTICE.match(line) is not None) for line in lines)
