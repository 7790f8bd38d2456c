"""When a number was given, by those of its neighbours."""

from __future__ import annotations

from tracer.sources.strace.ordering.counter import windows
from tracer.sources.strace.records import CLONED, Record


def given(*calls: tuple[int, int, int]) -> list[Record]:
    """Calls by first line, last line, number."""
    return [(CLONED, begin, None, 1, number, 0, 17, 0, "", False, end) for begin, end, number in calls]


def test_between_the_call_of_the_next_lower_number_and_that_of_the_next_higher() -> None:
    history = given((1, 2, 640), (5, 9, 642), (7, 8, 644), (12, 15, 645))
    assert windows(history, 643, 30, begins_again=False) == [(5, 8)]
    assert windows(history, 646, 30, begins_again=False) == [(12, 30)]


def test_each_pass_of_a_counter_that_was_set_back_is_a_time_of_its_own() -> None:
    history = given((1, 2, 640), (3, 4, 900), (5, 6, 901), (7, 8, 640), (9, 10, 642), (20, 21, 1400))
    assert windows(history, 641, 30, begins_again=True) == [(1, 4), (7, 10)]
    assert windows(history, 643, 30, begins_again=True) == [(1, 4), (9, 21)]
    assert windows(history, 899, 30, begins_again=True) == [(1, 4)]


def test_a_number_far_from_all_others_may_have_been_given_at_any_time() -> None:
    assert windows(given((1, 2, 640), (3, 4, 300)), 5000, 30, begins_again=True) == [(0, 30)]
