"""Short lives that leave nothing behind are never built: they are counted where they would be counted once dead, and
told in the words that were found for one like them.

Alike are lives of one creator, as it is now, that ran the same program and ended the same way. The first goes event by
event through the engine; what it looked like then is remembered, unless it has to do with containers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from tracer.event import Clone, Event, Lost, Reap
from tracer.graph import DEAD, RUNNING, Process, Program
from tracer.life import ShortLife
from tracer.live.finished import FinishedCounts
from tracer.reconstruct.state import State
from tracer.runtime import claims
from tracer.runtime.containers import Names
from tracer.runtime.roles import Roles

KEPT = 4096
"""Looks that are remembered; then the table begins anew."""

_HARMLESS = frozenset({Clone, Reap})
"""What a creator may do without looking different."""
Feed = Callable[[list[Event]], None]


class LifeTeller(Protocol):
    """Who wants to tell of a life that was not built."""

    def learn(self, process: Process) -> tuple[str, ...] | None:
        """The words for lives like that of this process, which is dead; None: they are to be told event by event."""
        ...

    def tell_life(self, life: ShortLife, words: tuple[str, ...]) -> None:
        """Tell of one."""
        ...


class Untold:
    """For who tells nobody, or tells of all before."""

    def learn(self, process: Process) -> tuple[str, ...]:
        """No words are needed."""
        return ()

    def tell_life(self, life: ShortLife, words: tuple[str, ...]) -> None:
        """Nothing is told."""


class _Look(NamedTuple):
    mother: Process
    comm: str
    """This and the next two are the mother's."""
    program: Program | None
    cgroup: str
    kind: str
    """As it is counted."""
    words: tuple[str, ...] | None
    """None: lives like this are to be built."""


_Key = tuple[int, tuple[str, tuple[str, ...], bool] | None, int]


class ShortLives:
    """What short lives looked like; `count` is that of those that were not built."""

    def __init__(self, state: State, finished: FinishedCounts, names: Names, roles: Roles, teller: LifeTeller) -> None:
        self.count = 0
        self._state = state
        self._finished = finished
        self._names = names
        self._roles = roles
        self._teller = teller
        self._looks: dict[_Key, _Look] = {}

    def take(self, items: list[Event | ShortLife], tell_last: int | None, feed: Feed) -> list[Event]:
        """Count and tell the lives like those known; gives the rest as events, in order, as far as it was not fed.

        tell_last   so many of the last events are always given; the lives before them are not told. None: all are.
        feed        called with what is to be applied before a life can be looked at
        """
        end = len(items) if tell_last is None else _before_last(items, tell_last)
        tell = self._teller.tell_life if tell_last is None else None
        passed = self._finished.passed
        rest: list[Event] = []
        changed: set[int] = set()
        """Who may look different when `rest` is fed."""
        for item in items[:end]:
            if type(item) is not ShortLife:
                rest.append(item)  # type: ignore[arg-type]
                if type(item) is Lost:
                    self._looks.clear()  # who is there may look different since
                if type(item) not in _HARMLESS:
                    changed.add(item.tid)
                continue
            if item.parent in changed:
                _feed(rest, feed)
                changed.clear()
            look = self._known(item)
            if look is None:
                rest += item.events()
                _feed(rest, feed)
                changed.clear()
                self._learn(item)
            elif look.words is None:
                rest += item.events()
            else:
                self.count += 1
                passed(look.mother, look.kind)
                if tell is not None:
                    tell(item, look.words)
        for item in items[end:]:
            rest += item.events() if type(item) is ShortLife else [item]  # type: ignore[list-item]
        rest.sort(key=_place)
        return rest

    def _known(self, life: ShortLife) -> _Look | None:
        look = self._looks.get((life.tid, life.program, life.status))
        creator = self._state.tasks.get(life.tid)
        return look if look is not None and creator is not None and _same(look, creator.process) else None

    def _learn(self, life: ShortLife) -> None:
        """The engine has had its events: remember what it looked like."""
        creator, task = self._state.tasks.get(life.tid), self._state.tasks.get(life.child)
        if creator is None or task is None or task.process.born_at != life.at:
            return
        if len(self._looks) >= KEPT:
            self._looks.clear()
        self._looks[life.tid, life.program, life.status] = self._look(task.process, creator.process)

    def forget(self, gone: Iterable[Process]) -> None:
        """These will have no children any more."""
        dead = set(gone)
        for key in [key for key, look in self._looks.items() if look.mother in dead]:
            del self._looks[key]

    def _look(self, process: Process, mother: Process) -> _Look:
        usual = (
            mother.state is RUNNING
            and process.state is DEAD
            and process.parent is mother
            and process.reparentings is None
            and (process.exec_at is not None or (process.comm == mother.comm and process.program is mother.program))
            and claims.claim(process.program) is None
            and self._roles.role(process) is None
            and self._names.member(process) is None
            and self._names.member(mother) is None
        )
        words = self._teller.learn(process) if usual else None
        return _Look(mother, mother.comm, mother.program, mother.cgroup, self._finished.kind(process), words)


def _same(look: _Look, mother: Process) -> bool:
    """The mother looks as she did."""
    return (
        look.mother is mother
        and mother.state is RUNNING
        and look.program is mother.program
        and look.comm == mother.comm
        and look.cgroup == mother.cgroup
    )


def _feed(rest: list[Event], feed: Feed) -> None:
    if rest:
        rest.sort(key=_place)
        feed(rest[:])
        rest.clear()


def _place(event: Event) -> int:
    return event.at


def _before_last(items: list[Event | ShortLife], events: int) -> int:
    """Where the last so many events begin."""
    at = len(items)
    while at and events > 0:
        at -= 1
        events -= 3 if type(items[at]) is ShortLife else 1
    return at
