"""Where a task lives: in strace's own pid namespace, in a nested one, or nobody knows.

A task whose creation the log lacks may live anywhere. That matters once the log shows that there are nested namespaces.
"""

from __future__ import annotations

from collections.abc import Collection

from tracer.event import CLONE_THREAD
from tracer.sources.strace.ordering.pidns import RESERVED, UNPLACED, Call, Namespace
from tracer.sources.strace.ordering.tasks import Tasks
from tracer.sources.strace.records import ATTACHED, EXEC, Record

MAX_UNEXPLAINED = 16


class Places(Tasks):
    """Keeps `known`, and the namespaces of calls, up to what is known of namespaces."""

    def _is_stranger(self, tid: int, record: Record) -> None:
        """Nothing explains the task."""
        noticed = record[0] == ATTACHED
        if self.whole and self._first and tid not in self.shared:
            self._is_unexplained(tid, record[1])
        if tid not in self._first and not (tid in self.shared and self.exits_seen):
            self.whole = not self._first and record[0] == EXEC and record[1] <= 1
            self.from_start = self.from_start or self.whole
        if self._translated or tid in self.unplaced or tid in self._first:
            return
        if not self._first and record[1] <= 1:
            self._is_first(tid)
            self._first_threads = record[4] - 1 if noticed else 0
        elif not noticed and self._first_threads > 0:
            self._is_first(tid)
            self._first_threads -= 1
        else:
            self.unplaced.add(tid)
            self.strangers = True

    def _is_unexplained(self, tid: int, at: int) -> None:
        """No call is told that can have created the task, or only one that says another number."""
        if len(self.unexplained) < MAX_UNEXPLAINED:
            self.unexplained.append((tid, at))

    def _is_first(self, tid: int) -> None:
        self._first.add(tid)
        if self.unseen:
            self.roaming.add(tid)

    def place_of_stranger(self, tid: int, record: Record) -> Namespace | None:
        """The namespace of a task whose creation the log lacks; `record` is its first."""
        self._is_stranger(tid, record)
        if not self.nested or tid not in self.unplaced:
            for call in [c for c in self.unsettled.values() if c.tid == tid] if self.late_calls else ():
                if call.number and not call.settled:
                    self._judge(call)
            return None
        for call in [c for c in self.unsettled.values() if c.tid == tid and c.ns is None]:
            call.ns = UNPLACED
            if call.number and not call.settled:
                self._judge(call)
        return UNPLACED

    def is_doubtful(self, number: int, ns: Namespace | None) -> bool:
        """May a number that is taken for one of strace's namespace be of another one? `ns`: UNPLACED, or None, of who
        was told it. The counters of two namespaces start together, and do not meet again soon."""
        return (ns is UNPLACED and self.strangers) or (self.anywhere and (number < RESERVED or self._wraps))

    def inherits_place(self, tid: int, child: int) -> bool:
        """Note that the child lives where `tid` does; False if it may not (`roaming`)."""
        (self.unplaced.add if tid in self.unplaced else self.unplaced.discard)(child)
        self.roaming.discard(child)
        return tid not in self.roaming

    def _place_of_child(self, call: Call) -> None:
        """A call has its child: that lives where the creator does, if this is the creator."""
        if not call.matched:
            if (self.unplaced or self.roaming) and not self.inherits_place(call.tid, call.child):
                if call.flags & CLONE_THREAD:
                    self.roaming.add(call.child)  # it has the nsproxy of its creator
                else:
                    self._may_live_anywhere(call)
        elif not self._translated:
            self._may_live_anywhere(call)

    def _may_live_anywhere(self, call: Call) -> None:
        """Nobody knows where the call's child lives."""
        self.unplaced.add(call.child)
        if self.nested and call.child_ns is None:
            call.child_ns = UNPLACED

    def _nested_seen(self) -> None:
        if self.nested or self._translated:
            return
        self.nested = True
        self.anywhere = not self.entering_shown
        self._place(self.unplaced, None, UNPLACED)

    def _entered_unseen(self) -> None:
        """A call has returned a number of a nested namespace, and no line tells how its caller came into one."""
        self.unseen = not (self._translated or self.entering_shown)
        self._nested_seen()

    def _translation_seen(self) -> None:
        """Numbers of nested namespaces come with strace's (--decode-pids=pidns): those that come alone are strace's."""
        if not self._translated:
            self._translated, self.nested, self.anywhere = True, False, False
            self._place(self.unplaced, UNPLACED, None)
            self.unplaced.clear()

    def _place(self, tids: Collection[int], old: Namespace | None, new: Namespace | None) -> None:
        for tid in tids:
            if self.known.get(tid, self) is old:
                self.known[tid] = new
        for call in [*self.unsettled.values(), *(call for calls in self.settled.values() for call in calls)]:
            if call.tid in tids and call.ns is old:
                call.ns = new
            if call.tid in tids and call.child_ns is old:
                call.child_ns = new

    def _is_nested(self, call: Call) -> None:
        """The caller lives in a nested namespace, of which nothing more is known."""
        call.unsure = False
        call.ns = Namespace(joined=True, supposed=True)
        self.supposed.add((call.tid, call.at))
        if call.tid in self.settled:
            self.settled[call.tid][-1].child_ns = call.ns
        elif call.tid in self.known:
            self.known[call.tid] = call.ns
        for other in self.unsettled.values():
            if other.tid == call.tid and not other.dead and (other.ns is None or other.ns is UNPLACED):
                other.ns = call.ns
                other.unsure = False
