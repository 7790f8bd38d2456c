"""Whose child a task is that appears, where no number says it: calls are left out until one remains."""

from __future__ import annotations

from tracer.sources.strace.ordering.calls import MAX_COMPARED, Call, calls_in_order
from tracer.sources.strace.ordering.candidates import Candidates
from tracer.sources.strace.ordering.pidns import oldest_first
from tracer.sources.strace.ordering.state import State

ONLY_ONE = "number {} is of another pid namespace; no other call can have created {}"
BY_ORDER = "number {} is of another pid namespace; {} of the new tasks has the same place in the order"


Pair = tuple[Call, int, str]
"""A call, its child, and why, with room for the call's number and the child's."""


class Elimination:
    """Finds pairs. Changes nothing."""

    def __init__(self, state: State, candidates: Candidates) -> None:
        self._tasks = state.tasks
        self._calls = state.calls
        self._history = state.numbers.history
        self._candidates = candidates

    def pairs(self) -> list[Pair]:
        """Those for which there is no other way: one, or several that belong together."""
        if not self._tasks.fresh or max(len(self._calls.unsettled), len(self._tasks.fresh)) > MAX_COMPARED:
            return []
        return self._only_one() or self._by_order()

    def _only_one(self) -> list[Pair]:
        for tid, found in self._candidates.of_all().items():
            if any(self._candidates.is_open(call) for call in found):
                continue
            if len(found) > 1:
                found = [call for call in found if self._is_next(call, tid)]
            if len(found) == 1:
                return [(found[0], tid, ONLY_ONE)]
        return []

    def _by_order(self) -> list[Pair]:
        """As many calls as tasks: they belong together in the order of their numbers."""
        last = max(fresh.seq for fresh in self._tasks.fresh.values())
        calls = [call for call in self._calls.unsettled.values() if call.seq <= last]
        if len(calls) != len(self._tasks.fresh) or any(call.dead or self._candidates.is_open(call) for call in calls):
            return []
        pairs = list(zip(calls_in_order(calls), oldest_first(list(self._tasks.fresh)), strict=True))
        if not all(call in self._candidates.of(tid) for call, tid in pairs):
            return []
        return [(call, tid, BY_ORDER) for call, tid in pairs]

    def _is_next(self, call: Call, tid: int) -> bool:
        """Both numbers follow the last pair of the namespace, and nothing unknown lies between."""
        if call.ns is None or not call.ns.pairs or call.chosen or call.dead:
            return False
        inside, outside = max(call.ns.pairs)
        if call.number != inside + 1 or not 0 < tid - outside < 64:
            return False
        given = {record[4] for record in self._history}
        return all(between in given for between in range(outside + 1, tid))
