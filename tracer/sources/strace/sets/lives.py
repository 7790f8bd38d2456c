"""Which task with a number a file of a -ff set is of.

strace opens NAME.TID anew (newoutf() in its strace.c) for a task whose number is used again: the lines are those of the
last task with the number. What its earlier tasks did is lost; but other files have the calls that created them, and
waits and signals that tell of their ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from tracer.event import CLONE_THREAD
from tracer.sources.strace.records import CHILD_SIGNAL, CLONED, EXEC, EXIT, REAP, Record, child_of
from tracer.sources.strace.sets.results import is_killed

BESIDE = 4
"""So many calls are begun at about the same time, at most."""
HALF_DAY = 43_200_000_000_000
"""ns: what seems to be earlier by more is later, on the next day."""

Place = tuple[int, int]
"""A record: the number of its file, and its line there."""


class TaskLines(NamedTuple):
    """What one file says, and when its first line was written, if that is known."""

    tid: int
    records: list[Record]
    first: int | None


class _Call(NamedTuple):
    """A clone call that returned the number."""

    time: int
    place: Place
    next: int | None
    """When the caller went on, if it did."""
    killed: bool
    """Nothing of the caller follows but that it was killed: the number can be another call's (creating.REFUSALS)."""
    thread: bool
    """It has created a thread."""


class Lives:
    """From the records of all files."""

    def __init__(self, files: Sequence[TaskLines], clock: str | None) -> None:
        """`clock`: what kind of times the lines have (`SourceInfo.clock`); without any, `begins` stays empty."""
        self._by_day = clock == "day"
        self._first: dict[int, int | None] = {}
        self._calls: dict[int, list[_Call]] = {}
        self._ends: dict[int, list[int]] = {}
        """Number -> times before which somebody was told of an end."""
        self._leads: set[int] = set()
        """Numbers of files with an execve that goes on there: a thread goes on under its leader's (de_thread())."""
        self._shows_exits = any(record[0] == EXIT for file in files for record in file.records)
        for file in files:
            self._first[file.tid] = file.first
            self._note(file)
        self._given = sorted((c.time, n) for n, calls in self._calls.items() for c in calls if not c.killed)
        """When a call that returned a number began, and the number."""
        self.begins: dict[int, Place] = {}
        """Number -> the call that created the task of its file."""
        self.contested: set[Place] = set()
        """Calls that may have created another one than that, since a second call returned the number."""
        for tid in self._calls.keys() & self._first.keys():
            if clock is not None:
                self._find(tid)
            elif len({call.place[0] for call in self._calls[tid]}) > 1:
                self.contested.update(call.place for call in self._calls[tid])

    def _note(self, file: TaskLines) -> None:
        later: int | None = None
        alive = self._shows_exits  # where the file ends without that
        for record in reversed(file.records):
            kind, at, time = record[:3]
            if kind == CLONED:
                call = _Call(time or 0, (file.tid, at), later, not alive, bool(record[5] & CLONE_THREAD))
                self._calls.setdefault(child_of(record), []).append(call)
            elif kind == EXEC and record[3] == file.tid:
                self._leads.add(file.tid)
            elif kind == REAP and later is not None and alive:  # a wait's line has the time when it began (see _Call)
                self._ends.setdefault(child_of(record), []).append(later)
            elif kind == CHILD_SIGNAL and time is not None:
                self._ends.setdefault(child_of(record), []).append(time)
            alive = not is_killed(record)
            later = later if time is None else time

    def _find(self, tid: int) -> None:
        """The last call before the file's first line, if nobody was told of an end after it."""
        first = self._first[tid]
        leads = tid in self._leads
        calls = sorted(c for c in self._calls[tid] if not (self.is_older(tid, c.time) or (leads and c.thread)))
        if not calls:
            return
        call = calls[-1]
        before = calls[-2] if len(calls) > 1 and not self._has_ended(tid, calls[-2], call.time) else None
        if before is not None and before.time == call.time:
            self.contested |= {before.place, call.place}
        elif (
            before is not None
            and call.killed
            and (not self._is_before(before.next, call.time) or self._is_out_of_order(tid, call))
        ):
            call = before
            self.contested.add(call.place)
        if (first is None and not self._shows_exits) or not self._has_ended(tid, call, first):
            self.begins[tid] = call.place

    def _is_out_of_order(self, tid: int, call: _Call) -> bool:
        """Around that time the kernel gave other numbers (idr_alloc_cyclic() in alloc_pid())."""
        place = bisect_left(self._given, (call.time, 0))
        before = [number for _, number in self._given[max(0, place - BESIDE) : place] if number != tid]
        after = [number for _, number in self._given[place : place + BESIDE] if number != tid]
        return bool(before and after) and tid < min(before) < max(after)

    def _has_ended(self, tid: int, call: _Call, by: int | None) -> bool:
        """Somebody was told so of the call's child, before that time if there is one."""
        ends = self._ends.get(tid, ())
        return any(self._is_before(call.time, end) and (by is None or self._is_before(end, by)) for end in ends)

    def is_older(self, tid: int, time: int | None) -> bool:
        """The file's first line was written before that, so a call at that time has created another task."""
        first = self._first.get(tid)
        return time is not None and self._is_before(first, time)

    def _is_before(self, time: int | None, other: int) -> bool:
        return time is not None and (other - HALF_DAY if self._by_day else 0) < time < other
