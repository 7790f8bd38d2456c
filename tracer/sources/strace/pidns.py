"""Numbers of nested pid namespaces.

Prefixes and notices carry the numbers that strace sees; what clone and wait4 return, and si_pid, are as the
tracee sees them. A namespace keeps which of its numbers is which task, and `Call` is a clone call whose child is
still to be found.
"""

from __future__ import annotations

from tracer.event import CLONE_NEWPID, CLONE_THREAD

FAR = 1000
"""The kernel hands out numbers in a row, so a returned number and a task that appears during the same call are
two numbers of one task in two namespaces if they are further apart than other tasks could have come between."""

WRAPPED = 20_000
"""A gap between new numbers from which on they began again at the bottom meanwhile (pid_max is 32768 or more)."""

ONLY_ONE = "number {} is of another pid namespace; {} is the only new task since the call began"
BY_ORDER = "number {} is of another pid namespace; {} of the new tasks has the same place in the order"


class Namespace:
    """A pid namespace as the log shows it."""

    __slots__ = ("last", "tasks")

    def __init__(self) -> None:
        self.last = (0, 0)
        """The last number that was handed out inside, and strace's number for the same task."""
        self.tasks: dict[int, int] = {}
        """Number inside -> strace's number, the last task that had it."""


ROOT = Namespace()
"""strace's own: numbers need no translation."""


class Call:
    """A clone call from its beginning until its child is known and announced."""

    __slots__ = (
        *(
            "at",
            "born",
            "child",
            "child_ns",
            "chosen",
            "dead",
            "exit_signal",
            "flags",
            "matched",
            "newest",
            "ns",
            "number",
        ),
        *("seq", "settled", "tid", "time"),
    )

    def __init__(self, seq: int, at: int, time: int | None, tid: int, ns: Namespace | None, newest: int) -> None:
        self.seq = seq
        self.at = at
        self.time = time
        self.tid = tid
        self.newest = newest
        """The last number that a task had got when the call began."""
        self.ns = ns
        """The caller's namespace; None where that is not known."""
        self.number = 0
        """What the call returned; 0 while it is open."""
        self.child = 0
        """strace's number of the child; 0 while that is not known."""
        self.child_ns: Namespace | None = ns
        self.flags = 0
        self.exit_signal = 0
        self.matched = ""
        self.dead = False
        """The caller was killed inside; perhaps it has created a task all the same."""
        self.chosen = False
        """The caller chose the number (set_tid), so it says nothing about the order."""
        self.settled = False
        """Nothing more will be known: `child` is right, or 0 for a call that created nothing that is traced."""
        self.born = False
        """The child's Clone event is out."""

    def contradicts(self, tid: int) -> bool:
        """A task that appeared with this number, and what the call returned, are numbers of two namespaces."""
        return abs(tid - self.number) > FAR or self.number < self.newest < tid

    def settle(self, child: int, ns_for_children: Namespace | None, matched: str = "") -> None:
        """The child is this one (0: none)."""
        self.settled = True
        self.child = child
        if matched and not self.matched:
            self.matched = matched
        if not child:
            return
        if self.flags & CLONE_THREAD:
            self.child_ns = self.ns
        elif ns_for_children is not None:
            self.child_ns = ns_for_children
        elif self.flags & CLONE_NEWPID:
            self.child_ns = Namespace()
        elif self.ns is ROOT:
            # Perhaps an unshare or setns was left out of the trace: what the child's own calls return will tell.
            self.child_ns = None
        else:
            self.child_ns = self.ns
        if self.child_ns is not self.ns and self.child_ns is not None and not self.child_ns.tasks:
            self.child_ns.tasks[1] = child
        if self.ns is not None and self.ns is not ROOT and self.number:
            self.ns.tasks[self.number] = child
            if not self.chosen:
                self.ns.last = (self.number, child)


def in_order(numbers: list[int]) -> list[int]:
    """Numbers in the order in which the kernel handed them out: upwards, and from the bottom again after the top."""
    numbers = sorted(numbers)
    for place in range(1, len(numbers)):
        if numbers[place] - numbers[place - 1] > WRAPPED:
            return numbers[place:] + numbers[:place]
    return numbers


def calls_in_order(waiting: list[Call]) -> list[Call]:
    """Calls in the order in which their children got their numbers, as far as these tell."""
    if any(call.ns is not waiting[0].ns for call in waiting):
        return sorted(waiting, key=lambda call: call.seq)  # numbers of several namespaces cannot be compared
    by_number = {call.number: call for call in waiting if not call.chosen}
    ordered = [by_number[number] for number in in_order(list(by_number))]
    for call in waiting:
        if call.chosen or by_number.get(call.number) is not call:
            place = next((i for i, other in enumerate(ordered) if other.seq > call.seq), len(ordered))
            ordered.insert(place, call)
    return ordered
