"""One log from bytes to records, block by block, here or in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracer.sources.base import Progress
from tracer.sources.open import Input
from tracer.sources.strace.grammar import Style, clean
from tracer.sources.strace.joining import Joiner, Programs
from tracer.sources.strace.lines import whole_lines
from tracer.sources.strace.records import Program, Record

Batch = tuple[list[Record], list[tuple[int, Program]], set[str], list[tuple[int, bytes]], int]
"""Records, new programs, names of calls, unreadable lines, number of lines."""


def read(source: Input, style: Style, progress: Progress | None) -> Iterator[Batch]:
    """Batches of one input in order."""
    return read_blocks(source.blocks(progress), style)


def read_blocks(
    blocks: Iterable[bytes], style: Style, only: int | None = None, programs: Programs | None = None
) -> Iterator[Batch]:
    """The same from raw blocks; `only` names the task of a file that holds no other (`-ff`)."""
    joiner = Joiner(style, only, programs)
    at = 1
    for block, cut in whole_lines(blocks):
        rows = style.rows.findall(clean(block, style.junk))
        if cut:
            joiner.feed(range(at, at + len(rows) - 1), rows[:-1])
            joiner.cut(at + len(rows) - 1, rows[-1])
        else:
            joiner.feed(range(at, at + len(rows)), rows)
        at += len(rows)
        yield (*joiner.take(), len(rows))
    joiner.finish()
    yield (*joiner.take(), 0)
