"""Whose line is it, where the line does not say.

To a terminal or through `2>&1`, strace prints `[pid N]` only while it traces more than one task. So a line without
prefix belongs to the one task that lives; the first one has no name at all until it appears with a prefix. A prefix
that nothing has announced may also be a new child's, whose creator's call has not returned.
"""

from __future__ import annotations

from collections.abc import Callable

from tracer.sources.strace.records import GAP, NAMED, Record

NAMELESS = 0
"""The task that no line has named so far."""

NEAR = 100
"""So much above the highest number is the next one, where tasks that are not traced get numbers, too."""

_CREATING = frozenset((b"clone(", b"clone2(", b"clone3(", b"fork(", b"vfork("))


class Naming:
    """Keeps who lives and who is inside which call, from the lines of one log."""

    def __init__(self, records: list[Record], told: Callable[[int], None], only: int | None = None) -> None:
        """`told` is called with the first task's number once it is known."""
        self._records = records
        self._told = told
        self._only = only
        """-ff: every line of the file belongs to this task."""
        self._alive: dict[int, None] = {}
        self._inside: dict[int, bytes] = {}
        """Task -> head of the call that it has not returned from."""
        self._expected: set[int] = set()
        """Numbers that are known to be children: returned by a clone or announced by a notice."""
        self._strangers: set[int] = set()
        """Unannounced: one of them is the first task, the others are children of calls that have not returned."""
        self._announces = False
        """A child is announced before anything else of it (no -q)."""
        self.from_start = False
        """The log begins with the execve of `strace COMMAND`, so that each task but that one is announced
        (maybe_allocate_tcb() in strace's src/strace.c)."""
        self._oldest = self._newest = 0
        """The first number that was announced, and the highest."""
        self._lived = self._alive
        self.tells_ends = False
        """The log has told of an ordinary end (no -qq)."""
        self._leaving: set[int] = set()
        self._last = NAMELESS

    def attached(self, tid: int) -> None:
        """A notice named the task."""
        self._announces = True
        self._oldest = self._oldest or tid
        self._newest = max(self._newest, tid)
        self._alive[tid] = None
        self.created(tid)

    def lives(self, tid: int) -> bool:
        """The log has shown this task, and not its end."""
        return tid in self._alive or tid in self._expected

    def may_write(self, tid: int) -> bool:
        """A line can be this task's: it lives, or it is the first one, which no line has named so far."""
        return self.lives(tid) or (self._announces and NAMELESS in self._alive)

    def created(self, number: int) -> None:
        """A clone call returned the number."""
        self._expected.add(number)
        self._strangers.discard(number)
        self._name_the_first()

    def ended(self, tid: int) -> None:
        """The task is gone."""
        self._alive.pop(tid, None)
        self._inside.pop(tid, None)
        self._leaving.discard(tid)
        self._expected.discard(tid)

    def detached(self, tid: int) -> None:
        """strace lets go of the task. Of all that it traced only the first can be unknown so far."""
        if not self.lives(tid):
            self._strangers.add(tid)
            self._name_the_first()
        self.ended(tid)

    def only_other(self, tid: int) -> int:
        """The one other task that lived before the last line without prefix; 0 if there was none, or several."""
        others = [other for other in self._lived if other != tid]
        return others[0] if len(others) == 1 else 0

    def became(self, thread: int, leader: int) -> None:
        """An execve went on under the leader's number."""
        self.ended(thread)
        self._alive[leader] = None
        self._inside.pop(leader, None)

    def with_prefix(self, at: int, tid: int, head: bytes) -> None:
        """A line named its task: is it the one that had no name until now?"""
        if tid in self._alive:
            return
        self._alive[tid] = None
        if self._announces and self.from_start and NAMELESS not in self._alive:
            self._records.append((GAP, at, None, 0))  # its announcement is lost
        if NAMELESS in self._alive and tid not in self._expected:
            inside = self._inside.get(NAMELESS)
            if head[:5] != b"<... ":
                if inside not in _CREATING and not self._is_younger(tid):
                    self._strangers.add(tid)
                    self._name_the_first()
            elif inside == resumed_head(head):
                self._is_first(tid)

    def _is_younger(self, tid: int) -> bool:
        """Numbers go upwards, so the task is not the first one, but a child whose announcement was left out."""
        return self._oldest < tid < self._newest + NEAR

    def _name_the_first(self) -> None:
        """It is the only stranger, if no call that is open can have created that one."""
        strangers = self._strangers
        if len(strangers) == 1 and (self._announces or not any(head in _CREATING for head in self._inside.values())):
            self._is_first(next(iter(strangers)))

    def _is_first(self, tid: int) -> None:
        self._strangers.clear()
        if NAMELESS not in self._alive:
            return
        del self._alive[NAMELESS]
        inside = self._inside.pop(NAMELESS, None)
        if inside is not None:
            self._inside.setdefault(tid, inside)
        self._records.append((NAMED, 0, None, tid))
        self._told(tid)

    def without_prefix(self, at: int, head: bytes) -> int:
        """The task of a line that names none."""
        if self._only is not None:
            return self._only
        if at == 1:
            self.from_start = head == b"execve("
        alive = self._alive
        if len(alive) == 1:
            return next(iter(alive))
        self._lived = alive
        tid = self._choose(head)
        # strace traced one task when it wrote this: the others are gone, and it hid their ends (-qq), or they are lost.
        if self.tells_ends and len(alive) > 1 and head != b"+++ ":  # a thread that takes over has let its leader go
            self._records.append((GAP, at, None, 0))
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
        if self._strangers:  # a call that the line before has ended may have been the last to explain one
            self._name_the_first()
        if rest[-16:] == b"<unfinished ...>":
            self._inside[tid] = head
        elif head[:5] == b"<... ":
            self._inside.pop(tid, None)
        if head in (b"exit_group(", b"exit(", b"_exit("):
            self._leaving.add(tid)


def resumed_head(head: bytes) -> bytes:
    """`<... clone resumed>` to `clone(`."""
    return head[5:-9] + b"("
