"""One log from bytes to records, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracer.sources.base import Progress
from tracer.sources.open import Input
from tracer.sources.strace.fast.feeder import Feeder
from tracer.sources.strace.fast.prefilter import Prefilter
from tracer.sources.strace.joining.programs import Programs
from tracer.sources.strace.lines.blocks import pieces, whole_lines
from tracer.sources.strace.lines.cleaning import UNFINISHED_LINE, clean, mend, without_number
from tracer.sources.strace.lines.gaps import Gaps
from tracer.sources.strace.lines.style import Style
from tracer.sources.strace.records import Program, Record

Batch = tuple[list[Record], list[tuple[int, Program]], set[str], list[tuple[int, bytes]], int]
"""Records, new programs, names of calls, unreadable lines, number of lines."""

CHECKED = 32 << 20
"""So many bytes are checked line by line; of larger logs only lines with a word of a process event are looked at."""
LARGE_BLOCK = 1 << 18


def read(source: Input, style: Style, progress: Progress | None) -> Iterator[Batch]:
    """Batches of one input in order."""
    if style.every_line:
        return read_blocks(source.blocks(progress), style)
    if source.mappable:
        if (source.size or 0) <= CHECKED:
            return read_blocks(source.blocks(progress), style)
        return read_blocks(source.blocks(progress, LARGE_BLOCK), style, filter_from=0)
    return read_blocks(source.blocks(progress), style, filter_from=CHECKED)


def read_blocks(
    blocks: Iterable[bytes],
    style: Style,
    only: int | None = None,
    programs: Programs | None = None,
    filter_from: int | None = None,
) -> Iterator[Batch]:
    """The same from raw blocks.

    `only` names the task of a file that holds no other (`-ff`); from byte `filter_from` on, lines that cannot matter
    are skipped where that is faster.
    """
    feeder = Feeder(style, only, programs)
    joiner = feeder.joiner
    prefilter = Prefilter() if filter_from is not None else None
    gaps = Gaps(style) if only is None and filter_from != 0 else None
    done = 0
    at = 1
    for block, cut, shortened in whole_lines(blocks, keep=UNFINISHED_LINE if style.successful else None):
        if style.successful:
            block = mend(block)
        if style.torn and at == 1:
            block = without_number(block)
        if prefilter is not None and not (cut or shortened) and done >= (filter_from or 0) and prefilter.pays(block):
            gaps = None
            joiner.around.turn_to(0, b"")
            picked, numbers, after = prefilter.pick(block, at)
            feeder.feed_some(numbers, clean(picked, style.junk))
            yield (*joiner.take(), after - at)
            at = after
        else:
            for piece in pieces(block):
                piece = clean(piece, style.junk)
                joiner.around.turn_to(at, piece)
                found = gaps.find(at, piece) if gaps is not None else []
                if found:
                    yield found, [], set(), [], 0
                number = feeder.feed_cut(at, piece) if cut else feeder.feed(at, piece)
                at += number
                yield (*joiner.take(), number)
        done += len(block)
    joiner.finish()
    yield (*joiner.take(), 0)
