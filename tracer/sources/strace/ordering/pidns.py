"""Numbers of nested pid namespaces.

Prefixes and notices carry the numbers that strace sees; what clone and wait4 return, and si_pid, are as the
tracee sees them. alloc_pid() (kernel/pid.c) gives a task one number in its own namespace and in each around it, all at
the same time, and idr_alloc_cyclic() hands them out upwards: so among the tasks of one namespace the order of its
numbers is the order of strace's numbers, and the order of birth.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

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


def oldest_first(numbers: list[int]) -> list[int]:
    """Numbers in the order in which the kernel handed them out: upwards, and from the bottom again after the top."""
    numbers = sorted(numbers)
    for place in range(1, len(numbers)):
        if numbers[place] - numbers[place - 1] > WRAPPED:
            return numbers[place:] + numbers[:place]
    return numbers
