"""Each task has one creator, and each call has created one task: what that leaves of who can have created whom."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Task = TypeVar("Task", bound=Hashable)
Call = TypeVar("Call", bound=Hashable)

MAX_TASKS = 64
"""So many at once are looked at; each is compared with each."""


def shares(able: Mapping[Task, Sequence[Call]]) -> dict[Task, list[Call]]:
    """`able`: for each task all calls that can have created it. Left out are those with which some task would get none.

    Where the tasks cannot all have a call, nothing is left out.
    """
    given: dict[Call, Task] = {}
    if len(able) > MAX_TASKS or not all(_give(task, able, given, set()) for task in able):
        return {task: list(calls) for task, calls in able.items()}
    own = {task: call for call, task in given.items()}
    content = {task for task, calls in able.items() if any(call not in given for call in calls)}
    reached = {task: _reached(task, able, given) for task in able}

    def is_possible(task: Task, call: Call) -> bool:
        """The one that has the call can take another one, and so on, up to a call that is free."""
        if call not in given or own[task] == call:
            return True
        ways = reached[given[call]]
        return task in ways or not ways.isdisjoint(content)

    return {task: [call for call in calls if is_possible(task, call)] for task, calls in able.items()}


def _give(task: Task, able: Mapping[Task, Sequence[Call]], given: dict[Call, Task], tried: set[Call]) -> bool:
    """Give the task a call, and those that lose theirs another one."""
    for call in able[task]:
        if call in tried:
            continue
        tried.add(call)
        if call not in given or _give(given[call], able, given, tried):
            given[call] = task
            return True
    return False


def _reached(task: Task, able: Mapping[Task, Sequence[Call]], given: Mapping[Call, Task]) -> set[Task]:
    """The tasks that lose their call, at most, when this one loses its own."""
    found = {task}
    for each in (waiting := [task]):
        new = {given[call] for call in able[each] if call in given} - found
        found |= new
        waiting += new
    return found
