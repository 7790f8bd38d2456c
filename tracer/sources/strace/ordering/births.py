"""Who created whom: records of clone calls and of the tasks that appear, read one by one.

What a call returned says it where the caller lives in strace's own pid namespace (`results`). A call by a task of a
nested namespace says a number that means nothing here, and a call whose caller was killed inside says none: their
children are found by `elimination` among the `candidates`. `matching` settles both; `doubts` is what later lines say of
a result, `deciding` what is taken for the truth in the end. All of them know what `state` holds, and nothing else.
"""

from __future__ import annotations

from tracer.sources.strace.ordering.calls import Call
from tracer.sources.strace.ordering.candidates import Candidates
from tracer.sources.strace.ordering.deciding import Deciding
from tracer.sources.strace.ordering.doubts import Doubts
from tracer.sources.strace.ordering.leaving import acts, leaves
from tracer.sources.strace.ordering.matching import Matching
from tracer.sources.strace.ordering.pidns import UNPLACED, Namespace
from tracer.sources.strace.ordering.results import Results
from tracer.sources.strace.ordering.state import State
from tracer.sources.strace.ordering.tasks import Fresh
from tracer.sources.strace.records import (
    ATTACHED,
    CHILD_SIGNAL,
    CLONED,
    CUT_SHORT,
    DETACHED,
    EXEC,
    EXIT,
    FREED,
    JOIN_PID_NS,
    KILLED,
    NEW_PID_NS,
    NOT_CLONED,
    OPEN,
    REAP,
    SEEN,
    UNTOLD,
    Record,
)

_INSIDE = frozenset((CLONED, NOT_CLONED, EXIT, KILLED, CHILD_SIGNAL, ATTACHED, DETACHED, CUT_SHORT, FREED))
"""What can be told of a task while it is inside a clone call."""

_ENDS = frozenset((SEEN, EXIT, KILLED, CUT_SHORT, ATTACHED, CHILD_SIGNAL))
"""What strace can tell of a task when that is being killed already."""


