"""Who created whom: clone calls and the tasks that appear, brought together where the log is read.

What a call returned says it where the caller lives in strace's own pid namespace (`returned`). A call by a task of a
nested namespace says a number that means nothing here, and a call whose caller was killed inside says none: their
children are found by `elimination`. Where a task lives, `places` knows; `tasks` is the state.
"""

from __future__ import annotations

from tracer.sources.strace.ordering.candidates import LEADS, MAX_COMPARED
from tracer.sources.strace.ordering.elimination import MAX_PASSED
from tracer.sources.strace.ordering.pidns import UNPLACED, Call, Namespace
from tracer.sources.strace.ordering.returned import Returned
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


class Births(Returned):
    """Reads records one by one."""

    def look(self, record: Record) -> Call | None:
        """Read one record; the call if it is the beginning or the return of one."""
        kind, at, _, tid = record[:4]
        self._seq += 1
        if self.doubted:
            self._believe(record)
        if tid > self.newest and tid not in self.chosen:
            self.newest = tid
        if tid not in self.fresh and not self.alive(tid):
            self._appeared(tid, record)
        elif tid in self.open and (kind not in _INSIDE or self.open[tid].untold):
            self._left(self.open.pop(tid), kind == EXEC and record[4] != tid, at)
        if tid in self.fresh and kind not in _ENDS:
            leads = kind == EXEC and record[4] == tid
            self.fresh[tid] = self.fresh[tid]._replace(acted=LEADS if leads else max(at, self.fresh[tid].acted))
        if self._unsure:
            self._resolve(tid, kind, record)
        if self._odd:
            self._killed_on_the_way_out(tid, kind, record)
        if kind == CLONED:
            return self._returned(record)
        if kind == OPEN:
            return self._began(record)
        self._other_news(kind, at, tid, record)
        return None

    def doubt(self, record: Record) -> None:
        """The result that has been told last may be none."""
        _, _, _, tid, began, number = record
        if (tid, began) in self.supposed:
            self.nobodys.add((tid, began))
            return
        for call in self.unsettled.values():
            if call.tid == tid and call.at == began:
                call.doubted = True
                return
        if number in self.chosen or any(record[4] == number and record[1] > began for record in self.history):
            self.silent.append((tid, began))
        elif len(self.doubted) < MAX_PASSED:
            self.doubted[number] = tid, began
            self.noted.add(number)

    def _believe(self, record: Record) -> None:
        """A number is somebody's after all, or it is given again."""
        self.doubted.pop(record[3], None)
        if record[0] == CLONED and record[4] in self.doubted:
            self.silent.append(self.doubted.pop(record[4]))

    def _other_news(self, kind: int, at: int, tid: int, record: Record) -> None:
        if kind == EXIT:
            self._ends(tid, record[4], at)
        elif kind == EXEC:
            self._execs(tid, record[4], at)
        elif kind == NOT_CLONED:
            call = self.open.pop(tid, None)
            if call is not None:
                self.settle(call, 0)
        elif kind == CUT_SHORT:
            if tid in self.open:
                call = self.open[tid]
                call.flags, call.exit_signal, call.chosen, call.end = record[4:]
        elif kind == UNTOLD:
            call = self._began(record)
            call.flags, call.exit_signal = record[4:]
            call.dead = call.untold = True
            self.match()
        elif kind in (NEW_PID_NS, JOIN_PID_NS):
            perhaps = kind == JOIN_PID_NS and record[4] < 0
            self.next_ns[tid] = UNPLACED if perhaps else Namespace(kind == JOIN_PID_NS)
            self._tells = True
            if not perhaps or self.strangers:
                self._nested_seen()
        elif kind == FREED:
            if self.ns_of(tid) is None and self.alive(record[4]):
                self._ends(record[4], None, at)
        elif kind in (REAP, CHILD_SIGNAL):
            self._told_of(kind, tid, record)

    def _told_of(self, kind: int, tid: int, record: Record) -> None:
        """A wait or signal tells of an end."""
        if self.unsettled if kind == REAP else self._ended:
            self._told_end(tid, record[4], record[5] if kind == REAP else None)
        if self.late_calls and record[4] in self._ended and self.ns_of(tid) is None:
            self._of_the_earlier(record[4])  # a call that returns the number from now on creates another task

    def _appeared(self, tid: int, record: Record) -> None:
        self.ahead[tid] = True
        if tid in self.settled:
            return
        self.recent = tid
        if self.unsettled or (self.late_calls and self._first):
            self.fresh[tid] = Fresh(self._seq, record[1], 0)
            self.match()
        else:
            self._is_stranger(tid, record)

    def _began(self, record: Record) -> Call:
        _, at, time, tid = record[:4]
        call = self.open[tid] = Call(self._seq, at, time, tid, self.ns_of(tid), self.next_ns.get(tid), self.newest)
        self.unsettled[call.seq] = call
        return call

    def _left(self, call: Call, by_exec: bool, at: int) -> None:
        """The caller does something else: the log lacks the call's return, or de_thread() killed it inside."""
        if by_exec or call.untold:
            self._died(call, at - call.untold)
        else:
            self.settle(call, 0)

    def is_given_again(self, number: int, at: int, returned: bool = False) -> bool:
        """At that line the call that gives a number another time had not returned, or, `returned`, perhaps had."""
        last = next((record for record in reversed(self.history) if record[4] == number), None)
        if last is None or at < last[1] or (at > last[10] and not returned):
            return False
        return any(record[4] == number and record is not last for record in self.history)

    def ends_are_told(self, child: int, at: int) -> bool:
        """The log would say of the task that has this number at that line that it has ended, before anybody is told."""
        last = next((record for record in reversed(self.history) if record[4] == child), None)
        told = self.from_start and self.exits_seen and not (self.late_calls or self.nested)
        return told and child not in self.chosen and last is not None and last[10] < at

    def _ends(self, tid: int, status: int | None, at: int) -> None:
        if status is not None and not status & 0x7F:
            self.exits_seen = True
        self.ahead[tid] = False
        self.next_ns.pop(tid, None)
        if tid in self.fresh:
            self._ended[tid] = status
            self.fresh[tid] = self.fresh[tid]._replace(ended=at)
        call = self.open.pop(tid, None)
        if call is not None:
            self._died(call, at)
        self._threads_are_gone(tid, at)

    def _threads_are_gone(self, leader: int, at: int) -> None:
        """A leader's end is told when no other thread is left (delay_group_leader()), and so is its execve's success
        (de_thread())."""
        if leader not in self.doubted:
            self.noted.discard(leader)
        for call in self.watched.pop(leader, ()):
            call.gone = at
            self._changes += 1
            self.match()

    def _execs(self, tid: int, thread: int, at: int) -> None:
        if thread != tid:
            self._takes_over(tid, thread, at)
        self._threads_are_gone(tid, at)
        if len(self.unsettled) <= MAX_COMPARED:
            for call in self.unsettled.values():
                if call.tid == tid and call.number:
                    call.over = at

    def _takes_over(self, leader: int, thread: int, at: int) -> None:
        """de_thread(): the thread goes on under the leader's number."""
        if thread not in self.fresh and not self.alive(thread) and thread not in self.known:
            self._appeared(thread, (SEEN, at, None, thread))
        if thread in self.fresh:
            self.fresh[thread] = self.fresh[thread]._replace(ended=at, leader=leader)
            self._changes += 1
            self.match()
        self.ahead[thread] = False
        self.next_ns.pop(leader, None)
        if thread in self.next_ns:
            self.next_ns[leader] = self.next_ns.pop(thread)
