"""Whose line is it, where the line does not say.

To a terminal or through `2>&1`, strace prints `[pid N]` only while it traces more than one task. So a line without
prefix belongs to the one task that lives; the first one has no name at all until it appears with a prefix.
"""

from __future__ import annotations

from tracer.sources.strace.records import NAMED, Record

NAMELESS = 0
"""The task that no line has named so far."""

_CREATING = frozenset((b"clone(", b"clone2(", b"clone3(", b"fork(", b"vfork("))


class Naming:
    """Keeps who lives and who is inside which call, from the lines of one log."""

    def __init__(self, records: list[Record], only: int | None = None) -> None:
        self._records = records
        self._only = only
        """-ff: every line of the file belongs to this task."""
        self._alive: dict[int, None] = {}
        self._inside: dict[int, bytes] = {}
        """Task -> head of the call that it has not returned from."""
        self._expected: set[int] = set()
        """Numbers that are known to be children: returned by a clone or announced by a notice."""
        self._leaving: set[int] = set()
        self._last = NAMELESS

    def attached(self, tid: int) -> None:
        """A notice named the task."""
        self._alive[tid] = None
        self._expected.add(tid)

    def created(self, number: int) -> None:
        """A clone call returned the number."""
        self._expected.add(number)

    def ended(self, tid: int) -> None:
        """The task is gone."""
        self._alive.pop(tid, None)
        self._inside.pop(tid, None)
        self._leaving.discard(tid)
        self._expected.discard(tid)

    def became(self, thread: int, leader: int) -> None:
        """An execve went on under the leader's number."""
        self.ended(thread)
        self._alive[leader] = None
        self._inside.pop(leader, None)

    def with_prefix(self, tid: int, head: bytes) -> bool:
        """A line named its task: is it the one that had no name until now?"""
        alive = self._alive
        if tid in alive:
            return False
        is_it = False
        if NAMELESS in alive and tid not in self._expected:
            inside = self._inside.get(NAMELESS)
            if head[:5] == b"<... ":
                is_it = inside == resumed_head(head)
            else:
                is_it = inside not in _CREATING
            if is_it:
                del alive[NAMELESS]
                if inside is not None:
                    self._inside[tid] = self._inside.pop(NAMELESS)
                self._records.append((NAMED, 0, None, tid))
        alive[tid] = None
        return is_it

    def without_prefix(self, head: bytes) -> int:
        """The task of a line that names none."""
        if self._only is not None:
            return self._only
        alive = self._alive
        if len(alive) == 1:
            return next(iter(alive))
        tid = self._choose(head)
        # strace traced one task when it wrote this: the others are gone, and it hid their ends (-qq).
        self._alive = {tid: None}
        return tid

    def _choose(self, head: bytes) -> int:
        if not self._alive:
            return NAMELESS
        if head[:5] == b"<... ":
            start = resumed_head(head)
            inside = [tid for tid in self._alive if self._inside.get(tid) == start]
            if len(inside) == 1:
                return inside[0]
        staying = [tid for tid in self._alive if tid not in self._leaving]
        if len(staying) == 1:
            return staying[0]
        return self._last if self._last in self._alive else next(iter(self._alive))

    def line(self, tid: int, head: bytes, rest: bytes) -> None:
        """What the task's line says about where the task is now."""
        self._last = tid
        if rest[-16:] == b"<unfinished ...>":
            self._inside[tid] = head
        elif head[:5] == b"<... ":
            self._inside.pop(tid, None)
        if head in (b"exit_group(", b"exit(", b"_exit("):
            self._leaving.add(tid)


def resumed_head(head: bytes) -> bytes:
    """`<... clone resumed>` to `clone(`."""
    return head[5:-9] + b"("
