"""Brings calls and tasks together, by what calls returned (`results`) and by what is left (`elimination`).

What is found by elimination is marked as matched.
"""

from __future__ import annotations

from tracer.event import CLONE_NEWPID, CLONE_THREAD, CLONE_VFORK
from tracer.sources.strace.ordering.calls import Call
from tracer.sources.strace.ordering.candidates import Candidates
from tracer.sources.strace.ordering.elimination import ONLY_ONE, Elimination
from tracer.sources.strace.ordering.pidns import RESERVED, UNPLACED, Namespace
from tracer.sources.strace.ordering.results import IN_USE, NESTED, ODD, OWN, PERHAPS_OWN, Results
from tracer.sources.strace.ordering.state import State
from tracer.sources.strace.ordering.tasks import LEADS
from tracer.sources.strace.records import Record

KILLED_INSIDE = "the creator ended inside the call; this is the only new task since it began"
UNTOLD_CALL = "strace --seccomp-bpf does not tell of the creator's call; this is the only new task since it began"
BY_END = "number {} is of another pid namespace; {} ended just before its end was told"
PERHAPS_EARLIER = "{} had ended before the call that returned its number was told: the number may have been given twice"
PERHAPS_NESTED = "number {0} may be of a pid namespace: whether {1}, who created {0}, lives in one is not known"


