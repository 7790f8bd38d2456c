"""Whole short lives, in place of their events: most processes are born, run a program, end and are reaped at once.

Where a source is asked for it, it yields these among its events. Whatever is out of the usual comes as events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tracer.event import Clone, Event, Exec, Exit, Reap


class Course(NamedTuple):
    """What many short lives have in common: a child was born, perhaps ran a program, ended, and was reaped.

    Lines (or records) are counted from the birth. No other event of the child or about it lies between.
    """

    flags: int
    """As Clone has it; without CLONE_THREAD, CLONE_PARENT, CLONE_NEWPID."""
    exec_after: int | None
    """None: it ran what its creator did."""
    program: tuple[str, tuple[str, ...], bool]
    """filename, argv, argv_cut of the Exec."""
    exit_after: int
    status: int
    reap_after: int
    """The creator's wait returned it."""
    events: Callable[[Life], list[Event]]
    """The life as plain events, in order."""
    size: int
    """How many these are."""


class Life(NamedTuple):
    """A whole short life in place of its events, where a source is asked for it (`sources.base.Condensing`)."""

    at: int
    time: None
    tid: int
    """The creator."""
    child: int
    course: Course


class ShortLife(NamedTuple):
    """A process was born, perhaps ran a program, ended, and its creator waited for it; it did nothing else. Live, in
    place of the events where a source is asked for it.
    """

    at: int
    """This and the next are of its birth; the fields have the values of those of its events."""
    time: int
    tid: int
    """The creator."""
    child: int
    program: tuple[str, tuple[str, ...], bool] | None
    """filename, argv, argv_cut of the Exec; None: it ran what its creator did."""
    status: int
    exec_at: int
    exec_time: int
    exit_at: int
    exit_time: int
    reap_at: int
    reap_time: int
    flags: int
    exit_signal: int
    start_time: int
    cgroup: int
    parent: int
    """The creator's process."""

    def events(self) -> list[Event]:
        """The life as plain events, in order."""
        birth = Clone(
            self.at, self.time, self.tid, self.child, self.flags, self.exit_signal,
            start_time=self.start_time, cgroup=self.cgroup, parent=self.parent,
        )  # fmt: skip
        events: list[Event] = [birth]
        if self.program is not None:
            events.append(Exec(self.exec_at, self.exec_time, self.child, self.child, *self.program))
        events.append(Exit(self.exit_at, self.exit_time, self.child, self.status))
        events.append(Reap(self.reap_at, self.reap_time, self.tid, self.child, self.status))
        return events
