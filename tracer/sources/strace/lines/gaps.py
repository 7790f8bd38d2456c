"""What proves that lines are missing from the middle of a log.

strace tells of each task one thing after the other. What follows `wait4( <unfinished ...>` of a task is its
`<... wait4 resumed>` or its end, and nothing is resumed that has not begun (syscall_exiting_trace() in its
src/syscall.c). A log that says otherwise was damaged: before that line anything may have happened that it does not
show. An execve is no such proof: a thread's goes on as the leader's, which -qqq does not say, and others not always
on a line of its own.
"""

from __future__ import annotations

import re

from tracer.sources.strace.lines.grammar import NOTICE
from tracer.sources.strace.lines.style import Style
from tracer.sources.strace.records import GAP, Record

_UNFINISHED = b" <unfinished ...>"
_TASK = re.compile(rb"(?:\[pid +)?(\d{1,18})")
_EXEC = b"exec"
_OUTSIDE = b""


class Gaps:
    """Feed it the blocks of whole lines of one log, from the first on."""

    def __init__(self, style: Style) -> None:
        self._row = style.row
        self._prefixed = style.prefixed
        self._usable = (style.prefixed or style.bracketed) and not style.successful  # -z leaves calls out
        self._inside: dict[bytes, bytes] = {}
        """Task -> the unfinished call that it is inside of, or _OUTSIDE. Where that is not sure it is not here."""
        self._last = b""
        """The task of the last line that names one, where lines need not."""
        self._from_start = False
        """The log begins with the execve of `strace COMMAND`, so that no task was inside a call before."""

    def find(self, at: int, block: bytes) -> list[Record]:
        """A record for each line of the block before which others are missing; `at` is the number of its first."""
        if at == 1:
            self._from_start = self._prefixed and self._row.match(block)[3] == b"execve("  # type: ignore[index]
        inside = self._inside
        if not self._usable or not (inside or _UNFINISHED in block or b"<... " in block):
            return []
        found: list[Record] = []
        task_of = _TASK.match
        for number, line in enumerate(block.split(b"\n"), at):
            task = task_of(line)
            if task is None:
                if line:
                    self._unnamed(line)
                continue
            self._last = task[1]
            if inside.get(task[1]) or line[-17:] == _UNFINISHED or line[-9:] == b" attached" or b"<... " in line:
                if self._contradicts(line):
                    found.append((GAP, number, None, 0))
            else:
                inside[task[1]] = _OUTSIDE
        return found

    def _unnamed(self, line: bytes) -> None:
        """A notice of strace's; the rest of the line before, into which a notice or the tracee's output was written; a
        line of a task that is traced alone; output, behind which there may be a line of anybody's."""
        if self._prefixed or NOTICE.match(line):
            return
        if line[:2] == b") " or line == _UNFINISHED:
            self._inside.pop(self._last, None)
        else:
            self._inside.clear()

    def _contradicts(self, line: bytes) -> bool:
        """This line and the last one of its task cannot be neighbours."""
        tid, _, head, rest, _ = self._row.match(line).groups(b"")  # type: ignore[union-attr]
        inside = self._inside
        if not (tid and head):
            self._unnamed(line)
            return False
        if head == b"+++ ":
            inside.pop(tid, None)
            return False
        call = inside.pop(tid, None if not self._from_start else _OUTSIDE)
        if rest[-9:] != b" attached":  # else a notice was written into it
            inside[tid] = (head[5:-9] if head[:1] == b"<" else head[:-1]) if rest[-17:] == _UNFINISHED else _OUTSIDE
        if call is None or call[:4] == _EXEC:
            return False
        if head[:4] != b"<...":
            return call != _OUTSIDE
        return call != head[5:-9] and head[5:9] != _EXEC
