"""Short lives that leave nothing behind are never built: they are counted where they would be counted once dead, and
told in the words that were found for one like them.

Alike are lives of one creator, as it is now, that ran the same program and ended the same way. The first goes event by
event through the engine; what it looked like then is remembered, unless it has to do with containers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from tracer.event import Clone, Event, Reap, ShortLife
from tracer.graph import DEAD, RUNNING, Process, Program
from tracer.live.finished import FinishedCounts
from tracer.reconstruct.state import State
from tracer.runtime import claims
from tracer.runtime.containers import Names
from tracer.runtime.roles import Roles

KEPT = 4096
"""Looks that are remembered; then the table begins anew."""

_HARMLESS = frozenset({ShortLife, Clone, Reap})
"""What a creator may do in the same batch without looking different."""


class LifeTeller(Protocol):
    """Who wants to tell of a life that was not built."""

    def learn(self, process: Process) -> tuple[str, ...] | None:
        """The words for lives like that of this process, which is dead; None: they are to be told event by event."""
        ...

    def tell_life(self, life: ShortLife, words: tuple[str, ...]) -> None:
        """Tell of one."""
        ...


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
        self._new: list[ShortLife] = []

    def take(self, items: list[Event | ShortLife], tell_last: int | None) -> list[Event]:
        """Count and tell the lives like those known; gives the rest as events, in order.

        tell_last   so many of the last events are always given; the lives before them are not told. None: all are.
        """
        changed = {item.tid for item in items if type(item) not in _HARMLESS}
        end = len(items) if tell_last is None else _before_last(items, tell_last)
        tell = self._teller.tell_life if tell_last is None else None
        looks, tasks, passed = self._looks, self._state.tasks, self._finished.passed
        rest: list[Event] = []
        for item in items[:end]:
            if type(item) is not ShortLife:
                rest.append(item)  # type: ignore[arg-type]
                continue
            if item.parent in changed:
                rest += item.events()
                continue
            look = looks.get((item.tid, item.program, item.status))
            creator = tasks.get(item.tid)
            if look is None or creator is None or not _same(look, creator.process):
                self._new.append(item)
                rest += item.events()
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

    def learn(self) -> None:
        """After the engine had what `take` gave: remember the looks of the lives that were new."""
        for life in self._new:
            key = life.tid, life.program, life.status
            creator, task = self._state.tasks.get(life.tid), self._state.tasks.get(life.child)
            if creator is None or task is None or creator.process is not task.process.creator:
                continue
            if task.process.born_at != life.at:
                continue  # the number was used again
            look = self._looks.get(key)
            if look is None or not _same(look, creator.process):
                if len(self._looks) >= KEPT:
                    self._looks.clear()
                self._looks[key] = self._look(task.process, creator.process)
        self._new.clear()

    def forget(self, gone: Iterable[Process]) -> None:
        """These will have no children any more."""
        dead = set(gone)
        self._looks = {key: look for key, look in self._looks.items() if look.mother not in dead}

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


def _place(event: Event) -> int:
    return event.at


def _before_last(items: list[Event | ShortLife], events: int) -> int:
    """Where the last so many events begin."""
    at = len(items)
    while at and events > 0:
        at -= 1
        events -= 3 if type(items[at]) is ShortLife else 1
    return at
