"""One line of strace's: what stands in front of it, what kind of line it is, what it says a call returned.

A row is `(tid, time, head, rest, odd)`, all bytes. `head` is what kind of line it is: `execve(`, `+++ `, `--- `,
`<... execve resumed>`; it is empty where the line has another shape than most of the log: then `odd` is the whole
line, and `split` looks at it alone. One compiled regex splits a block (`style`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

Row = tuple[bytes, bytes, bytes, bytes, bytes]

_HEAD = rb"(\w+\(|<\.\.\. [\w?]+ resumed>|\+\+\+ |--- |\?{3,4}\()"
COMM = rb"<[^\n]{0,70}?>"  # TASK_COMM_LEN is 16 with the NUL; strace escapes bytes to four characters
CLOCK = rb"\d\d:\d\d:\d\d(?:\.\d+)?|\d{9,11}(?:\.\d+)?"
DELTA = rb" *\d+\.\d+"
NUMBER = rb"\[ *\d+\] "
POINTER = rb"\[[0-9a-f?]{8,16}\] "
CONTEXT = rb"\[(?:\w+:[\w.,:-]+|\w+_t)\] "  # --secontext (strace 5.12): full or only the type

ANY = re.compile(
    rb"(?:\[pid +(\d{1,18})(?:" + COMM + rb")?\] |(\d{1,7})(?:" + COMM + rb"(?= ))? ++(?=\D|\d{2}:|\d{9}|\d+\.\d))?"
    rb"(?:" + CONTEXT + rb")?"
    rb"(?:(" + CLOCK + rb") |(" + DELTA + rb") )?(?:\(\+" + DELTA + rb"\) )?"
    rb"(?:" + NUMBER + rb")?(?:" + POINTER + rb")?" + _HEAD + rb"(.*)",
    re.S,
)


def split(line: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """One line by the full grammar of prefixes; head empty if it is none of strace's."""
    found = ANY.match(line)
    if found is None:
        return b"", b"", b"", line
    in_brackets, bare, clock, delta, head, rest = found.groups()
    return in_brackets or bare or b"", clock or (delta or b"").strip(), head, rest


_PREFIX = re.compile(rb"\[pid +(\d{1,18})")
_END = re.compile(rb"\+\+\+ (?:exited with \d+|killed by SIG\w+(?: \(core dumped\))?) \+\+\+$")


_CALL = re.compile(
    rb"clone\(child_stack=|clone3\(\{flags=|v?fork\((?:strace: |\) +=| <unf)|execve(?:at\(\w+, |\()\""
    rb"|exit_group\(\d+\) += \?|wait(?:4\(-?\d+, |id\(P_)|prctl\(PR_SET_"
)
GLUED = tuple(name + b"(" for name in b"clone clone3 fork execve execveat exit_group wait4 waitid prctl".split())
"""How the name of a call ends if that is one of these with the tracee's output in front of it."""


def split_behind_output(line: bytes, may_write: Callable[[int], bool]) -> tuple[bytes, bytes, bytes, bytes]:
    """The same where the tracee has written something without a newline in front of it (`2>&1`): from the first prefix
    of a task that may have written it; in a line without prefix from an end, or a call that is all of strace's."""
    found = _PREFIX.search(line) or _END.search(line) or _CALL.search(line)
    while found is not None and found.re is _PREFIX and not may_write(int(found[1])):
        found = _PREFIX.search(line, found.end())
    return (b"", b"", b"", line) if found is None else split(line[found.start() :])


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
