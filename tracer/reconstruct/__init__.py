"""From events to the process graph: `reconstruct(source)`. The rules are in reaper, exit, birth and program."""

from __future__ import annotations

from collections.abc import Iterator

from tracer.event import Event
from tracer.graph import ProcessGraph
from tracer.identity import Moment
from tracer.reconstruct.clues import Hints
from tracer.reconstruct.engine import Engine
from tracer.sources.base import Progress, Source

MAX_PASSES = 3
"""Hints of one pass let the next find more; real logs need two."""


def reconstruct(source: Source, *, at: Moment | None = None, progress: Progress | None = None) -> ProcessGraph:
    """Read the whole source and give the graph at its end, or at a moment.

    A source that shows tasks out of nowhere is read again with what the first pass told about them.
    Raises InputError as the source does.
    """
    hints: Hints = {}
    for _ in range(MAX_PASSES):
        engine = Engine(hints)
        for batch in source.batches(progress):
            engine.feed(batch if at is None else _until(batch, at))
        found = engine.state.clues.solve() if engine.state.clues.found_count else {}
        if not found.keys() - hints.keys():
            break
        hints = {**found, **hints}
    calls = source.stats.calls if source.info.kind == "strace" else None
    return engine.finish(calls)


def _until(batch: list[Event], at: Moment) -> Iterator[Event]:
    """The events of a batch up to a moment, which is included."""
    if at.line is not None:
        return (e for e in batch if e.at <= at.line)
    return (e for e in batch if e.time is not None and at.time is not None and e.time <= at.time)
