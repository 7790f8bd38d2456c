"""From events to the process graph: `reconstruct(source)`. The rules are in reaper, exit, birth and program."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence

from tracer.event import Event, Exit
from tracer.graph import ProcessGraph
from tracer.identity import Moment
from tracer.reconstruct.clues import Hints
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.heirs import told_heirs
from tracer.reconstruct.state import WAIT_CALLS, Lacks, State
from tracer.reconstruct.ways import MAX_EVENTS, Way, agree, least_contradicted, supposing, ways_to_share
from tracer.sources.base import Condensing, Progress, Source

MAX_PASSES = 3
"""Hints of one pass let the next find more; real logs need two."""


Feed = Callable[[Engine, Iterable[Event]], None]
"""Applies a batch to the engine of a pass; each pass has an engine of its own."""


def reconstruct(
    source: Source, *, at: Moment | None = None, progress: Progress | None = None, feed: Feed = Engine.feed
) -> ProcessGraph:
    """Read the whole source and give the graph at its end, or at a moment. `feed` may look at each event on its way.

    A source that lacks something (tasks come out of nowhere, no ends or no waits are shown), or tells late who had
    inherited from whom, is read again with what the first pass found out.
    Raises InputError as the source does.
    """
    ptraced = source.info.kind == "strace"
    hints: Hints = {}
    heirs: Hints = {}
    no_waits: frozenset[int] = frozenset()
    lacks = at_first = Lacks(begun=source.info.returned_only, apart=source.info.locate is not None)
    engine = Engine(State(hints=hints, lacks=lacks, ptraced=ptraced))
    for passes_left in reversed(range(MAX_PASSES)):
        if at is None and feed is Engine.feed and isinstance(source, Condensing):
            for lives in source.condensed(progress):
                engine.feed(lives)
        else:
            batches = source.batches(progress)
            for batch in batches if at is None else _until(batches, at, engine):
                feed(engine, batch)
        found = engine.state.clues.solve() if engine.state.clues.found_count else {}
        missing = _missing(at_first, source, engine) if lacks is at_first else _still_missing(lacks, source, engine)
        told = told_heirs(engine.state)
        refuted = engine.state.refuted_waits
        known = not (found.keys() - hints.keys() or told.keys() - heirs.keys() or refuted - no_waits)
        if not passes_left or (known and missing == lacks):
            break
        hints, heirs, no_waits, lacks = {**found, **hints}, {**told, **heirs}, no_waits | refuted, missing
        # Processes and their tasks name each other: without this, the memory of a pass would outlive it where the
        # command line has switched the collector off.
        engine = Engine(State(hints=hints, heirs=heirs, no_waits=no_waits, lacks=lacks, ptraced=ptraced))
        gc.collect()
    if engine.state.riddles and not (engine.state.clues.unexplained or lacks.places):
        engine = _in_one_way(source, engine, at, progress, feed) or engine
    calls = source.stats.calls if ptraced else None
    return engine.finish(calls)


def _in_one_way(
    source: Source, engine: Engine, at: Moment | None, progress: Progress | None, feed: Feed
) -> Engine | None:
    """The engine of one of the ways that are contradicted least, where several calls can have created several tasks."""
    all_ways = ways_to_share(engine.state.riddles)
    if not all_ways or source.stats.events * len(all_ways) > MAX_EVENTS:
        return None
    state = engine.state

    def another(way: Way, heirs: Hints) -> Engine:
        hints, waits = state.hints, state.no_waits
        return Engine(
            State(hints=hints, heirs=heirs, no_waits=waits, lacks=state.lacks, ptraced=state.ptraced, supposed=way)
        )

    def run(engines: Sequence[Engine], how: Feed) -> None:
        batches = source.batches(progress)
        for batch in batches if at is None else _until(batches, at, engines[0]):
            for each in engines:
                how(each, supposing(batch, each.state.supposed))
        for each in engines[1:]:
            each.state.exits_seen |= engines[0].state.exits_seen
            each.state.stats.last = engines[0].state.stats.last

    engines = [another(way, {}) for way in all_ways]
    run(engines, Engine.feed)
    engines = least_contradicted(engines, state.riddles)
    if feed is not Engine.feed or any(told_heirs(each.state) for each in engines):
        engines = [another(each.state.supposed, told_heirs(each.state)) for each in engines]
        run(engines[:1], feed)
        if len(engines) > 1:
            run(engines[1:], Engine.feed)
    chosen, *others = engines
    agree(chosen.state, [each.state for each in others], state.riddles)
    engines.clear()
    others.clear()
    gc.collect()
    return chosen


def _missing(at_first: Lacks, source: Source, engine: Engine) -> Lacks:
    """What the trace as a whole does not show."""
    if source.info.kind != "strace":
        return at_first
    state = engine.state
    unexplained = state.clues.unexplained or (state.clues.perhaps_unexplained and not state.exits_seen)
    waits = unexplained and not source.stats.calls & WAIT_CALLS
    results = bool(source.stats.nobodys)
    births = state.clues.incomplete and state.eliminated and not results
    ends = not state.exits_seen and (bool(state.exit_begun) or state.left_untold)
    again, late_ends = source.stats.again, source.stats.late_ends
    return at_first._replace(waits=waits, ends=ends, places=again, births=births, late_ends=late_ends, results=results)


def _still_missing(lacks: Lacks, source: Source, engine: Engine) -> Lacks:
    """Results that are not believed explain tasks out of nowhere; where such tasks are left, births are missing. Pid
    namespaces that a log shows without them show only then."""
    state = engine.state
    births = lacks.births or (lacks.results and state.clues.incomplete and state.eliminated)
    return lacks._replace(births=births, places=lacks.places or source.stats.again)


def _until(batches: Iterable[list[Event]], at: Moment, engine: Engine) -> Iterator[list[Event]]:
    """The events up to a moment, which is included. One without a time is as old as the last one before it that has.

    What the rest shows of the tracer's habits counts all the same: whether it tells of ends.
    """
    over = False
    line = time = None
    for batch in batches:
        kept = []
        for event in batch:
            line, time = event.at, time if event.time is None else event.time
            if at.line is not None:
                over = event.at > at.line
            elif event.time is not None and at.time is not None:
                over = event.time > at.time
            if not over:
                kept.append(event)
            elif type(event) is Exit and event.status is not None and not event.status & 0x7F:
                engine.state.exits_seen = True
        yield kept
    engine.state.stats.last = Moment(line, time)
