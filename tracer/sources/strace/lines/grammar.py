"""From bytes to rows: what stands in front of each line is taken off, what the line does is left to `joining`.

A row is `(tid, time, head, rest, odd)`, all bytes. `head` is what kind of line it is: `execve(`, `+++ `, `--- `,
`<... execve resumed>`; it is empty where the line has another shape than most of the log: then `odd` is the whole
line, and `split` looks at it alone. One compiled regex splits a block; which one depends on the options that strace ran
with, so a sample of the log decides (`Style`).
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Callable
from typing import NamedTuple

Row = tuple[bytes, bytes, bytes, bytes, bytes]

_HEAD = rb"(\w+\(|<\.\.\. [\w?]+ resumed>|\+\+\+ |--- |\?{3,4}\()"
_COMM = rb"<[^\n]{0,70}?>"  # TASK_COMM_LEN is 16 with the NUL; strace escapes bytes to four characters
_FAST_HEAD = rb"(\w+\(|<[^>\n]+>|[-+?]+[ (])"
_USUAL_CLOCK = rb"\d\d:\d\d:\d\d\.\d{6}"
_CLOCK = rb"\d\d:\d\d:\d\d(?:\.\d+)?|\d{9,11}(?:\.\d+)?"
_MICROSECONDS = re.compile(rb"[:\d]+\.\d{6}")
_DELTA = rb" *\d+\.\d+"
_NUMBER = rb"\[ *\d+\] "
_POINTER = rb"\[[0-9a-f?]{8,16}\] "
_CONTEXT = rb"\[(?:\w+:[\w.,:-]+|\w+_t)\] "  # --secontext (strace 5.12): full or only the type

_ANY = re.compile(
    rb"(?:\[pid +(\d{1,18})(?:" + _COMM + rb")?\] |(\d{1,7})(?:" + _COMM + rb"(?= ))? ++(?=\D|\d{2}:|\d{9}|\d+\.\d))?"
    rb"(?:" + _CONTEXT + rb")?"
    rb"(?:(" + _CLOCK + rb") |(" + _DELTA + rb") )?(?:\(\+" + _DELTA + rb"\) )?"
    rb"(?:" + _NUMBER + rb")?(?:" + _POINTER + rb")?" + _HEAD + rb"(.*)",
    re.S,
)

_LINE_NUMBER = re.compile(rb"(?m)^ *(\d{1,18})(?:\t|[:-](?=[\[\da-z+< ,)=-]))")
_DATE = rb"\d{4}-\d\d-\d\d[T ][\d:.,]+(?: ?(?:Z|[+-]\d\d:?\d\d|[A-Z]{3,5}))?"
_PREFIXES = (
    # journalctl (short, -o short-iso, short-precise), rsyslog; -o short-full, short-monotonic, short-unix
    rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|" + _DATE + rb") [\w.-]+ [^\s:]+: ",
    rb"(?:[A-Z][a-z]{2} " + _DATE + rb"|\[ *\d+\.\d+\]|\d{10}\.\d{6}) [\w.-]+ [\w.-]+\[\d+\]: ",
    # docker logs -t, kubectl logs --timestamps --prefix, the files of a container runtime
    rb"(?:\[pod/[^\]\n]{1,300}\] )?" + _DATE + rb" (?:std(?:out|err) [FP] )?",
    rb"\[pod/[^\]\n]{1,300}\] ",
    rb"[\w.-]+ +\| ",  # docker compose logs
    rb"(?:> ?)+| {4}(?! *\d+\.\d)",  # quoted in a mail or a ticket
    rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ",  # ts
)
_JUNK = [re.compile(rb"(?m)^(?:" + prefix + rb")") for prefix in _PREFIXES]
_COLOUR = re.compile(rb"\x1b\[[0-9;]*[mK]")


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


def split(line: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """One line by the full grammar of prefixes; head empty if it is none of strace's."""
    found = _ANY.match(line)
    if found is None:
        return b"", b"", b"", line
    in_brackets, bare, clock, delta, head, rest = found.groups()
    return in_brackets or bare or b"", clock or (delta or b"").strip(), head, rest


_PREFIX = re.compile(rb"\[pid +(\d{1,18})")
_END = re.compile(rb"\+\+\+ (?:exited with \d+|killed by SIG\w+(?: \(core dumped\))?) \+\+\+$")


def split_behind_output(line: bytes, may_write: Callable[[int], bool]) -> tuple[bytes, bytes, bytes, bytes]:
    """The same where the tracee has written something without a newline in front of it (`2>&1`): from the first prefix
    of a task that may have written it, or an end in a line without prefix."""
    found = _PREFIX.search(line) or _END.search(line)
    while found is not None and found.re is _PREFIX and not may_write(int(found[1])):
        found = _PREFIX.search(line, found.end())
    return (b"", b"", b"", line) if found is None else split(line[found.start() :])


