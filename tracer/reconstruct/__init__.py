"""From events to the process graph: `reconstruct(source)`. The rules are in reaper, exit, birth and program."""

from __future__ import annotations

from collections.abc import Iterator

from tracer.event import Event
from tracer.graph import ProcessGraph
from tracer.identity import Moment
from tracer.reconstruct.clues import Hints
from tracer.reconstruct.engine import Engine
from tracer.sources.base import Progress, Source

WAIT_CALLS = {"wait4", "waitid", "waitpid", "wait3", "osf_wait4"}
MAX_PASSES = 3
"""Hints of one pass let the next find more; real logs need two."""


def reconstruct(source: Source, *, at: Moment | None = None, progress: Progress | None = None) -> ProcessGraph:
    """Read the whole source and give the graph at its end, or at a moment.

    A source that shows tasks out of nowhere lacks something: it is read again with what the first pass told about them,
    and if it shows no wait at all, ends are taken to be waited for at once.
    Raises InputError as the source does.
    """
    hints: Hints = {}
    reap_at_exit = False
    for _ in range(MAX_PASSES):
        engine = Engine(hints, reap_at_exit)
        for batch in source.batches(progress):
            engine.feed(batch if at is None else _until(batch, at))
        clues = engine.state.clues
        if not clues.found_count:
            break
        found = clues.solve()
        waits_unseen = source.info.kind == "strace" and not source.stats.calls & WAIT_CALLS
        if not found.keys() - hints.keys() and waits_unseen == reap_at_exit:
            break
        hints, reap_at_exit = {**found, **hints}, waits_unseen
    calls = source.stats.calls if source.info.kind == "strace" else None
    return engine.finish(calls)


def _until(batch: list[Event], at: Moment) -> Iterator[Event]:
    """The events of a batch up to a moment, which is included."""
    if at.line is not None:
        return (e for e in batch if e.at <= at.line)
    return (e for e in batch if e.time is not None and at.time is not None and e.time <= at.time)
