"""Where several calls can have created several tasks, each way in which they can share them is tried.

Who is killed inside clone does not say whom it created (docs/limits.md). What follows from a way the rules know, and
whose end the kernel tells to whom (do_notify_parent(), wait) either agrees with that or does not. The ways that are
contradicted least are left; a parent that is the same in all of them is the parent, any other is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from tracer.event import CLONE_THREAD, Attach, Clone, Event
from tracer.graph import ZOMBIE, Process
from tracer.identity import Evidence, TaskUid
from tracer.reconstruct.clues import Key
from tracer.reconstruct.edges import bury, set_real_parent
from tracer.reconstruct.reaper import find_new_reaper
from tracer.reconstruct.state import Call, State

if TYPE_CHECKING:
    from tracer.reconstruct.engine import Engine

MAX_WAYS = 64
"""So many are tried, all in one reading."""
MAX_EVENTS = 8_000_000
"""So many events, counted once for each way, are taken on."""
DEPENDS = "who its parent is depends on who created one above it"

Riddles = Mapping[Key, Sequence[Call]]
"""Where a task that nobody is known to have created shows itself, and its number -> the calls that can have done it."""
Way = Mapping[Key, Call]
"""The same -> the one that has."""


def ways_to_share(riddles: Riddles) -> list[Way]:
    """All ways to give each task a call of its own; none, if there are more than MAX_WAYS, or nothing is open."""
    tasks = sorted(riddles)

    def go(place: int, given: dict[Key, Call]) -> Iterator[Way]:
        if place == len(tasks):
            yield dict(given)
            return
        for call in riddles[tasks[place]]:
            if all((call[0], call[2]) != (other[0], other[2]) for other in given.values()):
                yield from go(place + 1, {**given, tasks[place]: call})

    if all(len(calls) == 1 for calls in riddles.values()):
        return []
    found = list(islice(go(0, {}), MAX_WAYS + 1))
    return found if len(found) <= MAX_WAYS else []


def supposing(events: Iterable[Event], way: Way) -> Iterator[Event]:
    """The same, but that these tasks were created by these calls."""
    for event in events:
        if type(event) is Attach and (event.at, event.tid) in way:
            tid, flags, at = way[event.at, event.tid]
            calls = calls_of(event)
            perhaps_thread = any(call[1] & CLONE_THREAD for call in calls)
            yield Clone(at, event.time, tid, event.tid, flags, 0, 0, reason_of(calls), guessed=perhaps_thread)
        else:
            yield event


def calls_of(event: Attach) -> list[Call]:
    """Those that can have created the task."""
    numbers = event.creators
    return list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=False))


def reason_of(calls: Sequence[Call]) -> str:
    """Why it is not known who created a task, or, where one caller alone can have, whether that is a thread."""
    if len({tid for tid, _, _ in calls}) == 1:
        return f"strace does not tell of the call of {calls[0][0]} that created it"
    return f"it was created by one of these, which were killed inside the call: {', '.join(str(c[0]) for c in calls)}"


def is_of_outside(state: State, process: Process) -> bool:
    """Its parent is nobody of the trace: the first process, and whoever that has made beside itself."""
    while process.real_parent is None and not process.reparentings and process.creator is not None:
        process = process.creator
    return bool(state.processes) and process is state.processes[0]


def note_contradiction(state: State, child: Process, told: Process) -> None:
    """The kernel has told `told` of the end of a child that is another's in this way."""
    parent = child.parent
    if parent is told or child in state.raced:
        return
    if parent is not None or is_of_outside(state, child):
        state.contradictions.append((parent, told))


def note_survivors(state: State, process: Process) -> None:
    """The end of a leader is told when its process has no other thread (delay_group_leader()): one that is left is a
    thread in this way only."""
    supposed = {other for (_, other), (_, flags, _) in state.supposed.items() if flags & CLONE_THREAD}
    if state.exits_seen and not supposed.isdisjoint(process.threads.keys() - {process.tgid}):
        state.contradictions.append((None, process))


def contradictions(state: State) -> tuple[int, int]:
    """How often what the kernel told contradicts this way; and how often it may, but that the parent was dying, and
    the one who was told inherits from it: its end is told later."""
    soft = 0
    for parent, told in state.contradictions:
        if parent is not None and parent.exited_at is not None:
            heir = find_new_reaper(parent, state.init, state.doubts, state.lost_at).task
            soft += heir is not None and heir.process is told
    return len(state.contradictions) - soft, soft


def least_contradicted(engines: Sequence[Engine], riddles: Riddles) -> list[Engine]:
    """The ways that are left. Whom one call alone can have created is rather of the kind that is named first."""
    first = {key: calls[0] for key, calls in riddles.items() if len({(tid, at) for tid, _, at in calls}) == 1}

    def cost(state: State) -> tuple[int, int, int]:
        return *contradictions(state), sum(state.supposed[key] != call for key, call in first.items())

    costs = [cost(engine.state) for engine in engines]
    return [engine for engine, cost in zip(engines, costs, strict=True) if cost == min(costs)]


def agree(state: State, others: Sequence[State], riddles: Riddles) -> None:
    """What is not the same in all ways is not known; what is, is worth no more than in any of them."""
    told = [{process.uid: process for process in other.processes} for other in others]
    differing: list[Process] = []
    for process in state.processes:
        found = [other[process.uid] for other in told if process.uid in other]
        if len(found) < len(told) or any(_parent(other) != _parent(process) for other in found):
            differing.append(process)
            continue
        weakest = max(found, key=lambda p: p.evidence.rank, default=process)
        if weakest.evidence.rank > process.evidence.rank:
            process.evidence, process.reason = weakest.evidence, weakest.reason
    reasons = {(state.supposed[key][2], key[1]): reason_of(calls) for key, calls in riddles.items()}
    for process in differing:
        _forget_parent(process, reasons.get((process.born_at, process.tgid), DEPENDS))


def _parent(process: Process) -> TaskUid | None:
    return None if process.parent is None else process.parent.uid


def _forget_parent(process: Process, why: str) -> None:
    if process.state is ZOMBIE:
        bury(process)  # nobody is known to owe the wait
    set_real_parent(process, None, Evidence.UNKNOWN, why)
    if process.reparentings:
        last = process.reparentings[-1]
        process.reparentings[-1] = last._replace(new=None, evidence=Evidence.UNKNOWN, reason=why)
