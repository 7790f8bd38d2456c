"""Which calls can have created a task that appears.

One of the calls that had begun; the numbers before and after its own, the order of numbers inside the namespace, and
what only threads do leave out most of them.
"""

from __future__ import annotations

from tracer.event import CLONE_NEWPID, CLONE_THREAD
from tracer.sources.strace.ordering.calls import Call
from tracer.sources.strace.ordering.counter import Given, descents, given, in_order
from tracer.sources.strace.ordering.sharing import shares
from tracer.sources.strace.ordering.state import State
from tracer.sources.strace.ordering.tasks import LEADS, Fresh

MAX_COUNTED = 32
"""Of so many it is found out when the counter would have had to be set back."""


class Candidates:
    """Leaves calls out by what is known of the task and of them. Changes nothing of that."""

    def __init__(self, state: State) -> None:
        self._shown, self._tasks, self._calls, self._numbers, self._places, self._strangers = state

    def of(self, tid: int) -> list[Call]:
        """The calls that can have created the task, which is fresh."""
        wraps = self._numbers.wraps
        found = self._open_then(tid, wraps)
        if wraps or not self._shown.whole or any(not c.number or self.says(c, tid) for c in found):
            return found
        if not self._all_placed():
            return found
        # Somebody has created it, and the counter may have been set back.
        others = self._open_then(tid, True)
        return found + [call for call in others if call not in found and not (call.number or call.untold)]

    def of_all(self) -> dict[int, list[Call]]:
        """For each task that appeared the calls that can have created it, none of which has another child for sure."""
        able = {tid: self.of(tid) for tid in self._tasks.fresh}
        if not (self._shown.whole and self._shown.ends) or self._places.nested or self._shown.late_calls:
            return able
        shared = {-tid: [c for c in calls if not c.settled] for tid, calls in self._strangers.shared.items()}
        found = shares(able | shared)
        return {tid: found[tid] for tid in able}

    def says(self, call: Call, tid: int) -> bool:
        """The number is strace's own: also in a nested namespace, where numbers that differ come with strace's
        (printpid_translation() in its src/pidns.c)."""
        return call.number == tid and (call.ns is None or self._places.translated)

    def is_open(self, call: Call) -> bool:
        """More will be known of it."""
        calls = self._calls
        return call.tid in self._tasks.fresh or (not call.dead and not call.number) or call.tid in calls.in_use

    def leader(self, tid: int) -> int:
        """Of the task's process; 0 where that is not known."""
        for record in reversed(self._numbers.history):
            if record[4] == tid:
                if not record[5] & CLONE_THREAD:
                    return tid
                tid = record[3]
        first = self._strangers.first
        return tid if tid in first and len(first) == 1 else 0

    def _all_placed(self) -> bool:
        """No call has told a number of another namespace that is still to be matched."""
        calls = self._calls.unsettled.values()
        return not self._places.nested or (self._shown.entering and all(call.ns is None for call in calls))

    def _open_then(self, tid: int, set_back: bool) -> list[Call]:
        found = self._able(tid, set_back)
        if len(found) > 1 or (found and found[0].passed):
            return self._at_the_time(found, tid, self._tasks.fresh[tid].at, set_back)
        return found

    def _able(self, tid: int, set_back: bool) -> list[Call]:
        """Those that had begun; `set_back`: numbers are in no order."""
        fresh = self._tasks.fresh[tid]
        in_use = self._calls.in_use
        is_thread = self.is_thread(tid, fresh)
        found = []
        for call in self._calls.unsettled.values():
            if call.seq > fresh.seq:
                break
            if call.tid == tid or _wants_another(call, tid):
                continue
            if fresh.leader and not self._may_be_thread_of(fresh.leader, call):
                continue
            if is_thread and (call.dead or call.number) and not _may_make_threads(call):
                continue
            if self.says(call, tid) and not call.dead and in_use.get(call.tid) is not call:
                return [call]
            if not (set_back or self._numbers.is_after(tid, call)) or _outlived(fresh, call):
                continue
            if call.number and call.ns is not None and not call.chosen and not call.ns.agrees(call.number, tid):
                continue
            found.append(call)
        return found

    def is_thread(self, tid: int, fresh: Fresh) -> bool:
        """It has ended as by exit, and has called none: another thread did, or ran a program. It has made no thread of
        its own, so it is one itself."""
        status = self._tasks.ended.get(tid)
        shown = self._shown.leaving and self._shown.whole
        return shown and status is not None and not status & 0x7F and not fresh.acted

    def _may_be_thread_of(self, leader: int, call: Call) -> bool:
        return _may_make_threads(call) and self.leader(call.tid) in (leader, 0)

    def _at_the_time(self, found: list[Call], tid: int, at: int, set_back: bool) -> list[Call]:
        """Those that were open when the number was given."""
        then = None if set_back else in_order(self._numbers.with_returns(), tid, at)
        if then is not None:
            return [call for call in found if call.at <= then.end and not 0 < call.end < then.begin]
        if not (self._shown.ends and all(call.dead for call in found)) or len(found) > MAX_COUNTED:
            return found  # a result says more than a counter that was set back; and without ends none is sure
        calls = ((call.at, call.tid) for call in self._calls.unsettled.values())
        before = given(self._numbers.history, [*calls, *self._numbers.noticed], at)
        first = 2 * min(call.at for call in found)
        others = ((other, new.at) for other, new in self._tasks.fresh.items() if other != tid)
        before += [Given(first, max(first + 1, 2 * shown_at), other) for other, shown_at in others]
        costs = {call: descents([*before, _given_by(call, tid, at)]) for call in found}
        least = min(costs.values(), default=0)
        return [call for call in found if costs[call] == least]


def _may_make_threads(call: Call) -> bool:
    return call.either or bool(call.flags & CLONE_THREAD)


def _outlived(fresh: Fresh, call: Call) -> bool:
    """A thread does not go on when its creator is killed inside the call, or execs later: the whole process ends,
    or all of it but that one. And it does not exec under a number of its own (de_thread())."""
    over = call.end if call.dead and not call.untold else call.over
    outlived = fresh.acted > over > 0 or fresh.acted == LEADS or (call.gone > 0 and not 0 < fresh.ended <= call.gone)
    return bool(call.flags & CLONE_THREAD) and outlived and not call.either


def _wants_another(call: Call, tid: int) -> bool:
    """alloc_pid() gives the number that was asked for, or fails."""
    told = call.dead and call.ns is None and not call.flags & CLONE_NEWPID
    return told and call.chosen > 0 and call.chosen != tid


def _given_by(call: Call, tid: int, at: int) -> Given:
    """The task's number, if this call has created it."""
    end = min(2 * call.end + 1 if call.end else 2 * at, 2 * at)
    return Given(2 * call.at, max(2 * call.at + 1, end), tid)
