"""Records about which nothing is in doubt, as almost all of a log are: their events at once.

The number is near the last one, the task is known and lives in strace's own pid namespace, and nothing is waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from tracer.event import CLONE_NEWPID, CLONE_PARENT, CLONE_UNTRACED, ChildSignal, Clone, Exec, Exit, ExitBegin, Reap
from tracer.life import Life
from tracer.sources.strace.ordering.announced import Announced
from tracer.sources.strace.ordering.making import Maker
from tracer.sources.strace.ordering.pidns import FAR, RESERVED
from tracer.sources.strace.ordering.state import State
from tracer.sources.strace.records import (
    CHILD_SIGNAL,
    CLONED,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    GAP,
    REAP,
    RUN,
    SEEN,
    Record,
)
from tracer.sources.strace.runs import Plan

_CLONE_REST = (0, "", 0, (), 0, 0, False, 0)
"""Clone's fields from `ns_child` on, where there is nothing to say."""

_SELDOM = CLONE_NEWPID | CLONE_PARENT | CLONE_UNTRACED
"""Where there is more to say."""

_new = tuple.__new__


class Quick:
    """For when no record is kept back."""

    def __init__(self, state: State, maker: Maker, out: Announced, condense: bool) -> None:
        self._shown, self._numbers, self._places = state.shown, state.numbers, state.places
        self._settled = state.calls.settled
        self._open = state.calls.open
        self._noted = state.tasks.noted
        self._out = out
        self._known = out.known
        self._early = maker.ends.early
        self._programs = maker.programs
        self._condense = condense
        self.plans: dict[int, Plan] = {}
        """The table that RUN records refer to."""

    def by_kind(self) -> list[Callable[[Record], bool]]:
        """For each kind what makes a record's events: False if there may be more to it, and nothing has been done."""
        kinds: list[Callable[[Record], bool]] = [_is_slow] * (GAP + 1)
        kinds[CLONED], kinds[RUN] = self._cloned, self._life
        kinds[SEEN], kinds[EXEC] = self._seen, self._exec
        kinds[EXIT_BEGIN], kinds[EXIT] = self._exit_begin, self._exit
        kinds[REAP], kinds[CHILD_SIGNAL] = self._reap, self._child_signal
        return kinds

    def _is_next(self, tid: int, child: int) -> bool:
        """Nothing is in doubt about a birth with such a number, as far as it has told whom it created."""
        numbers = self._numbers
        return (
            self._known.get(tid, self) is None
            and -FAR < child - numbers.recent < FAR
            and (child > numbers.newest or child >= RESERVED)
            and child not in self._known
            and not (tid in self._open or tid in self._noted)
            and not (self._places.next_ns or self._settled)
        )

    def _cloned(self, record: Record) -> bool:
        _, _, _, tid, child, flags, _, real, matched, chosen, _ = record
        places = self._places
        if real or matched or chosen or flags & _SELDOM or places.anywhere or not self._is_next(tid, child):
            return False
        if (places.unplaced or places.roaming) and not places.inherits_place(tid, child):
            return False
        numbers = self._numbers
        numbers.show(tid)
        numbers.recent = child
        numbers.history.append(record)
        self._known[child] = None
        self._out.events.append(_new(Clone, record[1:7] + _CLONE_REST))
        return True

    def _life(self, record: Record) -> bool:
        """A whole life."""
        _, at, times, tid, child, number = record
        if not (self._shown.ends and self._is_next(tid, child)):
            return False
        places, numbers = self._places, self._numbers
        if places.unplaced:
            places.inherits_place(tid, child)
        numbers.recent = child
        numbers.show(child)
        plan = self.plans[number]
        numbers.history.append((CLONED, at, None, tid, child, 0, 0, 0, "", False, at + plan.clone_end))
        course = plan.course
        if self._condense and course is not None and times is None:
            self._out.events.append(_new(Life, (at, None, tid, child, course)))
            self._out.condensed += course.size - 1
        else:
            self._out.events += plan.events(at, times, tid, child)
        return True

    def _seen(self, record: Record) -> bool:
        tid = record[3]
        if tid not in self._known or tid in self._open or tid in self._noted:
            return False
        self._numbers.show(tid)
        return True

    def _exec(self, record: Record) -> bool:
        tid = record[3]
        if tid not in self._known or tid in self._open or tid in self._noted or record[4] != tid or not record[5]:
            return False
        self._numbers.show(tid)
        self._out.events.append(_new(Exec, record[1:5] + self._programs[record[5]]))
        return True

    def _exit_begin(self, record: Record) -> bool:
        tid = record[3]
        if tid not in self._known or not self._shown.ends:
            return False
        self._numbers.show(tid)
        self._out.events.append(_new(ExitBegin, record[1:]))
        return True

    def _is_plain(self, tid: int) -> bool:
        """The task lives in strace's namespace, and its records mean no more than they say."""
        return self._known.get(tid, self) is None and tid not in self._open and tid not in self._noted

    def _exit(self, record: Record) -> bool:
        tid = record[3]
        if not (self._shown.ends and self._is_plain(tid)) or tid in self._out.attached:
            return False
        del self._known[tid]
        self._out.events.append(_new(Exit, record[1:]))
        return True

    def _reap(self, record: Record) -> bool:
        if not self._is_plain(record[3]) or record[6] or record[4] in self._known or self._places.anywhere:
            return False
        self._out.events.append(_new(Reap, record[1:6]))
        return True

    def _child_signal(self, record: Record) -> bool:
        child = record[4]
        if not self._is_plain(record[3]) or record[5] or self._places.anywhere:
            return False
        if child in self._early or child in self._known:
            return False
        self._out.events.append(_new(ChildSignal, record[1:5]))
        return True


def _is_slow(_: Record) -> bool:
    """There is always more to it."""
    return False
