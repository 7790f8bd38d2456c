"""Loss and disorder in live events: `python -m tests.fuzz.disorder --help`.

The events of real random trees, some left out (with and without the Lost event that the ring buffer gives), twice, or
in another order. Nothing may crash or contradict itself; where the loss is told, no wrong edge may be called observed
or derived. What cannot be seen (an event missing without a word, neighbours exchanged) is only counted.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.hostile.invariants import check_graph
from tracer.event import Clone, Event, Exec, Gone, Lost, Reap, Snapshot
from tracer.reconstruct.engine import Engine

from . import harness, optionsets, trial
from .judge import STRONG, Verdict, judge
from .live import LiveTracer
from .run import Tally, table
from .truth import TrueProcess, Truth

Mangling = Callable[[list[Event], random.Random], Iterator[list[Event]]]
Story = tuple[list[Event], Truth]


def untouched(events: list[Event], rng: random.Random) -> Iterator[list[Event]]:
    """As it was: what the figures of the others compare to."""
    yield events


def drop(events: list[Event], rng: random.Random) -> Iterator[list[Event]]:
    """One event missing, each in turn, and nobody says so."""
    for i in range(len(events)):
        yield events[:i] + events[i + 1 :]


def drop_told(events: list[Event], rng: random.Random) -> Iterator[list[Event]]:
    """Some events in a row missing, with the Lost event that the source makes of it, but no repair from /proc."""
    for _ in range(100):
        start = rng.randrange(len(events))
        yield lose(events, start, start + rng.randrange(1, 40))


def lose(events: list[Event], start: int, end: int) -> list[Event]:
    """What the source and the session give where these found no room, until the repair. What was read from /proc
    meanwhile did not come that way, and is told before the loss is."""
    lost = [e for e in events[start:end] if type(e) is not Snapshot]
    if not lost:
        return events
    before = events[start - 1].at if start else 0
    read = [e._replace(at=before) for e in events[start:end] if type(e) is Snapshot]
    known = _known(events[:start])
    heard = [kept for e in events[end:] if (kept := _heard(known, e)) is not None]
    return [*events[:start], *read, Lost(lost[0].at, lost[0].time, 0, len(lost)), *heard]


def _known(events: list[Event]) -> set[int]:
    """Numbers of the tasks that the decoder knows then."""
    known: set[int] = set()
    for e in events:
        if type(e) is Snapshot:
            known.add(e.tid)
        _heard(known, e, all_known=True)
    return known


def _heard(known: set[int], event: Event, *, all_known: bool = False) -> Event | None:
    """The event as the decoder gives it, None where it is of a task that it does not know."""
    if type(event) is Reap:
        was = event.child in known
        known.discard(event.child)
        return event if was else None
    if type(event) is Snapshot or not (event.tid in known or all_known):
        return event if type(event) is Lost else None
    if type(event) is Clone:
        known.add(event.child)
    elif type(event) is Exec:
        if event.old_tid not in known:
            event = event._replace(old_tid=event.tid)
        known.discard(event.old_tid)
        known.add(event.tid)
    elif type(event) is Gone:
        known.discard(event.tid)
    return event


def repaired(events: list[Event], true: Truth) -> list[Event]:
    """What the source does after a loss: a Gone for each task that is not in /proc, a Snapshot for each that is."""
    at = events[-1].at + 1
    known = {e.child if isinstance(e, Clone) else e.tid for e in events}
    there = {tid for p in true.processes.values() for tid in (p.pid, *p.threads)} | {true.keeper}
    fixes: list[Event] = [Gone(at, None, tid) for tid in sorted(known - there)]
    # The namespace's init, whose parent is not of the run; its own birth may be among what was lost.
    fixes.append(Snapshot(at, None, true.keeper, true.keeper, 0, "keeper", "", (), 0, False, (1,), "", None))
    for p in _parents_first(true):
        tids = (p.pid, *(t for t in p.threads if t != p.pid))
        rest = (p.pid, p.ppid, p.comm, "", (), 0, p.zombie, p.ns_pids, "", None)
        fixes += [Snapshot(at, None, tid, *rest) for tid in tids]
    return [*events, *fixes]


def _parents_first(true: Truth) -> Iterator[TrueProcess]:
    waiting = [true.keeper]
    while waiting:
        above = waiting.pop()
        for p in true.processes.values():
            if p.ppid == above:
                yield p
                waiting.append(p.pid)


def duplicate(events: list[Event], rng: random.Random) -> Iterator[list[Event]]:
    """One event twice."""
    for i in range(len(events)):
        yield [*events[:i], events[i], *events[i:]]


def swap(events: list[Event], rng: random.Random) -> Iterator[list[Event]]:
    """Two neighbours exchanged."""
    for i in range(len(events) - 1):
        yield [*events[:i], events[i + 1], events[i], *events[i + 2 :]]


def shuffle(events: list[Event], rng: random.Random) -> Iterator[list[Event]]:
    """Everything anywhere; nothing but survival is asked."""
    for _ in range(50):
        yield rng.sample(events, len(events))


MANGLINGS: tuple[Mangling, ...] = (untouched, drop, drop_told, duplicate, swap, shuffle)


def record(seeds: range, folder: Path) -> list[Story]:
    """Events and the truth at the last quiet point, a pair for each seed."""
    stories: list[Story] = []
    live = LiveTracer()
    try:
        for seed in seeds:
            found: list[Story] = []

            def keep(log: Path, true: Truth, found: list[Story] = found) -> None:
                live.graph()
                found[:] = [(list(live.story), true)]

            trial.run(optionsets.BY_NAME["live"], seed, folder, folder, trial.never, look=keep, live=live)
            stories += found
    finally:
        live.close()
    return stories


def replay_all(story: Story, mangling: Mangling, seed: int, repair: bool = False) -> tuple[int, Verdict, set[str]]:
    """Engine runs, the verdicts' sum, and what broke. With `repair` the last events are those of a repair."""
    events, true = story
    runs, total, broken = 0, Verdict(), set()
    for damaged in mangling(events, random.Random(seed)):
        runs += 1
        if repair:
            damaged = repaired(damaged, true)
        try:
            engine = Engine()
            engine.feed(damaged)
            graph = engine.finish()
            check_graph(graph)
        except Exception as error:
            broken.add(f"{mangling.__name__}: {type(error).__name__}: {error}")
            continue
        if mangling is not shuffle:
            total.add(judge(graph, true, complete=False, below=true.keeper))
    return runs, total, broken


def main(argv: list[str] | None = None) -> int:
    """1 if anything broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.disorder", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=5, help="trees")
    arguments = parser.parse_args(argv)
    tallies: dict[str, Tally] = {}
    broken: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="ctrace-disorder-") as name:
        folder = Path(name)
        harness.build(folder)
        stories = record(range(arguments.seed, arguments.seed + arguments.runs), folder)
    for mangling, repair in [*((m, False) for m in MANGLINGS), (drop_told, True)]:
        tally = tallies.setdefault(mangling.__name__ + " repaired" * repair, Tally())
        for seed, story in enumerate(stories):
            runs, verdict, bad = replay_all(story, mangling, seed, repair)
            tally.runs += 1
            tally.points += runs
            tally.verdict.add(verdict)
            broken |= bad
    print("points: damaged streams replayed")
    print(table(tallies))
    told = sum(tallies["drop_told"].verdict.wrong[e] for e in STRONG)
    print(f"wrong edges called observed or derived where the loss was told: {told}")
    for line in sorted(broken)[:20]:
        print(line)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
