"""When was a number given? The kernel's counter (idr_alloc_cyclic() in alloc_pid()) as the log shows it.

Numbers go up by one. So a task got its number after the call that gave the next lower one began, and before the call
that gave the next higher one had returned. Where the counter has begun again (at the top, or set back by a write to
ns_last_pid), it has so no more often than the numbers ask for.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from tracer.sources.strace.ordering.pidns import WRAPPED
from tracer.sources.strace.records import Record

NEVER = 1 << 62


Claim = tuple[int, int]
"""A call: its caller, and its first line."""


class Given(NamedTuple):
    """A number, and the lines between which the kernel gave it."""

    begin: int
    end: int
    number: int


def in_order(history: Iterable[Record], tid: int, at: int) -> Given | None:
    """The number of a task that shows itself at line `at`; None if the counter has begun again meanwhile.

    `history`: CLONED records.
    """
    low, high = 0, at
    for record in history:
        begin, number, end = record[1], record[4], record[10]
        if number < tid:
            if begin > low and tid - number < WRAPPED:
                low = begin
        elif number > tid and end and end < high and number - tid < WRAPPED:
            high = end
    return Given(low, high, tid) if low <= high else None


def given(history: Sequence[Record], acts: Iterable[tuple[int, int]], until: int) -> list[Given]:
    """The numbers of these CLONED records, in half lines: a task has its number before the first line where it acts.

    `acts`: (line, number of the task), to which the calls of the history are added. `until`: the line of now.
    """
    by_number: dict[int, list[int]] = {}
    for line, tid in sorted([*acts, *((record[1], record[3]) for record in history)]):
        by_number.setdefault(tid, []).append(line)
    found = []
    for record in history:
        begin, number, end = record[1], record[4], 2 * (record[10] or until) + 1
        lines = by_number.get(number, ())
        later = bisect_right(lines, begin)
        found.append(Given(2 * begin, min(end, 2 * lines[later]) if later < len(lines) else end, number))
    return found


def nobodys(
    history: Sequence[Record], doubted: Collection[Claim], unexplained: Iterable[tuple[int, int]]
) -> set[Claim]:
    """Of the calls whose results may be none those that the counter asks for, and that have created others.

    `doubted`: calls by caller and first line. `unexplained`: tasks that nobody else can have created, and where each
    showed itself.
    """
    last = max((record[10] for record in history), default=0)
    before = [record for record in history if (record[3], record[1]) not in doubted]
    count = descents(given(before, [], last))
    claims = {(record[3], record[1]): record for record in history if (record[3], record[1]) in doubted}
    found = {claim for claim, record in claims.items() if descents(given([*before, record], [], last)) > count}
    free = set(found)
    for tid, at in unexplained:
        costs: dict[Claim, int] = {}
        for claim, record in claims.items():
            if record[1] < at:
                instead = (*record[:4], tid, *record[5:10], min(record[10], at))
                others = [other for it, other in claims.items() if it != claim and it not in found]
                costs[claim] = descents(given([*before, *others, instead], [], last))
        least = min(costs.values(), default=0)
        able = {claim for claim in costs if costs[claim] == least}
        if able.isdisjoint(free):
            found |= able
            free |= able
        free -= {min(able & free, default=(0, 0))}  # a call creates one
    return found


def descents(given: Iterable[Given]) -> int:
    """How often the counter went down, at least, to give these numbers.

    It goes up as far as it can: the next number above is given, as long as none is left behind whose time is over.
    """
    waiting = sorted(set(given), reverse=True)
    ends = sorted((one.end, one.number, one.begin) for one in waiting)
    able: list[tuple[int, int, int]] = []
    done: set[tuple[int, int, int]] = set()
    count = cursor = first = 0
    for _ in range(len(ends)):
        while ends[first] in done:
            first += 1
        while waiting and (waiting[-1].begin < ends[first][0] or not able):
            begin, end, number = waiting.pop()
            insort(able, (number, end, begin))
        place = bisect_right(able, (cursor, NEVER, NEVER))
        if place == len(able):
            count += 1
            place = 0
        cursor, end, begin = able.pop(place)
        done.add((end, cursor, begin))
    return count
