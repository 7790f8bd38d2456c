"""Who can have created whom, where each call has created one task."""

from __future__ import annotations

import itertools
import random

from tracer.sources.strace.ordering.sharing import MAX_TASKS, shares


def in_all_ways(able: dict[str, list[int]]) -> dict[str, list[int]]:
    """The same by trying all ways."""
    tasks = list(able)
    ways = [way for way in itertools.product(*able.values()) if len(set(way)) == len(way)]
    if not ways:
        return able
    return {task: [call for call in able[task] if any(way[i] == call for way in ways)] for i, task in enumerate(tasks)}


def test_who_has_only_one_takes_it_from_the_others() -> None:
    assert shares({"a": [1], "b": [1, 2], "c": [2, 3]}) == {"a": [1], "b": [2], "c": [3]}


def test_two_have_two_between_them() -> None:
    assert shares({"a": [1, 2], "b": [1, 2], "c": [1, 2, 3]}) == {"a": [1, 2], "b": [1, 2], "c": [3]}


def test_one_that_is_free_leaves_all_open() -> None:
    able = {"a": [1, 2], "b": [2, 3]}
    assert shares(able) == able


def test_where_one_would_get_none_all_stays() -> None:
    able: dict[str, list[int]] = {"a": [1], "b": [1], "c": [1, 2]}
    assert shares(able) == able
    assert shares({"a": [1, 2], "b": []}) == {"a": [1, 2], "b": []}


def test_it_is_what_all_ways_together_leave() -> None:
    chance = random.Random(7)
    for _ in range(300):
        calls = range(chance.randrange(1, 6))
        able = {task: [call for call in calls if chance.random() < 0.5] for task in "abcde"[: chance.randrange(1, 6)]}
        assert shares(able) == in_all_ways(able)


def test_more_than_it_looks_at() -> None:
    able = {task: [0, task] for task in range(MAX_TASKS + 1)}
    assert shares(able) == able
