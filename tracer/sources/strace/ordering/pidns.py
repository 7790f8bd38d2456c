"""Numbers of nested pid namespaces, and the clone calls that return them.

Prefixes and notices carry the numbers that strace sees; what clone and wait4 return, and si_pid, are as the
tracee sees them. alloc_pid() (kernel/pid.c) gives a task one number in its own namespace and in each around it, all at
the same time, and idr_alloc_cyclic() hands them out upwards: so among the tasks of one namespace the order of its
numbers is the order of strace's numbers, and the order of birth.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from tracer.event import CLONE_NEWPID, CLONE_THREAD

RESERVED = 300
"""RESERVED_PIDS: after the top, numbers begin again here; below, each is given once (but for set_tid)."""

FAR = 1000
"""A number of strace's own namespace is not further than this from the last one: other tasks took those between."""

WRAPPED = 20_000
"""A gap between new numbers from which on they began again at the bottom meanwhile (pid_max is 32768 or more)."""

MAX_PAIRS = 64


class Namespace:
    """A nested pid namespace as the log shows it."""

    __slots__ = ("guessed", "joined", "pairs", "supposed", "tasks")

    def __init__(self, joined: bool = False, supposed: bool = False) -> None:
        self.joined = joined
        """Entered by setns: its init is not the first task that is seen in it."""
        self.supposed = supposed
        """No call was seen that makes or enters it: numbers that fit nowhere else are its only sign."""
        self.tasks: dict[int, int] = {}
        """Number inside -> strace's number, the last task that had it."""
        self.guessed: set[int] = set()
        """Those numbers that were matched: what the kernel tells by them is no proof."""
        self.pairs: list[tuple[int, int]] = []
        """The last numbers that the kernel chose inside, with strace's numbers of the same tasks."""

    def learn(self, inside: int, outside: int, chosen: bool, guessed: bool = False) -> None:
        """This number means this task."""
        self.tasks[inside] = outside
        if guessed:
            self.guessed.add(inside)
        else:
            self.guessed.discard(inside)
        if not chosen:
            self.pairs.append((inside, outside))
            if len(self.pairs) > MAX_PAIRS:
                del self.pairs[0]

    def agrees(self, inside: int, outside: int) -> bool:
        """The pair is in the order of those that are known, as far as strace's counter has not begun again between."""
        near = sorted(pair for pair in self.pairs if inside < RESERVED or abs(inside - pair[0]) < WRAPPED)
        place = bisect_left(near, (inside, 0))
        earlier, later = _up_to_wrap(outside, reversed(near[:place])), _up_to_wrap(outside, near[place:])
        return all(other < outside for other in earlier) and all(other >= outside for other in later)


