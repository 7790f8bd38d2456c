"""When was a number given? The kernel's counter (idr_alloc_cyclic() in alloc_pid()) as the log shows it.

Numbers go up by one. So a task got its number after the call that gave the next lower one began, and before the call
that gave the next higher one had returned. Where the counter has begun again (at the top, or set back by a write to
ns_last_pid) that holds for each pass of its own, and a number may have been given in any pass that has others near it.
"""

from __future__ import annotations

from collections.abc import Iterable

from tracer.sources.strace.ordering.pidns import WRAPPED
from tracer.sources.strace.records import Record

NEAR = 32
"""Calls that overlap can return in another order than their numbers'; more than so many numbers back is a new pass."""

Window = tuple[int, int]
"""First and last line."""


def windows(history: Iterable[Record], tid: int, at: int, begins_again: bool) -> list[Window]:
    """Where the kernel can have given the number to a task that shows itself at line `at`, one at least.

    `history`: CLONED records in the order of the log. `begins_again`: the counter was seen to go down.
    """
    if not begins_again:
        low, high = _window(history, tid, at)
        return [(low, high)] if low <= high else [(0, at)]
    found = []
    before: Record | None = None
    passes = _passes(history)
    for part, after in zip(passes, [*passes[1:], []], strict=True):
        numbers = [record[4] for record in part]
        if min(numbers) - NEAR <= tid <= max(numbers) + NEAR:
            low, high = _window(part, tid, at)
            if before is not None and tid < min(numbers):
                low = max(low, before[1])
            if after and tid > max(numbers):
                high = min(high, after[0][10] or high)
            if low <= high:
                found.append((low, high))
        before = part[-1]
    return found or [(0, at)]


def _window(part: Iterable[Record], tid: int, at: int) -> Window:
    low, high = 0, at
    for record in part:
        begin, number, end = record[1], record[4], record[10]
        if number < tid:
            if begin > low and tid - number < WRAPPED:
                low = begin
        elif number > tid and end and end < high and number - tid < WRAPPED:
            high = end
    return low, high


def _passes(history: Iterable[Record]) -> list[list[Record]]:
    """The history cut where the counter began again."""
    passes: list[list[Record]] = []
    highest = 0
    for record in history:
        number = record[4]
        if not passes or not highest - NEAR < number < highest + 10 * NEAR:
            passes.append([])
            highest = number
        passes[-1].append(record)
        highest = max(highest, number)
    return passes
