"""What the decoder has told and knows, which all kinds of records share: the number of the last event, who lives."""

from __future__ import annotations

from collections.abc import Callable

from tracer.event import CgroupMove, Event, Gone, Lost, Reap, SetSubreaper
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.living import LiveProcess, Living
from tracer.sources.proc import ProcProcess

new = tuple.__new__
"""Twice as fast as calling the class of a NamedTuple."""


class Known:
    """The memory, and the events that have no record of their own."""

    def __init__(self, new_member: Callable[[int, int], None], is_gone: Callable[[int, int], bool]) -> None:
        """Both take a process's tgid and start.

        new_member  called for each child of a member that the kernel has not put into its map
        is_gone     asked, rarely, whether a process that has died is in /proc no more
        """
        self.at = 0
        """Number of the last event."""
        self.told_lost = 0
        """How many losses the Lost events have told."""
        self.living = Living()
        self.tasks = self.living.tasks
        self.into_cgroup: list[int] = []
        """Processes born into a cgroup other than their creator's: whoever does I/O may look its path up."""
        self._zombies = self.living.zombies
        self._new_member = new_member
        self._is_gone = is_gone
        self._out: list[Event] = []
        """The events of the records that are being decoded."""

    def adopt(
        self, process: ProcProcess, start: int, subreaper: bool | None, member: bool, exits: dict[int, int]
    ) -> None:
        """Know a process from /proc. `exits`: tasks whose exit record is still to be decoded."""
        self.living.adopt(process, start, subreaper, member, exits)

    def gone(self, tid: int) -> Event:
        """The next event: a known task is not in /proc."""
        task = self.tasks.pop(tid)
        if task.process.dead:
            self.living.forget(task.process)
        self.at += 1
        return Gone(self.at, None, tid)

    def moved(self, tid: int, time: int | None, path: str) -> Event:
        """The next event: a move between cgroups."""
        self.at += 1
        return CgroupMove(self.at, time, tid, path)

    def lost_events(self, count: int) -> list[Event]:
        """The event that tells it."""
        self.at += 1
        self.told_lost += count
        return [Lost(self.at, None, 0, count)]

    def _reap(self, process: LiveProcess, time: int | None, by: int) -> None:
        """The zombie is gone; `by` is a task of its parent, 0 if not known."""
        self.at = at = self.at + 1
        self._out.append(new(Reap, (at, time, by, process.tgid, process.status)))
        self.living.forget(process)

    def _subreaper_seen(self, process: LiveProcess, time: int, flags: int) -> None:
        """The flag differs from what we knew: set by a 32-bit caller, or before tracing, or the record was lost."""
        process.subreaper = bool(flags & wire.F_SUBREAPER)
        self.at += 1
        self._out.append(SetSubreaper(self.at, time, process.tgid, process.subreaper))
