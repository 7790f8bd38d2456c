"""What has come out: the events, and the tasks that they tell of."""

from __future__ import annotations

from tracer.event import Event, Lost
from tracer.life import Life
from tracer.sources.strace.ordering.pidns import Namespace
from tracer.sources.strace.ordering.tasks import Tasks


class Announced:
    """Who is there after the last event."""

    def __init__(self, tasks: Tasks) -> None:
        self.events: list[Event | Life] = []
        """Those that have not been taken."""
        self.condensed = 0
        """How many more there would be without Life."""
        self.taken = 0
        """How many were, each Life counted as what it stands for."""
        self.lost = 0
        """How often it showed that lines are missing."""
        self._tasks = tasks
        self.known = tasks.known
        """Tasks that are announced and have not ended, with their nested namespace or None."""
        self.attached: set[int] = set()
        """Those of `known` whose creation was not in the trace."""
        self.untraced: set[int] = set()
        """Those of `known` of which strace tells nothing (CLONE_UNTRACED)."""
        self.left: set[int] = set()
        """Those of `known` that have left: `Tasks.left`, where this has got to."""
        self.told: dict[int, int] = {}
        """Living children of whose end a signal has told -> to whom. The line of an end can be lost: droptcb() drops
        what -z keeps back of a call, and that with it."""

    def born(self, tid: int, ns: Namespace | None, untraced: bool) -> None:
        """Another task has the number from now on."""
        self.told.pop(tid, None)
        self.left.discard(tid)
        self.known[tid] = ns
        (self.untraced.add if untraced else self.untraced.discard)(tid)

    def gone(self, tid: int) -> None:
        """The number is free."""
        self.attached.discard(tid)
        self.told.pop(tid, None)
        self.left.discard(tid)
        self._tasks.left.discard(tid)
        self.known.pop(tid, None)

    def lines_are_missing(self, at: int, time: int | None) -> None:
        """Before this line there were others that the log does not have."""
        self.lost += 1
        self.events.append(Lost(at, time, 0, 1))

    def take(self) -> list[Event | Life]:
        """The events so far; the next call returns only what is new."""
        taken = self.events[:]
        self.events.clear()
        self.taken += len(taken) + self.condensed
        self.condensed = 0
        return taken
