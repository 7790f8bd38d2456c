"""What the number means that a clone call returned.

A call by a task of strace's own namespace says its child's number. It is taken for such a call unless the log shows
otherwise: the caller descends from CLONE_NEWPID, unshare or setns; or it got a number that a living task has, or one
below RESERVED_PIDS that was passed long ago (idr_alloc_cyclic() gives those again only after a write to ns_last_pid).
"""

from __future__ import annotations

from tracer.event import CLONE_NEWPID, SIGKILL
from tracer.sources.strace.ordering.candidates import MAX_COMPARED
from tracer.sources.strace.ordering.elimination import GUESSED, Elimination
from tracer.sources.strace.ordering.pidns import FAR, RESERVED, UNPLACED, Call, in_order
from tracer.sources.strace.records import EXEC, EXIT, Record

SET_BACK = "number {} was passed already: the counter was set back, or it is of another pid namespace"
FAR_BELOW = "number {} is far below the last ones: the counter has begun again, or it is of another pid namespace"
NEXT = 8
"""A number so little above the last one follows it, in a counter that has been set back."""
NEIGHBOUR = 10
"""The kernel gives numbers so near to each other at about the same time, but where the counter is set."""
LINES_AROUND = 64
NEXT_LINES = 5
"""Of other kinds, such as signals, may stand between a result and the same one said again."""


