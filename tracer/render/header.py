"""What stands above a tree: the input in numbers, and what to do about lines that could not be read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tracer.clean import clean
from tracer.render.lines import Line, Span, width_of
from tracer.render.prose import Prose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.graph import GraphStats
    from tracer.sources.base import SourceInfo, SourceStats
    from tracer.sources.recording import Header

_YEAR_2200 = 7_258_118_400
"""A damaged header can say anything."""


def header_lines(info: SourceInfo, source: SourceStats, graph: GraphStats, limit: int | None) -> Iterator[Line]:
    """`strace.logs   621 lines · 89 processes · 16 inferred · 0 unreadable`.

    Where that takes more than `limit` cells (None: any number), the counts come below the name.
    """
    counts = [
        Span(_count(source.lines, "line" if info.kind == "strace" else "record"), "dim"),
        Span(_count(graph.processes, "process"), "dim"),
        Span(f"{graph.inferred:,} inferred", "inferred" if graph.inferred else "dim"),
        Span(f"{source.unreadable:,} unreadable", "bad" if source.unreadable else "dim"),
    ]
    lost = max(source.lost, graph.lost)
    if lost:
        counts.append(Span(f"{lost:,} lost", "bad"))
    name = Span(info.path if info.path != "-" else "stdin", "name")
    counted = [span for count in counts for span in (Span(" · ", "dim"), count)][1:]
    if limit is None or sum(width_of(clean(span.text)) for span in [name, *counted]) + 3 <= limit:
        yield Line([name, Span("   "), *counted])
    else:
        yield Line([name])
        yield from Prose(limit).lines(counted, first="  ", hang=2)


def recording_line(header: Header, begun: int | None) -> Line:
    """`recorded on node-a (Linux 6.18.5) at 2026-11-23 07:54:07 UTC: containerd`; `begun` in ns since boot."""
    said = f"recorded on {header.host} (Linux {header.kernel})"
    epoch = None if begun is None else (header.boot_epoch + begun) // 1_000_000_000
    if epoch is not None and 0 < epoch < _YEAR_2200:
        said += time.strftime(" at %Y-%m-%d %H:%M:%S UTC", time.gmtime(epoch))
    return Line([Span(f"{said}: {header.target}", "dim")])


def nothing_alive(*, everything: bool, folded: bool) -> Line:
    """Said where `now` is empty: `lineage` is shown instead, or where they are too many to list, what to ask for.

    Not `everything`: all that the filters left.
    """
    said = "Everything had ended" if everything else "All that match had ended"
    rest = "--view lineage shows who created whom, a line each." if folded else "this is who created whom."
    return Line([Span(f"{said}; {rest}", "dim")])


def nothing_chosen() -> Line:
    """Said where the filters left nothing."""
    return Line([Span("No process matches these filters.", "dim")])


def nothing_yet() -> Line:
    """Said where the trace, or what was read of it, has no process."""
    return Line([Span("No process yet.", "dim")])


def unreadable_lines(stats: SourceStats) -> Iterator[Line]:
    """The lines that could not be read, with their numbers, as far as they were kept."""
    yield Line([Span(f"{_count(stats.unreadable, 'unreadable line')} of {stats.lines:,}", "name")])
    digits = len(str(stats.unreadable_lines[-1][0])) if stats.unreadable_lines else 0
    for number, text in stats.unreadable_lines:
        yield Line([Span(f"{number:>{digits}}  ", "dim"), Span(text)])
    left_out = stats.unreadable - len(stats.unreadable_lines)
    if left_out > 0:
        yield Line([Span(f"… and {left_out:,} more", "dim")])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('ss') else 's'}"
