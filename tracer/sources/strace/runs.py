"""A whole short life as one record: born, executed, ended, reaped, and nothing else in between.

`repeats` finds such lives by their text. A RUN_MEANS record says what a text means, and a RUN record is one life with
that text. Here they become plain records again, or events at once.
"""

from __future__ import annotations

from typing import Any

from tracer.event import CLONE_PARENT, ChildSignal, Clone, Event, Exec, Exit, ExitBegin, Reap
from tracer.life import Course, Life
from tracer.sources.strace.records import (
    CHILD_SIGNAL,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    REAP,
    Program,
    Record,
)

OF_CREATOR, OF_CHILD, OF_CHILD_ITSELF = range(3)
"""The tasks that a record names behind its time: creator and child, the child, the child twice."""

Row = tuple[int, int, int, tuple[Any, ...]]
"""A record: kind, line counted from the first of the run, tasks, and the fields behind them."""
Run = tuple[Row, ...]
"""CLONED comes first, and the line of its return is counted in the same way. The child's EXIT is among them, and REAP
and CHILD_SIGNAL are the creator's, behind it. The others are SEEN, EXEC and EXIT_BEGIN of the child, before it."""

_TYPES: dict[int, type[Event]] = {
    EXEC: Exec,
    EXIT_BEGIN: ExitBegin,
    EXIT: Exit,
    REAP: Reap,
    CHILD_SIGNAL: ChildSignal,
}
_CLONE_REST = (0, "", 0, (), 0, 0, False, 0)
"""Clone's fields from `ns_child` on, where there is nothing to say."""

_new = tuple.__new__


def tasks(creator: int, child: int) -> tuple[tuple[int, ...], ...]:
    """By what a row says of its tasks: the numbers."""
    return (creator, child), (child,), (child, child)


def records_of(record: Record, run: Run) -> list[Record]:
    """The records that a RUN record stands for."""
    _, at, times, creator, child, _ = record
    named = tasks(creator, child)
    records: list[Record] = [
        (kind, at + line, times and times[i], *named[who], *rest) for i, (kind, line, who, rest) in enumerate(run)
    ]
    records[0] = (*records[0][:-1], at + records[0][-1])
    return records


class Plan:
    """How to make the events of a run."""

    __slots__ = ("_birth", "_steps", "clone_end", "course", "run")

    def __init__(self, run: Run, programs: dict[int, Program]) -> None:
        """`programs` is the exec table that the run's EXEC refers to."""
        self.run = run
        flags, exit_signal, *_, self.clone_end = run[0][3]
        self._birth = (flags, exit_signal, *_CLONE_REST)
        self._steps = [
            (_TYPES[kind], i, line, who, _fields(kind, rest, programs))
            for i, (kind, line, who, rest) in enumerate(run)
            if kind in _TYPES
        ]
        self.course = self._course()
        """What all these lives have in common, if it is no more than that; else None."""

    def events(self, at: int, times: tuple[int | None, ...] | None, creator: int, child: int) -> list[Event]:
        """The events that a RUN record stands for, where nothing is in doubt."""
        named = (creator, child), (child,), (child, child)
        made: list[Event]
        if times is None:
            made = [_new(Clone, (at, None, creator, child, *self._birth))]
            made += [_new(cls, (at + line, None) + named[who] + rest) for cls, _, line, who, rest in self._steps]
        else:
            made = [_new(Clone, (at, times[0], creator, child, *self._birth))]
            made += [_new(cls, (at + line, times[i], *named[who], *rest)) for cls, i, line, who, rest in self._steps]
        return made

    def _course(self) -> Course | None:
        kinds = tuple(step[0] for step in self._steps if step[0] is not ChildSignal)
        line_of = {cls: line for cls, _, line, _, _ in self._steps}
        fields_of = {cls: fields for cls, _, _, _, fields in self._steps}
        flags, status = self._birth[0], fields_of[Exit][0]
        if kinds not in _USUAL or flags & CLONE_PARENT or status is None or status & 0x7F:
            return None
        program = fields_of.get(Exec, ("", (), False))
        size = 1 + len(self._steps)
        return Course(flags, line_of.get(Exec), program, line_of[Exit], status, line_of[Reap], self._lived, size)

    def _lived(self, life: Life) -> list[Event]:
        return self.events(life.at, None, life.tid, life.child)


_USUAL = {
    (Exec, ExitBegin, Exit, Reap),
    (ExitBegin, Exit, Reap),
    (Exec, Exit, Reap),
    (Exit, Reap),
}
"""What happens in a plain life, in order, but for the signal to the parent, which changes nothing."""


def _fields(kind: int, rest: tuple[Any, ...], programs: dict[int, Program]) -> tuple[Any, ...]:
    """Of an event, behind its tasks."""
    if kind == EXEC:
        return programs[rest[0]]
    return rest[:-1] if kind in (REAP, CHILD_SIGNAL) else rest