def _up_to_wrap(outside: int, pairs: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Strace's numbers of these, from that of the one beside them on."""
    for _, other in pairs:
        if abs(other - outside) >= WRAPPED:
            return
        yield other
        outside = other


class _Unplaced(Namespace):
    """Strace's own namespace, or a nested one: its numbers are taken for strace's, and prove nothing."""

    __slots__ = ()

    def learn(self, inside: int, outside: int, chosen: bool, guessed: bool = False) -> None:
        """Shared by tasks of many namespaces: nothing is kept."""

    def agrees(self, inside: int, outside: int) -> bool:
        """Nothing is known that the pair could contradict."""
        return True


UNPLACED: Final[Namespace] = _Unplaced(joined=True)


class Call:
    """A clone call from its beginning until its child is known and announced."""

    __slots__ = (
        *("at", "below", "born", "child", "child_ns", "chosen", "dead", "doubted", "end", "exit_signal", "flags"),
        *("gone", "guessed", "matched", "newest", "ns", "number", "over", "passed", "real", "reuses", "seq"),
        *("settled", "taken", "tid", "time", "unsure", "untold"),
    )

    def __init__(
        self,
        seq: int,
        at: int,
        time: int | None,
        tid: int,
        ns: Namespace | None,
        below: Namespace | None,
        newest: int,
    ) -> None:
        self.seq = seq
        self.at = at
        self.end = 0
        """The line where it returned, or its caller died; 0 where that is not known."""
        self.time = time
        self.tid = tid
        self.newest = newest
        """The highest number of strace's namespace that was in use or past when the call began."""
        self.ns = ns
        """The caller's namespace; None for strace's own."""
        self.below = below
        """The one that unshare or setns has chosen for the caller's children; None: its own."""
        self.number = 0
        """What the call returned; 0 while it is open."""
        self.real = 0
        """What strace calls that, where the line says so."""
        self.child = 0
        """strace's number of the child; 0 while that is not known."""
        self.child_ns: Namespace | None = ns
        self.flags = 0
        self.exit_signal = 0
        self.matched = ""
        """Why `child` is thought to be the one; '' where the log says so."""
        self.guessed = False
        """With `matched`: the child may as well be another call's, or of another kind."""
        self.unsure = False
        """It is not known yet whether the number is one of strace's namespace."""
        self.dead = False
        """The caller was killed inside; perhaps it has created a task all the same (copy_process() was through)."""
        self.doubted = False
        """The caller was killed, and nothing is told of it after this: what stands as the result may be another's."""
        self.untold = False
        """`dead` in so far as it will never say whom it created; its caller lives on (`untold`)."""
        self.chosen = 0
        """The number that the caller wants (set_tid), or -1, where 0 is the kernel's choice. It is in no order."""
        self.settled = False
        """Nothing more will be known: `child` is right, or 0 for a call that created nothing that is traced."""
        self.passed = False
        """Reading has gone on without the child; it is announced when it shows itself."""
        self.over = 0
        """The line of the caller's next execve, which ended the thread that the call made, if it made one."""
        self.gone = 0
        """A call of a dead task that makes a thread: the line before which the end of each such thread was told."""
        self.reuses = False
        """The number's last owner ended while the call was open."""
        self.taken = False
        """Some task had the number when the call returned, as far as was known."""
        self.born = False
        """The child's Clone event is out."""

    def settle(self, child: int, matched: str = "") -> None:
        """The child is this one (0: none)."""
        self.settled = True
        self.child = child
        if matched and not self.matched:
            self.matched = matched
        if not child:
            return
        if self.flags & CLONE_THREAD:
            self.child_ns = self.ns
        elif self.flags & CLONE_NEWPID:
            self.child_ns = Namespace()
        else:
            self.child_ns = self.ns if self.below is None else self.below
        inside = self.child_ns
        if inside is not None and inside is not self.ns and not inside.tasks and not inside.joined:
            inside.learn(1, child, chosen=False, guessed=bool(matched))
        if self.ns is not None and self.number:
            self.ns.learn(self.number, child, bool(self.chosen), bool(matched))


def in_order(numbers: list[int]) -> list[int]:
    """Numbers in the order in which the kernel handed them out: upwards, and from the bottom again after the top."""
    numbers = sorted(numbers)
    for place in range(1, len(numbers)):
        if numbers[place] - numbers[place - 1] > WRAPPED:
            return numbers[place:] + numbers[:place]
    return numbers


def calls_in_order(calls: list[Call]) -> list[Call]:
    """Calls in the order in which their children got their numbers, as far as these tell."""
    if any(call.ns is not calls[0].ns for call in calls):
        return sorted(calls, key=lambda call: call.seq)  # numbers of several namespaces cannot be compared
    by_number = {call.number: call for call in calls if not call.chosen}
    ordered = [by_number[number] for number in in_order(list(by_number))]
    for call in calls:
        if call.chosen or by_number.get(call.number) is not call:
            place = next((i for i, other in enumerate(ordered) if other.seq > call.seq), len(ordered))
            ordered.insert(place, call)
    return ordered
