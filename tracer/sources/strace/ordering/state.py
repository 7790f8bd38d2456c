"""All that is known where the log is read. The rules that births are found by take from it what they need."""

from __future__ import annotations

from typing import NamedTuple

from tracer.sources.strace.ordering.calls import Calls
from tracer.sources.strace.ordering.numbers import Numbers
from tracer.sources.strace.ordering.places import Places
from tracer.sources.strace.ordering.shown import Shown
from tracer.sources.strace.ordering.strangers import Strangers
from tracer.sources.strace.ordering.tasks import Tasks


class State(NamedTuple):
    """Each part keeps itself in order, and has a module of its own."""

    shown: Shown
    tasks: Tasks
    calls: Calls
    numbers: Numbers
    places: Places
    strangers: Strangers


def at_the_start(late_calls: bool, shows_ends: bool) -> State:
    """Nothing has been read. `late_calls`, `shows_ends`: what is known of the log all the same."""
    shown, tasks, calls, numbers = Shown(late_calls, shows_ends), Tasks(), Calls(), Numbers()
    places = Places(shown, tasks, calls, numbers)
    return State(shown, tasks, calls, numbers, places, Strangers(shown, calls, numbers, places))