def clean(block: bytes, junk: re.Pattern[bytes] | None) -> bytes:
    """Take off what strace did not write: carriage returns, colours, a byte order mark, what `junk` finds."""
    if block[:3] == codecs.BOM_UTF8:
        block = block[3:]
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if b"\x1b" in block:
        block = _COLOUR.sub(b"", block)
    return junk.sub(b"", block) if junk is not None else block


UNFINISHED_LINE = b" <unfinished ...>\n"
_STAGED = re.compile(
    rb" <unfinished \.\.\.>\n(?!\[pid |\d[\d:.]*(?:<[^\n]*>)? |\w+\(|<\.\.\. |\+\+\+ |--- )([^\n]*\) += [^\n]*)\n"
)
"""Two halves of one line of -z: strace kept the first one until the call returned, after another task's line."""
_GLUED = re.compile(rb"(?m)^[^\n(\"]{0,80}\?{3,4}\((?=\[pid +\d|\d+[ <])")
"""A call of -z of which strace could read nothing, for its task was killed: the next line follows without a newline."""
_NOT_SUCCESSFUL = re.compile(rb"\) += (?:-1 [E(]|\?)[^\"]*$| <unfinished \.\.\.>$")


def mend(block: bytes) -> bytes:
    """Halves of lines of -z put together, and two in one parted; the number of lines stays the same."""
    if b"???(" in block:
        block = _GLUED.sub(b"", block)
    return _STAGED.sub(rb"\1\n\n", block)


def find_style(sample: bytes) -> Style:
    """What a piece of a log (whole lines, as many as one likes) says about the rest of it."""
    coloured = _COLOUR.search(sample) is not None
    sample = clean(sample, None)
    junk = _junk(sample)
    lines = mend(clean(sample, junk)).split(b"\n")
    bare = bracketed = comm = clock = delta = both = numbers = pointers = contexts = known = 0
    unix = False
    usual = successful = True
    widths: set[int] = set()
    for line in lines:
        found = _ANY.match(line)
        if found is None:
            continue
        known += 1
        in_brackets, tid, time, relative = found.group(1, 2, 3, 4)
        front = line[: found.start(5)]
        successful = successful and _can_be_successful(found[5], found[6])
        bare += tid is not None
        bracketed += in_brackets is not None
        comm += b"<" in front
        clock += time is not None
        delta += relative is not None
        both += b"(+" in front
        numbers += re.search(_NUMBER, front) is not None
        pointers += re.search(_POINTER, front) is not None
        contexts += re.search(_CONTEXT, front) is not None
        if time is not None:
            widths.add(len(time) if _MICROSECONDS.fullmatch(time) is not None else -1)
        usual = usual and (time is None or re.fullmatch(_USUAL_CLOCK, time) is not None)
        unix = unix or (time is not None and b":" not in time)
    name = (rb"(?:" + _COMM + rb")?") if comm else b""
    if bare > bracketed:
        front = rb"(\d{1,7})" + name + rb" ++"
    else:
        front = rb"(?:\[pid +(\d{1,18})" + name + rb"\] )?"
    front += rb"(?:" + _CONTEXT + rb")?" if contexts else b""
    if clock:
        front += rb"(" + (_USUAL_CLOCK if usual else _CLOCK) + rb") "
    elif delta:
        front += rb"(" + _DELTA + rb") "
    else:
        front += rb"()"
    front += rb"(?:\(\+" + _DELTA + rb"\) )?" if both else b""
    front += _NUMBER if numbers else b""
    front += _POINTER if pointers else b""
    name_of_clock = ("epoch" if unix else "day") if clock else ("start" if delta else None)
    width = 0 if not widths else widths.pop() if len(widths) == 1 else -1
    is_plain = bare == known > 0 and not (comm or delta or numbers or pointers or contexts)
    return Style(
        re.compile(front + _FAST_HEAD + rb"(.*)\n|(.*)\n"),
        re.compile(front + _FAST_HEAD + rb"(.*)|(.*)"),
        width if is_plain and width >= 0 and clock in (0, known) else None,
        bool(delta and not clock),
        name_of_clock,
        bare > bracketed,
        bracketed > 0,
        junk,
        known,
        coloured,
        successful and bare + bracketed > 0,
        bare > bracketed and _is_torn(lines),
    )


_COLUMN_WIDTH = 6
_COLUMN = re.compile(rb"\d+ +")