class Returned(Elimination):
    """Judges numbers."""

    def _returned(self, record: Record) -> Call:
        _, at, time, tid, number, flags, exit_signal, real, matched, chosen, end = record
        call = self.open.pop(tid, None)
        if call is None:
            call = Call(self._seq, at, time, tid, self.ns_of(tid), self.next_ns.get(tid), self.newest)
            self.unsettled[call.seq] = call
        call.number = number
        call.real = real
        call.flags = flags
        call.exit_signal = exit_signal
        call.matched = matched
        call.guessed = bool(matched)
        call.chosen = chosen
        call.end = end
        call.taken = self.alive(number) and not matched
        self._changes += 1
        if flags & CLONE_NEWPID:
            self._nested_seen()
        if real:
            self._translation_seen()
            if number != real and call.ns is None and tid not in self.fresh:
                self._is_nested(call)
            if real not in self.fresh and self.alive(real):
                self._in_use(call)
            else:
                self.settle(call, real)
        elif tid not in self.fresh:
            self._judge(call)
        return call

    def _judge(self, call: Call) -> None:
        """Is the number one of strace's namespace?"""
        number = call.number
        call.ns = call.ns or self.ns_of(call.tid)
        if number in self._ended and call.ns is None and self._was_there(call):
            self._of_the_earlier(number)
        if call.ns is UNPLACED:
            self._judge_unplaced(call)
        elif call.ns is not None:
            self.match()
        elif (
            (number not in self.fresh and self.alive(number))
            or self._is_said_again(call)
            or (self._contradicts(call) and call.end > 0)
        ):
            self._in_use(call)
        elif self._contradicts(call) or self._was_there(call):
            self._is_nested(call)
            self.match()
        elif number in self.fresh or call.chosen or (self._is_near(call) and not self._was_passed(call)):
            self.settle(call, number)
        else:
            call.unsure = True
            self._odd[call.tid] = call
            self.match()

    def _in_use(self, call: Call) -> None:
        """A living task has the number, or it was passed long ago: that task ends while the call is open, or the number
        is of another namespace, or it is not the result."""
        call.unsure = True
        if call.doubted:
            self._is_no_result(call)
            self._died(call, call.end)
            return
        self._unsure[call.tid] = call
        self._silent += 1

    def _is_said_again(self, call: Call) -> bool:
        """No number is given twice in a row; but see creating.REFUSALS."""
        if call.number in self.fresh:
            ends = [c.end for c in self.unsettled.values() if c.number == call.number and c.tid != call.tid]
        else:
            ends = [record[10] for record in self.history if record[4] == call.number and record[3] != call.tid][-1:]
        return not call.chosen and any(0 < call.end - end < NEXT_LINES for end in ends)

    def _judge_unplaced(self, call: Call) -> None:
        """Is the number one of strace's namespace, as far as can be seen?"""
        number = call.number
        if number not in self.fresh and (self.alive(number) or self._contradicts(call)):
            self._is_nested(call)
            self.match()
        elif number not in self.fresh and (self._was_passed(call) or not self._is_near(call)):
            self.match()
        elif number >= RESERVED and not (call.chosen or self._wraps):
            # The counters of two namespaces start together, and do not meet again soon: this one is strace's.
            self.unplaced.discard(call.tid)
            self.roaming.add(call.tid)
            self._place((call.tid,), UNPLACED, None)
            call.ns = None
            self.settle(call, number)
        else:
            self._settle_unplaced(call)

    def _was_there(self, call: Call) -> bool:
        """The task with this number showed itself before the call began, as far as its line tells (not with -z)."""
        if call.end <= call.at:
            return False
        fresh = self.fresh.get(call.number)
        return fresh is not None and fresh.seq < call.seq and not call.matched

    def _contradicts(self, call: Call) -> bool:
        """Numbers that small are not given again once the counter was so far above."""
        number = call.number
        return number < RESERVED and number + FAR < call.newest and not call.chosen and number not in self.fresh

    def _is_near(self, call: Call) -> bool:
        return -FAR < call.number - self.recent < FAR

    def _was_passed(self, call: Call) -> bool:
        """The counter was above, which it is not again unless a write to ns_last_pid has set it back."""
        number = call.number
        behind = NEXT if self.late_calls else 0  # the calls of others may have been told before this one
        follows = 0 < number - self.recent < NEXT and self.late_calls
        passed = number < RESERVED and number <= call.newest - behind and not follows
        return passed and not (self._wraps or self._tells)

    def _resolve(self, tid: int, kind: int, record: Record) -> None:
        """News about a call that returned the number of a living task."""
        if kind == EXIT or (kind == EXEC and record[4] != record[3]):
            gone = tid if kind == EXIT else record[4]
            if kind == EXIT:  # else it has to be known until its leader's place is taken (_takes_over)
                self.ahead[gone] = False
            for call in [c for c in self._unsure.values() if (c.real or c.number) == gone and c.tid != gone]:
                if self._is_said_again(call):
                    continue
                call.reuses = True
                self.settle(call, call.real or call.number)
        late = self._unsure.pop(tid, None)
        if late is not None and (kind == EXIT or (kind == EXEC and record[4] != tid)):
            self._is_no_result(late)
            self._died(late, record[1])
        elif late is not None and late.real:
            self.settle(late, late.real)
        elif late is not None and self._means_another(late):  # it goes on, and so does the owner
            if late.taken:
                self._entered_unseen()
            self._is_nested(late)
            self.match()
        elif late is not None:
            self.settle(late, late.number)

    def _killed_on_the_way_out(self, tid: int, kind: int, record: Record) -> None:
        """The number was passed already, and nothing more is told of the caller but that it was killed: then that is
        likelier to be nobody's (creating.REFUSALS) than the counter to have been set back."""
        call = self._odd.pop(tid, None)
        if call is None or call.settled or call.ns is not None or self.nested:
            return
        if self.late_calls or not self.leaving_shown or self._has_neighbours(call):  # it may have called exit
            return
        killed = kind == EXIT and (record[4] or 0) & 0x7F in (0, SIGKILL)  # strace tells of another signal first
        if killed or (kind == EXEC and record[4] != tid):
            self._is_no_result(call)
            self._died(call, record[1])

    def _has_neighbours(self, call: Call) -> bool:
        """Were numbers near this one given at that time?"""
        lately = (record[4] for record in self.history if abs(record[1] - call.at) < LINES_AROUND)
        return any(0 < abs(number - call.number) <= NEIGHBOUR for number in (*lately, *self.fresh))

    @staticmethod
    def _is_no_result(call: Call) -> None:
        """The kernel had nothing to tell of a task that was being killed, and strace has printed what it told of
        another (creating.REFUSALS): no more is known than of a call that was cut short."""
        call.number, call.real, call.unsure = 0, 0, False

    def _means_another(self, call: Call) -> bool:
        return (self.exits_seen and self.alive(call.number)) or (self._contradicts(call) and not self._translated)

    def give_up(self, call: Call, follows: bool) -> None:
        """The call's child does not appear. A number that can be strace's own is taken for that: it may do nothing."""
        self._pass(call)
        passed = self._was_passed(call)
        if call.ns is UNPLACED and call.number and not (passed and self.unseen):
            if call.number > call.newest - FAR or not follows:
                self._settle_unplaced(call)
            return
        if (call.ns is not None and call.ns is not UNPLACED) or not call.number:
            if call.number and self._translated and not self.alive(call.number):
                self.settle(call, call.number)
            return
        if passed and len(self.fresh) <= MAX_COMPARED:
            able = [tid for tid in self.fresh if self._explains(call, self.candidates(tid))]
            if able:
                self._found(call, in_order(able)[0], GUESSED)
                return
        if call.ns is UNPLACED:
            return
        if passed:
            self.settle(call, call.number, SET_BACK.format(call.number))
        elif call.number > call.newest - FAR or self._is_near(call) or not follows:
            self.settle(call, call.number)
        else:
            call.guessed = True
            self.settle(call, call.number, FAR_BELOW.format(call.number))

    @staticmethod
    def _explains(call: Call, found: list[Call]) -> bool:
        return call in found and not any(other.dead for other in found)
