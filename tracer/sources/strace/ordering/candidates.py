"""Which calls can have created a task that appears.

One of the calls that had begun; the numbers before and after its own, the order of numbers inside the namespace, and
what only threads do leave out most of them.
"""

from __future__ import annotations

import sys

from tracer.event import CLONE_NEWPID, CLONE_THREAD
from tracer.sources.strace.ordering.counter import Given, descents, given, in_order
from tracer.sources.strace.ordering.pidns import WRAPPED, Call
from tracer.sources.strace.ordering.places import Places
from tracer.sources.strace.ordering.sharing import shares
from tracer.sources.strace.ordering.tasks import Fresh
from tracer.sources.strace.records import Record

MAX_COMPARED = 200
"""So many calls at once are compared with tasks that appear; no node has more, but a made-up log might."""
MAX_COUNTED = 32
"""Of so many it is found out when the counter would have had to be set back."""
LEADS = sys.maxsize
"""In `Fresh.acted`: it has exec'd under its own number, so it leads a process."""


class Candidates(Places):
    """Leaves calls out by what is known of the task and of them."""

    def candidates(self, tid: int) -> list[Call]:
        """The calls that can have created the task."""
        found = self._open_then(tid, self._wraps)
        if self._wraps or not self.whole or any(not c.number or self._says(c, tid) for c in found):
            return found
        if not self._all_placed():
            return found
        # Somebody has created it, and the counter may have been set back.
        others = self._open_then(tid, True)
        return found + [call for call in others if call not in found and not (call.number or call.untold)]

    def _all_placed(self) -> bool:
        """No call has told a number of another namespace that is still to be matched."""
        return not self.nested or (self.entering_shown and all(call.ns is None for call in self.unsettled.values()))

    def _open_then(self, tid: int, set_back: bool) -> list[Call]:
        found = self._able(tid, set_back)
        if len(found) > 1 or (found and found[0].passed):
            return self._at_the_time(found, tid, self.fresh[tid].at, set_back)
        return found

    def _able(self, tid: int, set_back: bool) -> list[Call]:
        """Those that had begun; `set_back`: numbers are in no order."""
        fresh = self.fresh[tid]
        is_thread = self._is_thread(tid, fresh)
        found = []
        for call in self.unsettled.values():
            if call.seq > fresh.seq:
                break
            if call.tid == tid or self._wants_another(call, tid):
                continue
            if fresh.leader and not self._may_be_thread_of(fresh.leader, call):
                continue
            if is_thread and (call.dead or call.number) and not call.flags & CLONE_THREAD:
                continue
            if self._says(call, tid) and not call.dead and self._unsure.get(call.tid) is not call:
                return [call]
            if not (set_back or self._after(tid, call)) or self._outlived(fresh, call):
                continue
            if call.number and call.ns is not None and not call.chosen and not call.ns.agrees(call.number, tid):
                continue
            found.append(call)
        return found

    def _is_thread(self, tid: int, fresh: Fresh) -> bool:
        """It has ended as by exit, and has called none: another thread did, or ran a program. It has made no thread of
        its own, so it is one itself."""
        status = self._ended.get(tid)
        shown = self.leaving_shown and self.whole
        return shown and status is not None and not status & 0x7F and not fresh.acted

    def _says(self, call: Call, tid: int) -> bool:
        """The number is strace's own: also in a nested namespace, where numbers that differ come with strace's
        (printpid_translation() in its src/pidns.c)."""
        return call.number == tid and (call.ns is None or self._translated)

    def _calls_so_far(self) -> list[Record]:
        """`history`, with `over_by` where no line tells of the return."""
        return [r if r[10] else (*r[:10], self.over_by.get(r[1], 0)) for r in self.history]

    def _at_the_time(self, found: list[Call], tid: int, at: int, set_back: bool) -> list[Call]:
        """Those that were open when the number was given."""
        then = None if set_back else in_order(self._calls_so_far(), tid, at)
        if then is not None:
            return [call for call in found if call.at <= then.end and not 0 < call.end < then.begin]
        if not (self.exits_seen and all(call.dead for call in found)) or len(found) > MAX_COUNTED:
            return found  # a result says more than a counter that was set back; and without ends none is sure
        before = given(self.history, [(call.at, call.tid) for call in self.unsettled.values()], at)
        first = 2 * min(call.at for call in found)
        before += [Given(first, max(first + 1, 2 * new.at), other) for other, new in self.fresh.items() if other != tid]
        costs = {call: descents([*before, _given_by(call, tid, at)]) for call in found}
        least = min(costs.values(), default=0)
        return [call for call in found if costs[call] == least]

    def may_be_explained(self, tid: int) -> bool:
        """Is there a call that can turn out to have created the task?"""
        if tid in self.fresh and self.late_calls:
            return True
        if tid not in self.fresh or not self.unsettled:
            self.fresh.pop(tid, None)
            return False
        if len(self.unsettled) > MAX_COMPARED:
            if self.open:
                return True
        elif self._checked == (tid, self._changes) or self.candidates(tid):
            self._checked = (tid, self._changes)
            return True
        del self.fresh[tid]
        return False

    def waits_for_return(self, tid: int) -> bool:
        """Can a call that is still open have created the task?"""
        if tid not in self.fresh or len(self.unsettled) > MAX_COMPARED:
            return bool(self.open)
        return any(self._is_open(call) for call in self.candidates(tid))

    def _after(self, tid: int, call: Call) -> bool:
        """Numbers go upwards, so the task's was given after the call began."""
        return tid > call.newest or call.newest - tid > WRAPPED or tid in self.chosen

    @staticmethod
    def _outlived(fresh: Fresh, call: Call) -> bool:
        """A thread does not go on when its creator is killed inside the call, or execs later: the whole process ends,
        or all of it but that one. And it does not exec under a number of its own (de_thread())."""
        over = call.end if call.dead and not call.untold else call.over
        outlived = (
            fresh.acted > over > 0 or fresh.acted == LEADS or (call.gone > 0 and not 0 < fresh.ended <= call.gone)
        )
        return bool(call.flags & CLONE_THREAD) and outlived

    @staticmethod
    def _wants_another(call: Call, tid: int) -> bool:
        """alloc_pid() gives the number that was asked for, or fails."""
        told = call.dead and call.ns is None and not call.flags & CLONE_NEWPID
        return told and call.chosen > 0 and call.chosen != tid

    def _may_be_thread_of(self, leader: int, call: Call) -> bool:
        return bool(call.flags & CLONE_THREAD) and self._leader(call.tid) in (leader, 0)

    def _leader(self, tid: int) -> int:
        """Of the task's process; 0 where that is not known."""
        for record in reversed(self.history):
            if record[4] == tid:
                if not record[5] & CLONE_THREAD:
                    return tid
                tid = record[3]
        return tid if tid in self._first and len(self._first) == 1 else 0

    def _possible(self) -> dict[int, list[Call]]:
        """For each task that appeared the calls that can have created it, none of which has another child for sure."""
        able = {tid: self.candidates(tid) for tid in self.fresh}
        if not (self.whole and self.exits_seen) or self.nested or self.late_calls:
            return able
        shared = {-tid: [call for call in calls if not call.settled] for tid, calls in self.shared.items()}
        found = shares(able | shared)
        return {tid: found[tid] for tid in able}

    def _is_open(self, call: Call) -> bool:
        """More will be known of it."""
        return call.tid in self.fresh or (not call.dead and not call.number) or call.tid in self._unsure


def _given_by(call: Call, tid: int, at: int) -> Given:
    """The task's number, if this call has created it."""
    end = min(2 * call.end + 1 if call.end else 2 * at, 2 * at)
    return Given(2 * call.at, max(2 * call.at + 1, end), tid)
