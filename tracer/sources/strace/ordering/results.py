"""What the number means that a clone call returned.

A call by a task of strace's own namespace says its child's number. It is taken for such a call unless the log shows
otherwise: the caller descends from CLONE_NEWPID, unshare or setns; or it got a number that a living task has, or one
below RESERVED_PIDS that was passed long ago (idr_alloc_cyclic() gives those again only after a write to ns_last_pid).
"""

from __future__ import annotations

from tracer.sources.strace.ordering.calls import Call
from tracer.sources.strace.ordering.pidns import FAR, RESERVED, UNPLACED
from tracer.sources.strace.ordering.state import State

NEXT = 8
"""A number so little above the last one follows it, in a counter that has been set back."""
NEIGHBOUR = 10
"""The kernel gives numbers so near to each other at about the same time, but where the counter is set."""
LINES_AROUND = 64
NEXT_LINES = 5
"""Of other kinds, such as signals, may stand between a result and the same one said again."""


OWN = "own"
"""The number is the child's, as strace sees it."""
PERHAPS_OWN = "perhaps own"
"""The same, unless the caller lives in a nested namespace."""
IN_USE = "in use"
"""A living task has it, or it was passed long ago: that task ends while the call is open, or the number is of another
namespace, or it is not the result."""
NESTED = "nested"
"""It is of a nested namespace, which shows that the caller lives in one."""
ODD = "odd"
"""It was passed already: later lines decide."""
NOTHING = "nothing"
"""By itself: it is of a nested namespace, or may be. Elimination finds the child."""


class Results:
    """Judges numbers. Changes nothing."""

    def __init__(self, state: State) -> None:
        self._shown, self._tasks, self._calls, self._numbers, self._places, _ = state

    def meaning(self, call: Call) -> str:
        """What the number means: one of the words above."""
        number = call.number
        if call.ns is UNPLACED:
            return self._meaning_unplaced(call)
        if call.ns is not None:
            return NOTHING
        if (
            (number not in self._tasks.fresh and self._tasks.alive(number))
            or self.is_said_again(call)
            or (self._contradicts(call) and call.end > 0)
        ):
            return IN_USE
        if self._contradicts(call) or self.was_there(call):
            return NESTED
        fits = self._numbers.is_near(number) and not self.was_passed(call)
        return OWN if number in self._tasks.fresh or call.chosen or fits else ODD

    def _meaning_unplaced(self, call: Call) -> str:
        """Is the number one of strace's namespace, as far as can be seen?"""
        number = call.number
        if number not in self._tasks.fresh:
            if self._tasks.alive(number) or self._contradicts(call):
                return NESTED
            if self.was_passed(call) or not self._numbers.is_near(number):
                return NOTHING
        # The counters of two namespaces start together, and do not meet again soon.
        far_up = number >= RESERVED and not (call.chosen or self._numbers.wraps)
        return OWN if far_up else PERHAPS_OWN

    def is_said_again(self, call: Call) -> bool:
        """No number is given twice in a row; but see creating.REFUSALS."""
        number, caller = call.number, call.tid
        if number in self._tasks.fresh:
            ends = [c.end for c in self._calls.unsettled.values() if c.number == number and c.tid != caller]
        else:
            ends = [r[10] for r in self._numbers.history if r[4] == number and r[3] != caller][-1:]
        return not call.chosen and any(0 < call.end - end < NEXT_LINES for end in ends)

    def was_there(self, call: Call) -> bool:
        """The task with this number showed itself before the call began, as far as its line tells (not with -z)."""
        if call.end <= call.at:
            return False
        fresh = self._tasks.fresh.get(call.number)
        return fresh is not None and fresh.seq < call.seq and not call.matched

    def was_passed(self, call: Call) -> bool:
        """The counter was above, which it is not again unless a write to ns_last_pid has set it back."""
        number, numbers, late = call.number, self._numbers, self._shown.late_calls
        behind = NEXT if late else 0  # the calls of others may have been told before this one
        follows = 0 < number - numbers.recent < NEXT and late
        passed = number < RESERVED and number <= call.newest - behind and not follows
        return passed and not (numbers.wraps or self._places.entered)

    def has_neighbours(self, call: Call, but: int = 0) -> bool:
        """Were numbers near this one given at that time? `but`: this one does not count."""
        lately = (record[4] for record in self._numbers.history if abs(record[1] - call.at) < LINES_AROUND)
        given = (number for number in (*lately, *self._tasks.fresh) if number != but)
        return any(0 < abs(number - call.number) <= NEIGHBOUR for number in given)

    def means_another(self, call: Call) -> bool:
        """The number's owner lives on, and so does the caller: it is one of a nested namespace."""
        in_use = self._shown.ends and self._tasks.alive(call.number)
        return in_use or (self._contradicts(call) and not self._places.translated)

    def _contradicts(self, call: Call) -> bool:
        """Numbers that small are not given again once the counter was so far above."""
        number = call.number
        return number < RESERVED and number + FAR < call.newest and not call.chosen and number not in self._tasks.fresh
