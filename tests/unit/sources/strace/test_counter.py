"""When a number was given, by those of its neighbours."""

from __future__ import annotations

import pytest

from tracer.sources.strace.ordering.counter import Given, descents, given, in_order, nobodys
from tracer.sources.strace.records import CLONED, Record


def called(*calls: tuple[int, int, int]) -> list[Record]:
    """Calls by first line, last line, number."""
    return [(CLONED, begin, None, 1, number, 0, 17, 0, "", False, end) for begin, end, number in calls]


def test_between_the_call_of_the_next_lower_number_and_that_of_the_next_higher() -> None:
    history = called((1, 2, 640), (5, 9, 642), (7, 8, 644), (12, 15, 645))
    assert in_order(history, 643, 30) == (5, 8, 643)
    assert in_order(history, 646, 30) == (12, 30, 646)


def test_where_the_lines_contradict_each_other_the_counter_has_begun_again() -> None:
    assert in_order(called((1, 2, 640), (3, 4, 300)), 350, 3) is None


def test_a_task_has_its_number_before_it_acts() -> None:
    history = [*called((1, 9, 5)), (CLONED, 4, None, 5, 6, 0, 17, 0, "", False, 6)]
    assert given(history, [], 10) == [(2, 8, 5), (8, 13, 6)]
    assert given(history, [(3, 5), (5, 6)], 10) == [(2, 6, 5), (8, 10, 6)]
    assert given(called((1, 0, 5), (3, 4, 5)), [(2, 1), (6, 5)], 10) == [(2, 12, 5), (6, 9, 5)]


@pytest.mark.parametrize(
    ("calls", "count"),
    [
        pytest.param([(1, 2, 5), (3, 4, 6), (5, 6, 9)], 0, id="upwards"),
        pytest.param([(1, 2, 5), (3, 4, 9), (5, 6, 7)], 1, id="once down"),
        pytest.param([(1, 9, 7), (3, 4, 5), (5, 6, 6)], 0, id="who began first may have been last"),
        pytest.param([(1, 2, 7), (3, 4, 7), (5, 6, 8), (7, 8, 7)], 2, id="a number twice, and again"),
        pytest.param([(1, 20, 8), (2, 3, 5), (4, 5, 9), (6, 7, 5), (8, 9, 9)], 1, id="it was given in either round"),
        pytest.param([(1, 9, 7), (1, 3, 7), (2, 4, 8)], 1, id="of the same numbers the one first that has less time"),
    ],
)
def test_how_often_the_counter_went_down(calls: list[tuple[int, int, int]], count: int) -> None:
    assert descents([Given(*call) for call in calls]) == count
    assert descents([Given(*call) for call in reversed(calls)]) == count


def test_a_call_that_is_known_to_say_nothing_explains_a_task_before_others_are_doubted() -> None:
    """The counter refutes the second number; the task that nobody has created is its child, and the first stands."""
    history = called((1, 9, 640), (2, 10, 900), (11, 12, 642))
    doubted = [(1, 1), (1, 2)]
    assert nobodys(history, doubted, []) == {(1, 2)}
    assert nobodys(history, doubted, [(641, 11)]) == {(1, 2)}
