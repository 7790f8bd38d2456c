"""Where a task lives: in strace's own pid namespace, in a nested one, or nobody knows.

A task whose creation the log lacks may live anywhere. That matters once the log shows that there are nested namespaces.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tracer.event import CLONE_THREAD
from tracer.sources.strace.ordering.calls import Call, Calls
from tracer.sources.strace.ordering.numbers import Numbers
from tracer.sources.strace.ordering.pidns import RESERVED, UNPLACED, Namespace
from tracer.sources.strace.ordering.shown import Shown
from tracer.sources.strace.ordering.tasks import Tasks


class Nesting(NamedTuple):
    """Whether there are nested pid namespaces; may anybody have entered one unseen; has somebody."""

    nested: bool
    anywhere: bool
    unseen: bool


class Places:
    """Keeps `Tasks.known`, and the namespaces of calls, up to what is known of namespaces."""

    def __init__(self, shown: Shown, tasks: Tasks, calls: Calls, numbers: Numbers) -> None:
        self._shown = shown
        self._known = tasks.known
        self._calls = calls
        self._numbers = numbers
        self.nested = False
        """The log shows nested pid namespaces."""
        self.anywhere = False
        """It has no calls that enter one, and shows nested ones: nobody knows who has entered one."""
        self.unseen = False
        """It has none, and somebody has entered one."""
        self.untold = False
        """In a log that tells of ends, but lacks its beginning, somebody was told of one that no line tells: his number
        for that child may be of a nested namespace."""
        self.translated = False
        """Numbers of nested namespaces come with strace's (--decode-pids=pidns)."""
        self.entered = False
        """A record has told who made or entered one: a task that it does not concern lives in strace's namespace."""
        self.next_ns: dict[int, Namespace] = {}
        """Where the children of a task will live after its unshare or setns."""
        self.unplaced: set[int] = set()
        """Tasks whose creation the log lacks, but for the one that it begins with, and all that descend from them: once
        there are nested namespaces, nobody knows where these live."""
        self.strangers = False
        """There are such tasks that nothing explains."""
        self.roaming: set[int] = set()
        """Those whose own namespace is known since, but not where their children live: they may have called setns."""
        self.supposed: set[tuple[int, int]] = set()
        """Calls, by caller and first line, whose results are taken for numbers of another namespace."""

    @property
    def nesting(self) -> Nesting | None:
        """What was seen of namespaces, if nobody knows where some tasks live."""
        seen = Nesting(self.nested, self.anywhere, self.unseen or (self.nested and self.untold))
        return seen if any(seen) and (self.strangers or seen.unseen) else None

    def begin_with(self, nesting: Nesting) -> None:
        """That was seen when the log was read before."""
        self.nested, self.anywhere, self.unseen = nesting

    def ns_of(self, tid: int) -> Namespace | None:
        """The task's namespace where the log is read."""
        calls = self._calls.settled.get(tid)
        if calls:
            return calls[-1].child_ns
        return self._known.get(tid, self.ns_of_stranger(tid))

    def ns_of_stranger(self, tid: int) -> Namespace | None:
        """The same of one whose creation the log lacks."""
        return UNPLACED if self.nested and tid in self.unplaced else None

    def is_doubtful(self, number: int, ns: Namespace | None) -> bool:
        """May a number that is taken for one of strace's namespace be of another one? `ns`: UNPLACED, or None, of who
        was told it. The counters of two namespaces start together, and do not meet again soon."""
        if ns is UNPLACED and self.strangers:
            return True
        return (ns is UNPLACED or self.anywhere) and (number < RESERVED or self._numbers.wraps)

    def begins_the_log(self, tid: int) -> None:
        """The task is no stranger, though its creation is not told: it lives in strace's namespace."""
        if self.unseen:
            self.roaming.add(tid)

    def is_stranger(self, tid: int) -> None:
        """Nothing explains the task."""
        self.unplaced.add(tid)
        self.strangers = True

    def inherits_place(self, tid: int, child: int) -> bool:
        """Note that the child lives where `tid` does; False if it may not (`roaming`)."""
        (self.unplaced.add if tid in self.unplaced else self.unplaced.discard)(child)
        self.roaming.discard(child)
        return tid not in self.roaming

    def has_child(self, call: Call) -> None:
        """A call has its child: that lives where the creator does, if this is the creator."""
        if not call.matched:
            if (self.unplaced or self.roaming) and not self.inherits_place(call.tid, call.child):
                if call.flags & CLONE_THREAD:
                    self.roaming.add(call.child)  # it has the nsproxy of its creator
                else:
                    self._may_live_anywhere(call)
        elif not self.translated:
            self._may_live_anywhere(call)

    def _may_live_anywhere(self, call: Call) -> None:
        """Nobody knows where the call's child lives."""
        self.unplaced.add(call.child)
        if self.nested and call.child_ns is None:
            call.child_ns = UNPLACED

    def chooses(self, tid: int, ns: Namespace) -> None:
        """By unshare or setns: the task's children will live there. UNPLACED: perhaps it was of another kind."""
        self.next_ns[tid] = ns
        self.entered = True
        if ns is not UNPLACED or self.strangers:
            self.nested_seen()

    def takes_over(self, leader: int, thread: int) -> None:
        """An execve: the thread goes on under the leader's number."""
        self.next_ns.pop(leader, None)
        if thread in self.next_ns:
            self.next_ns[leader] = self.next_ns.pop(thread)

    def nested_seen(self) -> None:
        """There are nested namespaces."""
        if self.nested or self.translated:
            return
        self.nested = True
        self.anywhere = not self._shown.entering
        self._place(self.unplaced, None, UNPLACED)

    def entered_unseen(self) -> None:
        """A call has returned a number of a nested namespace, and no line tells how its caller came into one."""
        self.unseen = not (self.translated or self._shown.entering)
        self.nested_seen()

    def translation_seen(self) -> None:
        """Numbers of nested namespaces come with strace's (--decode-pids=pidns): those that come alone are strace's."""
        if not self.translated:
            self.translated, self.nested, self.anywhere = True, False, False
            self._place(self.unplaced, UNPLACED, None)
            self.unplaced.clear()

    def is_outside(self, call: Call) -> None:
        """The caller, of which nobody knew it, lives in strace's namespace."""
        self.unplaced.discard(call.tid)
        self.roaming.add(call.tid)
        self._place((call.tid,), UNPLACED, None)
        call.ns = None

    def is_nested(self, call: Call) -> None:
        """The caller lives in a nested namespace, of which nothing more is known."""
        call.unsure = False
        call.ns = Namespace(joined=True, supposed=True)
        self.supposed.add((call.tid, call.at))
        settled = self._calls.settled
        if call.tid in settled:
            settled[call.tid][-1].child_ns = call.ns
        elif call.tid in self._known:
            self._known[call.tid] = call.ns
        for other in self._calls.of(call.tid):
            if not other.dead and (other.ns is None or other.ns is UNPLACED):
                other.ns = call.ns
                other.unsure = False

    def _place(self, tids: Collection[int], old: Namespace | None, new: Namespace | None) -> None:
        for tid in tids:
            if self._known.get(tid, self) is old:
                self._known[tid] = new
        settled = self._calls.settled.values()
        for call in [*self._calls.unsettled.values(), *(call for calls in settled for call in calls)]:
            if call.tid in tids and call.ns is old:
                call.ns = new
            if call.tid in tids and call.child_ns is old:
                call.child_ns = new
