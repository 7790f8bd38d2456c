"""A trace, read to its end or to a moment: what `--at` means for every subcommand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.graph import ProcessGraph
    from tracer.identity import Moment
    from tracer.sources.base import Source


def read_graph(files: Sequence[str], at: str | None = None) -> tuple[ProcessGraph, Source]:
    """The graph of the files of one trace, with a progress bar; on stderr, if `at` is beyond the end, that it is.

    Raises InputError, UsageError.
    """
    from tracer.api import replay_trace
    from tracer.clean import clean
    from tracer.cli.progress import ReadingProgress
    from tracer.cli.remarks import say

    graph, source, moment = replay_trace(files, at, ReadingProgress)
    if moment is not None:
        beyond = _beyond(moment, graph, source)
        if beyond:
            say(f"ctrace: {clean(beyond)}")
    return graph, source


def _beyond(moment: Moment, graph: ProcessGraph, source: Source) -> str:
    """That nothing comes after the moment, where that is not just so because it is the last one; else ''. Raw."""
    from tracer.render.times import show_time

    info, last = source.info, graph.stats.last
    if last is None:
        return ""
    if moment.line is not None:
        end = max(last.line or 0, source.stats.lines if info.unit == "line" else 0)
        if moment.line > end:
            return f"{info.path} has no {info.unit} {moment.line:,}: shown is its end, {info.unit} {end:,}"
    elif moment.time is not None and last.time is not None and moment.time > last.time:
        return f"{info.path} tells of nothing after {show_time(last.time, info.midnight)}: shown is its end"
    return ""
