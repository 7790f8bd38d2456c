"""How far a graph agrees with what the machine said, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.identity import Evidence
from tracer.render import words
from tracer.render.lines import Line, Span, width_of
from tracer.runtime.roles import display_name, name_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.graph import Process
    from tracer.verify import Comparison, Difference


def comparison_lines(comparison: Comparison, path: str) -> Iterator[Line]:
    """The counts, each difference with its evidence, and what could not be compared."""
    listing = comparison.listing
    yield _agreement("parents", comparison.agreeing, comparison.compared)
    if comparison.threads_compared:
        yield _agreement("threads", comparison.threads_agreeing, comparison.threads_compared)
    if comparison.differences:
        yield Line([])
        yield from _differences(comparison.differences, path, listing.kind)
    notes = [f"{count:,} {reason}" for reason, count in comparison.not_compared.items()]
    if comparison.only_in_text:
        notes.append(f"{comparison.only_in_text:,} only in the text: not in the trace, or not alive in it")
    if listing.cut:
        notes.append(f"lines of the text that were cut off: {listing.cut:,}")
    if listing.unread:
        notes.append(f"lines of the text that could not be read: {listing.unread:,}")
    if notes:
        yield Line([])
        yield Line([Span("not compared", "dim")])
    for note in notes:
        yield Line([Span(f"  {note}", "dim")])


def _agreement(what: str, agreeing: int, compared: int) -> Line:
    style = "good" if agreeing == compared else "bad"
    return Line([Span(f"{agreeing:,} of {compared:,}", style), Span(f" {what} agree")])


def _differences(differences: list[Difference], path: str, kind: str) -> Iterator[Line]:
    rows = [[_subject(d), _ours(d), f"{d.theirs} {d.theirs_name}".strip()] for d in differences]
    heads = ["", path, kind]
    widths = [max(width_of(row[i]) for row in [*rows, heads]) for i in range(3)]
    yield Line([Span(_pad(heads[i], widths[i]), "dim") for i in range(3)])
    for cells, difference in zip(rows, differences, strict=True):
        said = words.evidence(*_evidence(difference))
        yield Line([Span(_pad(cell, width)) for cell, width in zip(cells, widths, strict=True)] + said)


def _evidence(difference: Difference) -> tuple[Evidence, str]:
    process = difference.process
    if difference.what != "thread of":
        return process.evidence, process.reason
    reason = process.threads[difference.tid].membership
    return (Evidence.INFERRED if reason else Evidence.OBSERVED), reason


def _pad(text: str, width: int) -> str:
    return text + " " * (width - width_of(text) + 3)


def _subject(difference: Difference) -> str:
    name = _name(difference.process)
    if difference.what == "parent":
        return f"parent of {name} ({difference.tid})"
    return f"{name} ({difference.tid}) is" if difference.what == "kind" else f"thread {difference.tid} is of"


def _ours(difference: Difference) -> str:
    if difference.what == "kind":
        return "a process"
    process = difference.process if difference.what == "thread of" else difference.process.parent
    return "unknown" if process is None else f"{process.tgid} {_name(process)}"


def _name(process: Process) -> str:
    return display_name(name_at(process)) or "?"
