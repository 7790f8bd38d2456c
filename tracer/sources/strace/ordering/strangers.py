"""Tasks that no one call explains: the log begins with them, lacks their creation, or several calls can be it."""

from __future__ import annotations

from itertools import islice

from tracer.event import CLONE_THREAD
from tracer.sources.strace.ordering.calls import MAX_COMPARED, Call, Calls
from tracer.sources.strace.ordering.numbers import Numbers
from tracer.sources.strace.ordering.places import Places
from tracer.sources.strace.ordering.shown import Shown
from tracer.sources.strace.records import ATTACHED, EXEC, Record

MAX_UNEXPLAINED = 16


class Strangers:
    """What is known of their origin."""

    def __init__(self, shown: Shown, calls: Calls, numbers: Numbers, places: Places) -> None:
        self._shown = shown
        self._calls = calls
        self._history = numbers.history
        self._places = places
        self.first: set[int] = set()
        """The task that the log begins with, and the threads that strace attached to with it: they are no strangers."""
        self.unexplained: list[tuple[int, int]] = []
        """Tasks that nobody can have created, for all that is told, and where they showed themselves."""
        self.shared: dict[int, list[Call]] = {}
        """Tasks that one of several calls created: these. Each has one of them."""
        self.earlier: set[int] = set()
        """Numbers of which the next task to be announced has no creator, whatever a later call has returned."""
        self._creators: dict[int, list[Call]] = {}
        """`shared` of those that are not announced."""
        self._first_threads = 0
        self._seen = 0
        """How many came to light, but for the first."""

    def appeared(self, tid: int, record: Record) -> None:
        """Nothing explains the task; `record` is its first."""
        shown, first, places = self._shown, self.first, self._places
        noticed, at = record[0] == ATTACHED, record[1]
        if shown.whole and first and tid not in self.shared:
            self.is_unexplained(tid, at)
        if tid not in first and not (tid in self.shared and shown.ends):
            shown.whole = not first and record[0] == EXEC and at <= 1
            shown.from_start = shown.from_start or shown.whole
        if places.translated or tid in places.unplaced or tid in first:
            return
        if not first and at <= 1:
            self._first_threads = record[4] - 1 if noticed else 0
        elif not noticed and self._first_threads > 0:
            self._first_threads -= 1
        else:
            places.is_stranger(tid)
            return
        first.add(tid)
        places.begins_the_log(tid)

    def is_unexplained(self, tid: int, at: int) -> None:
        """No call is told that can have created the task, or only one that says another number."""
        if len(self.unexplained) < MAX_UNEXPLAINED:
            self.unexplained.append((tid, at))

    def is_one_of(self, tid: int, calls: list[Call]) -> None:
        """One of these calls, whose callers were killed inside, has created the task; none says so."""
        self._creators[tid] = calls
        self.shared[tid] = calls

    def is_one_too_many(self, tid: int, at: int) -> bool:
        """One more task comes to light that no call explains: does the log lack the call? It shows calls of all kinds,
        and those of them that may not have said whom they created are fewer."""
        if tid in self.first or not self.first:
            return False
        self._seen += 1
        latest = islice(reversed(self._history), MAX_COMPARED)
        unsure = sum(record[1] < at < record[10] for record in latest)  # what is told of a dying task may be no result
        return self.are_too_many(unsure)

    def are_too_many(self, unsure: int) -> bool:
        """At the end they may be, too, when calls that were open have told whom they created. `unsure`: so many results
        may be none."""
        shown = self._shown
        all_shown = {"clone", "clone3"} <= shown.creating and not shown.creating.isdisjoint(("fork", "vfork"))
        told = shown.from_start and all_shown and shown.ends and not (self._places.nested or shown.late_calls)
        return told and self._seen > self._calls.silent + len(self._calls.open) + unsure

    def origins_of(self, tid: int, at: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Attach.creators and Attach.hosts of a task that shows itself there first."""
        calls = self._creators.pop(tid, [])
        own = {(call.tid, call.at) for call in calls if call.flags & CLONE_THREAD and not call.either}
        hosts = own if self._shown.ends else self._hosts(calls, at)
        if any(call.flags & CLONE_THREAD and not call.either for call in calls):
            calls = []
        creators = [
            (c.tid, flags, c.at)
            for c in calls
            for flags in ((c.flags, c.flags ^ CLONE_THREAD) if c.either else (c.flags,))
        ]
        return tuple(n for creator in creators for n in creator), tuple(n for host in sorted(hosts) for n in host)

    def _hosts(self, calls: list[Call], at: int) -> set[tuple[int, int]]:
        """Calls of which such a task may be the thread: of these, one that says nothing, or one that was open. Who is
        killed inside is not told of, and what strace prints then is no result (creating.REFUSALS)."""
        calls = [*calls, *self._calls.unsettled.values()] if self._calls.comparable else calls
        hosts = {(call.tid, call.at) for call in calls if call.flags & CLONE_THREAD and call.at < at}
        returned = islice(reversed(self._history), MAX_COMPARED)
        return hosts.union((r[3], r[1]) for r in returned if r[5] & CLONE_THREAD and r[1] < at < r[10])
