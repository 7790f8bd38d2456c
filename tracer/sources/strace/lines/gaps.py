"""What proves that lines are missing from the middle of a log.

strace tells of each task one thing after the other. What follows `wait4( <unfinished ...>` of a task is its
`<... wait4 resumed>` or its end, and nothing is resumed that has not begun (syscall_exiting_trace() in its
src/syscall.c). A log that says otherwise was damaged: before that line anything may have happened that it does not
show. A thread's execve goes on as the leader's, and need not be resumed: that proves nothing, nor any execve with -qqq,
which does not say so (maybe_switch_tcbs() in its src/strace.c).
"""

from __future__ import annotations

import re

from tracer.sources.strace.lines.grammar import NOTICE
from tracer.sources.strace.lines.style import Style
from tracer.sources.strace.records import GAP, Record

_UNFINISHED = b" <unfinished ...>"
_TASK = re.compile(rb"(?:\[pid +)?(\d{1,18})")
_EXEC = b"exec"
_ANYTHING = b"exec?"
"""What a leader is inside of in whose place a thread goes on."""
_TAKEN = re.compile(rb"superseded by execve in pid (\d{1,18})|<pid changed to (\d{1,18}) ")
_ATTACHED = re.compile(rb"Process (\d{1,18})(?:<[^\n]*>)? attached$")
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
        self._tells_ends = False
        """No -qq, so no -qqq."""

    def find(self, at: int, block: bytes) -> list[Record]:
        """A record for each line of the block before which others are missing; `at` is the number of its first."""
        if at == 1:
            self._from_start = self._row.match(block)[3] == b"execve("  # type: ignore[index]
        self._tells_ends = self._tells_ends or b" +++ exited with" in block
        inside = self._inside
        if not self._usable or not (inside or _UNFINISHED in block or b"<... " in block):
            return []
        found: list[Record] = []
        task_of = _TASK.match
        takes_over = b"superseded by execve in" in block or b"<pid changed to" in block
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
            elif takes_over and self._takes_over(line):
                pass
            else:
                inside[task[1]] = _OUTSIDE
        return found

    def _unnamed(self, line: bytes) -> None:
        """A notice of strace's; the rest of the line before, into which a notice or the tracee's output was written; a
        line of a task that is traced alone; output, behind which there may be a line of anybody's."""
        if self._prefixed:
            return
        if line[:2] == b") " or line == _UNFINISHED:
            self._inside.pop(self._last, None)
        elif NOTICE.match(line) is None:
            self._inside.clear()
        if line[-9:] == b" attached":
            self._announced(line)

    def _announced(self, line: bytes) -> None:
        """A new task is in no call, if it has not been traced anew."""
        new = _ATTACHED.search(line)
        if new is not None and self._from_start and not self._prefixed:
            self._inside[new[1]] = _OUTSIDE

    def _takes_over(self, line: bytes) -> bool:
        """A thread's execve goes on under the leader's number, whatever the leader was inside of."""
        taken = _TAKEN.search(line)
        task = _TASK.match(line)
        if taken is None or task is None:
            return False
        thread, leader = (taken[1], task[1]) if taken[1] else (task[1], taken[2])
        self._inside.pop(thread, None)
        self._inside[leader] = _ANYTHING
        return True

    def _contradicts(self, line: bytes) -> bool:
        """This line and the last one of its task cannot be neighbours."""
        tid, _, head, rest, _ = self._row.match(line).groups(b"")  # type: ignore[union-attr]
        inside = self._inside
        if not (tid and head):
            self._unnamed(line)
            return False
        if head == b"+++ ":
            if not self._takes_over(line):
                inside.pop(tid, None)
            return False
        call = inside.pop(tid, _OUTSIDE if self._from_start and self._prefixed else None)
        if call == _ANYTHING and head == b"--- ":
            inside[tid] = call  # --seccomp-bpf: it is resumed when the next call begins (joining/untold.py)
        elif rest[-9:] == b" attached":
            self._announced(line)
        else:
            inside[tid] = (head[5:-9] if head[:1] == b"<" else head[:-1]) if rest[-17:] == _UNFINISHED else _OUTSIDE
        if call is None or call == _ANYTHING or (not self._tells_ends and _EXEC in (call[:4], head[5:9])):
            return False
        if head[:4] != b"<...":
            return call != _OUTSIDE
        return call != head[5:-9] and not (call[:4] == _EXEC == head[5:9])