class Matching:
    """Settles calls. Whatever is learnt of one can tell of others: they are matched at once."""

    def __init__(self, state: State, candidates: Candidates, results: Results) -> None:
        self._shown, self._tasks, self._calls, self._numbers, self._places, self._strangers = state
        self._candidates = candidates
        self._results = results
        self._elimination = Elimination(state, candidates)

    def match(self) -> None:
        """Bring together calls and tasks where there is no other way."""
        while pairs := self._elimination.pairs():
            for call, tid, why in pairs:
                if not call.settled:
                    self.found(call, tid, why)

    def settle(self, call: Call, child: int, matched: str = "") -> None:
        """The call's child is this task."""
        tasks, places = self._tasks, self._places
        doubtful = not matched and call.ns is None and places.is_doubtful(child, None)
        if doubtful and (self._numbers.last_given(child) is not None or self._was_passed(call)):
            matched, call.guessed = PERHAPS_NESTED.format(child, call.tid), True
        if not matched and self._shown.late_calls and child in tasks.ended and not call.flags & CLONE_VFORK:
            matched, call.guessed = PERHAPS_EARLIER.format(child), True
        self._calls.settle(call, child, matched)
        places.has_child(call)
        self._numbers.give(call, child, tasks.fresh.get(child))
        tasks.explained(child)
        for other in self._calls.of(child):
            if other.seq > call.seq or self._shown.late_calls:  # else it is of who had the number before
                other.ns = call.child_ns
                self._judge_again(other)
        if places.translated and call.child_ns is not None:
            self._place_calls_of(child, call.child_ns)
        self._explain_no_more()

    def _was_passed(self, call: Call) -> bool:
        """idr_alloc_cyclic() gives so small a number once, but after a write to ns_last_pid."""
        shown = self._shown
        small = call.number < RESERVED and call.number <= call.newest and not call.chosen
        return small and not (shown.whole or shown.late_calls)

    def has_no_child(self, call: Call) -> None:
        """The call has created nothing that is traced."""
        self._calls.settle(call, 0, "")
        self._explain_no_more()

    def _explain_no_more(self) -> None:
        """Without calls nothing can explain the tasks that have appeared."""
        if not self._calls.unsettled and self._tasks.fresh and not self._shown.late_calls:
            self._tasks.forget_all()

    def _find_kind(self, call: Call, tid: int) -> None:
        """What the task has done may show whether it is a thread."""
        fresh = self._tasks.fresh[tid]
        is_thread = fresh.leader > 0 or self._candidates.is_thread(tid, fresh)
        if is_thread or fresh.acted == LEADS:
            call.flags = call.flags | CLONE_THREAD if is_thread else call.flags & ~CLONE_THREAD
            call.either = False

    def _place_calls_of(self, tid: int, ns: Namespace) -> None:
        """Calls of which the log has said whom they created before it was known where their caller lives."""
        for calls in self._calls.settled.values():
            for call in calls:
                if call.tid == tid and call.real and call.ns is None:
                    call.ns = ns
                    call.settle(call.child)

    def found(self, call: Call, tid: int, why: str) -> None:
        """The child is this one, as far as can be seen; `why` as in Pair."""
        places = self._places
        if call.either:
            self._find_kind(call, tid)
        if call.dead:
            call.guessed = places.nested or call.untold  # numbers that mean nothing leave out less
            self.settle(call, tid, UNTOLD_CALL if call.untold else KILLED_INSIDE)
            return
        if call.ns is None and places.nested and (call.tid in places.unplaced or call.tid in self._tasks.fresh):
            call.ns = UNPLACED
        supposed = call.ns is not None and call.ns.supposed and not places.nested
        if self._candidates.says(call, tid) or (call.number == tid and supposed and not call.chosen):
            self.settle(call, tid)
            return
        if call.ns is UNPLACED and call.number == tid:
            self.settle_unplaced(call)
            return
        if call.ns is None or call.ns is UNPLACED:
            self._strangers.is_unexplained(tid, self._tasks.fresh[tid].at)
            if call.ns is None and not places.nested and self._results.has_neighbours(call, but=tid):
                self._tasks.forget(tid)  # the number is strace's own
                return
            proven = why is BY_END or (why is ONLY_ONE and self._shown.whole)
            if proven and not self._shown.late_calls and self._tasks.alive(call.tid):
                places.entered_unseen()
            places.is_nested(call)
        call.guessed = True
        self.settle(call, tid, why.format(call.number, tid))

    def settle_unplaced(self, call: Call) -> None:
        """The number is taken for strace's own, though its caller may live elsewhere."""
        call.guessed = True
        self.settle(call, call.number, PERHAPS_NESTED.format(call.number, call.tid))

    def returned(self, call: Call) -> None:
        """A call has said what it returned."""
        tasks = self._tasks
        call.taken = tasks.alive(call.number) and not call.matched
        self._calls.changes += 1
        if call.flags & CLONE_NEWPID:
            self._places.nested_seen()
        if call.real:
            self._places.translation_seen()
            if call.number != call.real and call.ns is None and call.tid not in tasks.fresh:
                self._places.is_nested(call)
            if call.real not in tasks.fresh and tasks.alive(call.real):
                self._is_in_use(call)
            else:
                self.settle(call, call.real)
        elif call.tid not in tasks.fresh:
            self._judge(call)

    def _judge(self, call: Call) -> None:
        """Where the caller lives is known, as far as it will be: what does the number mean?"""
        call.ns = call.ns or self._places.ns_of(call.tid)
        if call.number in self._tasks.ended and call.ns in (None, UNPLACED) and self._results.was_there(call):
            self.is_of_the_earlier(call.number)
        meaning = self._results.meaning(call)
        if meaning == IN_USE:
            self._is_in_use(call)
        elif meaning == OWN:
            if call.ns is UNPLACED:
                self._places.is_outside(call)
            self.settle(call, call.number)
        elif meaning == PERHAPS_OWN:
            self.settle_unplaced(call)
        else:
            if meaning == NESTED:
                self._places.is_nested(call)
            elif meaning == ODD:
                call.unsure = True
                self._calls.odd[call.tid] = call
            self.match()

    def _judge_again(self, call: Call) -> None:
        if call.number and not call.settled:
            self._judge(call)

    def place_stranger(self, tid: int, record: Record) -> Namespace | None:
        """The namespace of a task whose creation the log lacks; `record` is its first."""
        self._strangers.appeared(tid, record)
        ns = self._places.ns_of_stranger(tid)
        if ns is not None:
            for call in [call for call in self._calls.of(tid) if call.ns is None]:
                call.ns = ns
                self._judge_again(call)
        elif self._shown.late_calls:
            for call in self._calls.of(tid):
                self._judge_again(call)
        return ns

    def _is_in_use(self, call: Call) -> None:
        call.unsure = True
        if call.doubted:
            self.has_no_result(call, call.end)
            return
        self._calls.in_use[call.tid] = call
        self._calls.silent += 1

    def has_no_result(self, call: Call, at: int) -> None:
        """What was printed as the result of the caller, who was killed inside, is another's."""
        call.has_no_result()
        self.died(call, at)

    def died(self, call: Call, at: int) -> None:
        """The caller was killed inside the call."""
        call.dead = True
        call.end = call.end or at
        may_watch = call.flags & CLONE_THREAD and self._shown.whole and not call.untold
        leader = self._candidates.leader(call.tid) if may_watch else 0
        if leader:
            self._calls.watched.setdefault(leader, []).append(call)
            self._tasks.noted.add(leader)
        self._calls.pass_by(call)
        self.match()

    def end_told(self, tid: int, number: int, status: int | None) -> None:
        """A wait or SIGCHLD told of a child's end by a number that no call has been matched for."""
        ns = self._places.ns_of(tid)
        same_ns = ns is not None and ns is not UNPLACED
        calls = [call for call in self._calls.unsettled.values() if call.number == number and not call.dead]
        call = next((call for call in calls if call.tid == tid or (same_ns and call.ns is ns)), None)
        if call is None:
            return
        tasks = self._tasks
        ended = [t for t, s in tasks.ended.items() if status in (s, None) and t in tasks.fresh]
        able = [t for t in ended if call in self._candidates.of(t)]
        if len(able) == 1:
            self.found(call, able[0], BY_END)
        elif not able and not self._shown.ends:
            self.has_no_child(call)

    def is_of_the_earlier(self, number: int) -> None:
        """The task that has appeared and ended is not the one that a call returns with its number."""
        self._tasks.forget(number)
        self._strangers.earlier.add(number)
