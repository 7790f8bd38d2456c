"""The numbers that the kernel gave, as far as the log shows them: the last ones, those that were passed, and whose.

`counter` reckons when a number was given; this is what it reckons with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from tracer.sources.strace.ordering.calls import Call
from tracer.sources.strace.ordering.pidns import FAR, RESERVED, WRAPPED
from tracer.sources.strace.ordering.tasks import Fresh
from tracer.sources.strace.records import CLONED, Record

MAX_HISTORY = 1000


class Numbers:
    """The counter of strace's pid namespace."""

    def __init__(self) -> None:
        self.newest = 0
        """The highest number that a task has appeared with, chosen ones left out."""
        self.recent = 0
        """The last one."""
        self.chosen: set[int] = set()
        """Numbers that the caller has chosen (set_tid)."""
        self.wraps = False
        """Numbers have begun again, in a space smaller than WRAPPED or by a write to ns_last_pid: no order any more."""
        self.history: deque[Record] = deque(maxlen=MAX_HISTORY)
        """CLONED records, with strace's numbers, of the last children whose numbers the kernel chose."""
        self.noticed: deque[tuple[int, int]] = deque(maxlen=MAX_HISTORY)
        """Notices that a task is attached: line, number. It had its number by then, though its call returned later."""
        self.over_by: dict[int, int] = {}
        """-ff: where a call began -> its caller's next line, before which it has returned."""

    def show(self, tid: int) -> None:
        """A task acts that has this number."""
        if tid > self.newest and tid not in self.chosen:
            self.newest = tid

    def give(self, call: Call, child: int, fresh: Fresh | None) -> None:
        """The call has created this task; `fresh`: it had appeared."""
        if call.chosen:
            self.chosen.add(call.number if call.ns is None else child)
            return
        if child < call.newest < child + WRAPPED and call.ns is None and call.number == child:
            self.wraps = self.wraps or child >= RESERVED or fresh is not None
        self.recent = child
        end = min(call.end, fresh.at) if fresh is not None and call.end else call.end
        self.history.append((CLONED, call.at, None, call.tid, child, call.flags, 0, 0, "", False, end))

    def with_returns(self) -> Sequence[Record]:
        """`history`, with `over_by` where no line tells of the return."""
        if not self.over_by:
            return self.history
        return [r if r[10] else (*r[:10], self.over_by.get(r[1], 0)) for r in self.history]

    def last_given(self, number: int) -> Record | None:
        """The last of `history` that gave the number."""
        return next((record for record in reversed(self.history) if record[4] == number), None)

    def is_given_again(self, number: int, at: int, returned: bool = False) -> bool:
        """At that line the call that gives a number another time had not returned, or, `returned`, perhaps had."""
        last = self.last_given(number)
        if last is None or at < last[1] or (at > last[10] and not returned):
            return False
        return any(record[4] == number and record is not last for record in self.history)

    def is_near(self, number: int) -> bool:
        """Is it as near to the last one as a number of strace's own namespace is?"""
        return -FAR < number - self.recent < FAR

    def is_after(self, tid: int, call: Call) -> bool:
        """Numbers go upwards, so the task's was given after the call began."""
        return tid > call.newest or call.newest - tid > WRAPPED or tid in self.chosen
