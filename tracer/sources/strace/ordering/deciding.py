"""How long tasks and calls wait for each other, and what is taken for the truth where they have not found together."""

from __future__ import annotations

from tracer.sources.strace.ordering.calls import MAX_COMPARED, Call, calls_in_order
from tracer.sources.strace.ordering.candidates import Candidates
from tracer.sources.strace.ordering.elimination import ONLY_ONE
from tracer.sources.strace.ordering.matching import Matching
from tracer.sources.strace.ordering.pidns import FAR, UNPLACED, oldest_first
from tracer.sources.strace.ordering.results import Results
from tracer.sources.strace.ordering.state import State

CUT_INSIDE = "the trace ends inside the call; this is the only new task since it began"
GUESSED = "number {} is of another pid namespace; {} is one of several new tasks that it can mean"
SET_BACK = "number {} was passed already: the counter was set back, or it is of another pid namespace"
FAR_BELOW = "number {} is far below the last ones: the counter has begun again, or it is of another pid namespace"


class Deciding:
    """Asked when the turn of a task or call has come."""

    def __init__(self, state: State, candidates: Candidates, results: Results, matching: Matching) -> None:
        self._shown, self._tasks, self._calls, self._numbers, self._places, self._strangers = state
        self._candidates = candidates
        self._results = results
        self._matching = matching
        self._checked = (0, 0)
        """A task that a call can have created, and `Calls.changes` when that was found out."""

    def may_be_explained(self, tid: int) -> bool:
        """Is there a call that can turn out to have created the task?"""
        fresh, calls = self._tasks.fresh, self._calls
        if tid in fresh and self._shown.late_calls:
            return True
        if tid not in fresh or not calls.unsettled:
            fresh.pop(tid, None)
            return False
        if not calls.comparable:
            if calls.open:
                return True
        elif self._checked == (tid, calls.changes) or self._candidates.of(tid):
            self._checked = (tid, calls.changes)
            return True
        del fresh[tid]
        return False

    def waits_for_return(self, tid: int) -> bool:
        """Can a call that is still open have created the task?"""
        if tid not in self._tasks.fresh or not self._calls.comparable:
            return bool(self._calls.open)
        return any(self._candidates.is_open(call) for call in self._candidates.of(tid))

    def decide(self, tid: int, at_end: bool) -> None:
        """Nothing more is waited for: choose a creator for the task, or none."""
        found = self._able(tid)
        cut = [call for call in found if at_end and not call.number and not call.dead]
        for call in cut:
            call.dead = True
            call.matched = CUT_INSIDE
            self._calls.open.pop(call.tid, None)
        if cut:
            found = self._able(tid)  # a task that goes on is no thread of one that does not
        fresh = self._tasks.fresh
        returned = [c for c in found if c.number and not c.dead and not c.unsure and c.tid not in fresh]
        dead = [c for c in found if c.dead]
        if returned:
            if len(found) == 1:
                self._matching.found(found[0], tid, ONLY_ONE)
            else:
                self._matching.found(self._by_place(tid, calls_in_order(returned)), tid, GUESSED)
        elif len(dead) == 1:
            self._matching.found(dead[0], tid, "")
        else:
            if len(dead) == len(found):
                self._strangers.is_one_of(tid, dead)
            self._tasks.forget(tid)

    def _able(self, tid: int) -> list[Call]:
        return self._candidates.of_all().get(tid, []) if self._calls.comparable else []

    def _by_place(self, tid: int, calls: list[Call]) -> Call:
        """The call that has the place among these which the task has among the new ones that can be theirs."""
        fresh = self._tasks.fresh
        if len(fresh) > MAX_COMPARED:
            return calls[0]
        rivals = [new for new in fresh if new == tid or any(call in calls for call in self._candidates.of(new))]
        return calls[min(oldest_first(rivals).index(tid), len(calls) - 1)]

    def give_up(self, call: Call, follows: bool) -> None:
        """The call's child does not appear. A number that can be strace's own is taken for that: it may do nothing."""
        self._calls.pass_by(call)
        number, matching = call.number, self._matching
        passed = self._results.was_passed(call)
        if call.ns is UNPLACED and number and not (passed and self._places.unseen):
            if number > call.newest - FAR or not follows:
                matching.settle_unplaced(call)
            return
        if (call.ns is not None and call.ns is not UNPLACED) or not number:
            if number and self._places.translated and not self._tasks.alive(number):
                matching.settle(call, number)
            return
        if passed and len(self._tasks.fresh) <= MAX_COMPARED:
            able = [tid for tid in self._tasks.fresh if self._explains(call, tid)]
            if able:
                matching.found(call, oldest_first(able)[0], GUESSED)
                return
        if call.ns is UNPLACED:
            return
        if self._says_a_living_one(call):
            self._places.entered_unseen()
            self._places.is_nested(call)
        elif passed:
            matching.settle(call, number, SET_BACK.format(number))
        elif number > call.newest - FAR or self._numbers.is_near(number) or not follows:
            matching.settle(call, number)
        else:
            call.guessed = True
            matching.settle(call, number, FAR_BELOW.format(number))

    def _says_a_living_one(self, call: Call) -> bool:
        """Nobody knew where the caller lives when it said the number of a task that had been there before. Both live
        on. A call of which the log has only the return may have begun before that task was there; and a number that the
        caller wanted was free (alloc_pid() fails otherwise)."""
        return (
            call.taken
            and not call.chosen
            and call.end > call.at
            and call.number not in self._tasks.fresh
            and self._tasks.alive(call.tid)
            and self._results.means_another(call)
        )

    def _explains(self, call: Call, tid: int) -> bool:
        found = self._candidates.of(tid)
        return call in found and not any(other.dead for other in found)