class Births:
    """Reads records."""

    def __init__(self, state: State) -> None:
        self._shown, self._tasks, self._calls, self._numbers, self._places, self._strangers = state
        candidates, results = Candidates(state), Results(state)
        self.matching = Matching(state, candidates, results)
        self.doubts = Doubts(state, results, self.matching)
        self.deciding = Deciding(state, candidates, results, self.matching)
        self._seq = 0

    def look(self, record: Record) -> Call | None:
        """Read one record; the call if it is the beginning or the return of one."""
        kind, at, _, tid = record[:4]
        tasks, calls, doubts = self._tasks, self._calls, self.doubts
        self._seq += 1
        if doubts.doubted:
            doubts.believe(record)
        self._numbers.show(tid)
        if tid in tasks.left and acts(record):
            tasks.begins_anew(tid)
            self._places.next_ns.pop(tid, None)
        if tid not in tasks.fresh and not tasks.alive(tid):
            self._appeared(tid, record)
        elif tid in calls.open and (kind not in _INSIDE or calls.open[tid].untold):
            self._left(calls.open.pop(tid), kind == EXEC and record[4] != tid, at)
        if tid in tasks.fresh and kind not in _ENDS:
            tasks.act(tid, at, leads=kind == EXEC and record[4] == tid)
        if calls.in_use or calls.odd:
            doubts.goes_on(tid, kind, record)
        if kind == CLONED:
            return self._returned(record)
        if kind == OPEN:
            return self._began(record)
        self._other_news(kind, at, tid, record)
        return None

    def _other_news(self, kind: int, at: int, tid: int, record: Record) -> None:
        if kind == EXIT:
            self._ends(tid, record[4], at)
        elif kind == EXEC:
            self._execs(tid, record[4], at)
        elif kind == ATTACHED:
            self._numbers.noticed.append((at, tid))
        elif leaves(record) and not self._shown.ends:
            self._tasks.leave(tid)
        elif kind == NOT_CLONED:
            call = self._calls.open.pop(tid, None)
            if call is not None:
                self.matching.has_no_child(call)
        elif kind == CUT_SHORT:
            if tid in self._calls.open:
                call = self._calls.open[tid]
                call.flags, call.exit_signal, call.chosen, call.end = record[4:]
        elif kind == UNTOLD:
            call = self._began(record)
            call.flags, call.exit_signal, call.either = record[4:]
            call.dead = call.untold = True
            self.matching.match()
        elif kind in (NEW_PID_NS, JOIN_PID_NS):
            perhaps = kind == JOIN_PID_NS and record[4] < 0
            self._places.chooses(tid, UNPLACED if perhaps else Namespace(kind == JOIN_PID_NS))
        elif kind == FREED:
            if self._places.ns_of(tid) is None and self._tasks.alive(record[4]):
                self._ends(record[4], None, at)
        elif kind in (REAP, CHILD_SIGNAL):
            self._told_of(kind, tid, record)

    def _told_of(self, kind: int, tid: int, record: Record) -> None:
        """A wait or signal tells of an end."""
        if self._calls.unsettled if kind == REAP else self._tasks.ended:
            self.matching.end_told(tid, record[4], record[5] if kind == REAP else None)
        if self._shown.late_calls and record[4] in self._tasks.ended and self._places.ns_of(tid) is None:
            # A call that returns the number from now on creates another task.
            self.matching.is_of_the_earlier(record[4])

    def _appeared(self, tid: int, record: Record) -> None:
        tasks, calls = self._tasks, self._calls
        lives_again = tasks.ahead.get(tid) is False
        tasks.ahead[tid] = True
        if tid in calls.settled and not lives_again:
            return
        self._numbers.recent = tid
        if calls.unsettled or (self._shown.late_calls and self._strangers.first):
            tasks.fresh[tid] = Fresh(self._seq, record[1], 0)
            self.matching.match()
        else:
            self._strangers.appeared(tid, record)

    def _began(self, record: Record) -> Call:
        call = self._calls.open[record[3]] = self._call(record)
        return call

    def _call(self, record: Record) -> Call:
        _, at, time, tid = record[:4]
        places = self._places
        call = Call(self._seq, at, time, tid, places.ns_of(tid), places.next_ns.get(tid), self._numbers.newest)
        self._calls.unsettled[call.seq] = call
        return call

    def _returned(self, record: Record) -> Call:
        call = self._calls.open.pop(record[3], None) or self._call(record)
        call.returned(record)
        self.matching.returned(call)
        return call

    def _left(self, call: Call, by_exec: bool, at: int) -> None:
        """The caller does something else: the log lacks the call's return, or de_thread() killed it inside."""
        if by_exec or call.untold:
            self.matching.died(call, at - call.untold)
        else:
            self.matching.has_no_child(call)

    def _ends(self, tid: int, status: int | None, at: int) -> None:
        if status is not None and not status & 0x7F:
            self._shown.ends = True
        self._tasks.end(tid, status, at)
        self._is_given_again(tid)
        self._places.next_ns.pop(tid, None)
        call = self._calls.open.pop(tid, None)
        if call is not None:
            self.matching.died(call, at)
        self._threads_are_gone(tid, at)

    def _is_given_again(self, tid: int) -> None:
        """A call that has returned the number waited for the end of its owner: the next one lives (Doubts.goes_on)."""
        calls = self._calls.settled.get(tid)
        if calls and calls[-1].reuses:
            self._tasks.ahead[tid] = True

    def _threads_are_gone(self, leader: int, at: int) -> None:
        """A leader's end is told when no other thread is left (delay_group_leader()), and so is its execve's success
        (de_thread())."""
        if leader not in self.doubts.doubted:
            self._tasks.noted.discard(leader)
        for call in self._calls.watched.pop(leader, ()):
            call.gone = at
            self._calls.changes += 1
            self.matching.match()

    def _execs(self, tid: int, thread: int, at: int) -> None:
        self._tasks.left -= {tid, thread}
        if thread != tid:
            self._takes_over(tid, thread, at)
        self._threads_are_gone(tid, at)
        if self._calls.comparable:
            for call in self._calls.of(tid):
                if call.number:
                    call.over = at

    def _takes_over(self, leader: int, thread: int, at: int) -> None:
        """de_thread(): the thread goes on under the leader's number."""
        tasks = self._tasks
        if thread not in tasks.fresh and not tasks.alive(thread) and thread not in tasks.known:
            self._appeared(thread, (SEEN, at, None, thread))
        if thread in tasks.fresh:
            tasks.fresh[thread] = tasks.fresh[thread]._replace(ended=at, leader=leader)
            self._calls.changes += 1
            self.matching.match()
        tasks.ahead[thread] = False
        self._is_given_again(thread)
        self._places.takes_over(leader, thread)
