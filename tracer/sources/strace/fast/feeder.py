"""Lines to records, by the shortest way that the log's style leaves open."""

from __future__ import annotations

from itertools import count

from tracer.sources.strace.fast.repeats import Repeats
from tracer.sources.strace.fast.shortcuts import Shortcuts
from tracer.sources.strace.joining.joiner import Joiner
from tracer.sources.strace.joining.programs import Programs
from tracer.sources.strace.lines.style import Style


class Feeder:
    """Feeds a Joiner, from which the records are to be taken."""

    def __init__(self, style: Style, only: int | None = None, programs: Programs | None = None) -> None:
        """`only`: the task of a file that holds no other (`-ff`)."""
        self.joiner = Joiner(style, only, programs)
        self._rows = style.rows.findall
        self._shortcuts = Shortcuts(self.joiner, style) if style.clock_width is not None and only is None else None
        # Lives are known by their text, in which every line's time would differ.
        by_text = self._shortcuts if style.clock is None else None
        self._repeats = Repeats(self.joiner, by_text) if by_text is not None else None

    def feed(self, at: int, lines: bytes) -> int:
        """Whole lines, the first of which is line `at`; gives how many there were."""
        if self._repeats is not None:
            return self._repeats.feed(at, lines)
        if self._shortcuts is not None:
            return self._shortcuts.feed(count(at), lines)
        rows = self._rows(lines)
        self.joiner.feed(range(at, at + len(rows)), rows)
        return len(rows)

    def feed_cut(self, at: int, lines: bytes) -> int:
        """The same where the newline of the last one is not the log's."""
        rows = self._rows(lines)
        self.joiner.feed(range(at, at + len(rows) - 1), rows[:-1])
        self.joiner.cut(at + len(rows) - 1, rows[-1])
        return len(rows)

    def feed_some(self, numbers: list[int], lines: bytes) -> None:
        """Lines of which each has a number of its own."""
        if self._shortcuts is None:
            self.joiner.feed(numbers, self._rows(lines))
        elif lines:
            self._shortcuts.feed(numbers, lines)
