"""The strace reader: a log in, batches of events out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from tracer.errors import EmptyInput
from tracer.event import Event
from tracer.life import Life
from tracer.sources.base import UNREADABLE_KEPT, Progress, SourceInfo, SourceStats
from tracer.sources.open import Input
from tracer.sources.strace import sparse, worker
from tracer.sources.strace.joining.programs import forget_old
from tracer.sources.strace.lines.style import find_style
from tracer.sources.strace.ordering.orderer import NOTHING, Orderer
from tracer.sources.strace.reading import Batch, read

_SHOWN = 200


class StraceSource:
    """A log of `strace`, in one file or stream.

    Lines whose process-related content cannot be read are counted in `stats.unreadable`. Up to 32 MB every line's
    shape is checked; of larger logs only lines that hold one of the words of a process event are looked at.
    A last line without a newline is a call that lasts; where a number could be cut off it counts as unreadable.
    """

    def __init__(self, source: Input) -> None:
        """`source` has to be a log (`looks_like_strace`)."""
        self._input = source
        self._style = find_style(source.sample())
        self.info = SourceInfo("strace", source.path, source.size, self._style.clock)
        self.info.returned_only = self._style.successful
        self.stats = SourceStats()
        self._learnt = NOTHING

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        """Events in order; see Source."""
        return plain(self._batches(progress, condense=False))

    def condensed(self, progress: Progress | None = None) -> Iterator[list[Event | Life]]:
        """The same with Life in place of what it stands for; see Condensing."""
        return self._batches(progress, condense=True)

    def _batches(self, progress: Progress | None, condense: bool) -> Iterator[list[Event | Life]]:
        style = self._style
        follows = style.prefixed or style.bracketed
        self.stats = SourceStats(follows=follows)
        if sparse.pays(self._input, self._style):
            batches = sparse.read(self._input, self._style, progress)
        elif worker.pays(self._input):
            batches = worker.read_elsewhere(self._input, progress)
        else:
            batches = read(self._input, self._style, progress)
        orderer = Orderer(follows, condense=condense, late_calls=style.successful, learnt=self._learnt)
        yield from ordered(batches, orderer, self.stats)
        self._learnt = orderer.learnt
        if self._input.damage:
            count_unreadable(self.stats, [(self.stats.lines + 1, self._input.damage.encode())])
        if not self.stats.lines:
            raise EmptyInput(f"{self._input.name} is empty")


def replay(batches: Iterator[Batch], orderer: Orderer, stats: SourceStats) -> Iterator[list[Event]]:
    """Records to events, counting. The orderer does not condense."""
    return plain(ordered(batches, orderer, stats))


def plain(condensed: Iterator[list[Event | Life]]) -> Iterator[list[Event]]:
    """Where no orderer was asked for lives as one there are none."""
    return cast("Iterator[list[Event]]", condensed)


def ordered(batches: Iterator[Batch], orderer: Orderer, stats: SourceStats) -> Iterator[list[Event | Life]]:
    """Records to events, and to lives if the orderer condenses; counting all that they stand for."""
    before = orderer.learnt
    for records, programs, calls, unreadable, lines in batches:
        stats.lines += lines
        stats.calls |= calls
        orderer.has_calls(calls)
        if unreadable:
            count_unreadable(stats, unreadable)
        if programs:
            orderer.programs.update(programs)
            forget_old(orderer.programs)
        orderer.feed(records)
        yield from _taken(orderer, stats)
    orderer.finish()
    yield from _taken(orderer, stats)
    stats.again = orderer.learnt.nesting != before.nesting
    stats.nobodys, stats.late_ends = len(orderer.learnt.nobodys), orderer.learnt.late_ends


def _taken(orderer: Orderer, stats: SourceStats) -> Iterator[list[Event | Life]]:
    events = orderer.out.take()
    stats.events, stats.lost = orderer.out.taken, orderer.out.lost
    if events:
        yield events


def count_unreadable(stats: SourceStats, lines: list[tuple[int, bytes]]) -> None:
    """Add to the count, and keep the first ones."""
    stats.unreadable += len(lines)
    room = UNREADABLE_KEPT - len(stats.unreadable_lines)
    if room > 0:
        kept = [(at, line[: _SHOWN * 4].decode("utf-8", "backslashreplace")[:_SHOWN]) for at, line in lines[:room]]
        stats.unreadable_lines.extend(kept)