def _is_torn(lines: list[bytes]) -> bool:
    """strace -o pads numbers ("%-5u " in printleader()): only of the first line is the column too narrow."""
    first = _COLUMN.match(lines[0]) if _ANY.match(lines[0]) else None
    others = [len(found[0]) for line in lines[1:] if (found := _COLUMN.match(line))]
    return first is not None and bool(others) and len(first[0]) < _COLUMN_WIDTH <= min(others)


def without_number(block: bytes) -> bytes:
    """The beginning of a log that is torn: what is left of a number names another task."""
    return block.lstrip(b"0123456789")


def _can_be_successful(head: bytes, rest: bytes) -> bool:
    """A log of -z can have the line: no call that failed or never returned, and of no other call the end alone."""
    if head[:5] == b"<... ":
        return head[5:9] == b"exec"
    if head == b"???(":  # a task that was killed
        return True
    return head not in (b"exit(", b"exit_group(", b"_exit(") and _NOT_SUCCESSFUL.search(rest) is None


def _junk(sample: bytes) -> re.Pattern[bytes] | None:
    lines = sample.split(b"\n")[:200]
    numbers = [int(found[1]) for line in lines if (found := _LINE_NUMBER.match(line)) is not None]
    if len(numbers) * 2 > len(lines) and all(a < b for a, b in itertools.pairwise(numbers)):
        return _LINE_NUMBER
    for junk in _JUNK:
        if sum(junk.match(line) is not None for line in lines) * 2 > len(lines):
            return junk
    return None


def looks_like_strace(sample: bytes) -> bool:
    """Is this the beginning of an strace log? At least one line in it must be strace's beyond doubt."""
    return any(_is_sure(line) for line in clean(clean(sample, None), _junk(sample)).split(b"\n"))


_SURE = re.compile(
    rb"\w+\(.*\) += (?:-?\d|\?|0x)|\w+\(.* <(?:unfinished|detached|pid changed to \d+) \.\.\.>$"
    rb"|<\.\.\. [\w?]+ resumed>|\+\+\+ (?:exited with|killed by|superseded by) |--- SIG\w+ [{(]|--- stopped by SIG",
    re.S,
)
_STRACE = rb"strace[\w.-]{0,40}: "
"""strace's name for itself is how it was called: with a path, or `strace-static`."""
_PROCESS = rb"Process (\d{1,18})(?:<[^\n]*>)? "
NOTICE = re.compile(
    rb"(?:(?:[^\s\"]*/)?" + _STRACE + rb")?"
    + _PROCESS + rb"(attached|detached|suspended|resumed)(?: with (\d{1,18}) threads)?"
)  # fmt: skip
SPLICED_NOTICE = re.compile(rb"(?:(?:\.{0,2}/[\w./+-]{0,200}?)?" + _STRACE + rb")?" + _PROCESS + rb"attached$")

_VALUE = re.compile(
    rb"\) += (-?\d{1,18}|\?|0x[0-9a-f]{1,16})(?:<[^\n]*?>)?(?: /\* (\d{1,18}) in strace's PID NS \*/)?"
    rb"((?: [^\"\n]*)?)$"
)

_NO_ERRNO = re.compile(rb" \(errno \d{5}")


class Result(NamedTuple):
    """The end of a line: what a call returned."""

    args: bytes
    value: int | None
    """None: no value, the call did not return or was interrupted."""
    open: bool
    """It never returned, and nothing says that it did not happen: its task was killed inside."""
    real: int
    """The number in strace's own pid namespace, where shown; else 0."""


def result(rest: bytes) -> Result | None:
    """Split off the return value; None where the line has no end. An injected result is a call that did not happen."""
    if len(rest) > 1 and rest[-1:] in b" \r":
        rest = rest.rstrip()
    end = len(rest)
    for _ in range(4):  # a comm or an error text may hold " = " too
        end = rest.rfind(b" = ", 0, end)
        if end < 0:
            return None
        start = len(rest[:end].rstrip(b" ")) - 1
        found = _VALUE.match(rest, start) if start >= 0 else None
        if found is not None:
            text, real, tail = found.groups()
            # strace has read no result, or that of nobody (before 6.12, the task was killed just then): no such errno
            missing = (text == b"?" and b"ERESTART" not in tail) or _NO_ERRNO.match(tail) is not None
            if missing or text == b"?" or b"(INJECTED" in tail:
                value = None
            else:
                value = int(text, 16) if text[:2] == b"0x" else int(text)
            return Result(rest[:start], value, missing, int(real or 0))
    return None


def _is_sure(line: bytes) -> bool:
    found = _ANY.match(line)
    if found is not None:
        return _SURE.match(line, found.start(5)) is not None
    return NOTICE.match(line) is not None
