"""Large full logs: two processes pick the lines that matter, by turns of one stretch each; this one joins them.

A stretch holds the lines that begin in it. Of each come the few lines picked, their numbers within it, and how many
lines it has, so neither process waits for the other's line numbers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tracer.errors import UnreadableInput
from tracer.sources.base import Progress
from tracer.sources.open import Input
from tracer.sources.strace import worker
from tracer.sources.strace.fast.feeder import Feeder
from tracer.sources.strace.fast.prefilter import DENSE, PROBE, Prefilter
from tracer.sources.strace.lines.cleaning import clean, without_number
from tracer.sources.strace.lines.style import Style
from tracer.sources.strace.reading import CHECKED, Batch

STRETCH = 8 << 20
BLOCK = 1 << 18
"""Fits into a core's cache: each byte is looked at twice."""
_PROBES = 16

Picked = tuple[bytes, list[int], int, bytes]
"""Lines that matter, their numbers from 0, how many lines there are, and what is behind the last newline."""


def pays(source: Input, style: Style) -> bool:
    """Is it a large plain file in which few lines matter, wherever one looks?"""
    size = source.size or 0
    if not source.mappable or size <= CHECKED or style.every_line or not worker.pays(source):
        return False
    prefilter = Prefilter()
    looked_at = matter = 0
    with _File(source.path) as file:
        for i in range(_PROBES):
            probe = file.read(size * i // _PROBES, PROBE)
            probe = probe[probe.find(b"\n") + 1 : probe.rfind(b"\n") + 1]
            looked_at += len(probe)
            matter += len(prefilter.pick(probe, 1)[0])
    return looked_at > 0 and matter < DENSE * looked_at


def read(source: Input, style: Style, progress: Progress | None) -> Iterator[Batch]:
    """`reading.read` of such a file. Raises UnreadableInput if it cannot be read on."""
    size = source.size or 0
    feeder = Feeder(style)
    joiner = feeder.joiner
    at = 1
    with worker.running(__name__, source, str(size)) as receive, _File(source.path) as file:
        for number in range(_stretches(size)):
            lines, places, count, rest = receive() if number % 2 else file.pick(number, size)
            if style.torn and not number and places[:1] == [0]:
                lines = without_number(lines)
            lines = clean(lines, style.junk)
            feeder.feed_some([at + place for place in places], lines)
            at += count
            if rest:
                count += feeder.feed_cut(at, clean(rest + b"\n", style.junk))
            yield (*joiner.take(), count)
            if progress is not None:
                progress(min(size, (number + 1) * STRETCH))
    joiner.finish()
    yield (*joiner.take(), 0)


def main(path: str, size: str) -> None:
    """The other process: every second stretch."""
    worker.prepare()
    with _File(path) as file:
        for number in range(1, _stretches(int(size)), 2):
            worker.send(file.pick(number, int(size)))


def _stretches(size: int) -> int:
    return -(-size // STRETCH)


class _File:
    """Reads anywhere in a file."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by __exit__
        self._path = path
        self._prefilter = Prefilter()

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, pos: int, size: int) -> bytes:
        """Bytes from `pos` on, b'' at the end."""
        try:
            return os.pread(self._file.fileno(), size, pos)
        except OSError as error:
            raise UnreadableInput(f"cannot read {self._path}: {error.strerror}") from error

    def _line_start(self, pos: int) -> int:
        """Where the first line begins that does so at `pos` or later; the end of the file if there is none."""
        if pos == 0:
            return 0
        pos -= 1
        while True:
            block = self.read(pos, BLOCK)
            end = block.find(b"\n") + 1
            if end or not block:
                return pos + end
            pos += len(block)

    def pick(self, number: int, size: int) -> Picked:
        """One stretch; the last one goes on to the end of the file."""
        end = (number + 1) * STRETCH
        if end >= size:
            end = sys.maxsize
        pos = self._line_start(number * STRETCH)
        picked: list[bytes] = []
        places: list[int] = []
        count = 0
        rest = b""
        while pos < end:
            block = self.read(pos, BLOCK)
            if not block:
                break
            cut = block.rfind(b"\n") + 1
            if pos + cut > end:
                cut = block.find(b"\n", end - pos - 1) + 1
            if cut:
                pos += cut
                block = block[:cut]
            else:  # the last line, or one longer than a block, of which the beginning is looked at
                pos = self._line_start(pos + 1)
                if self.read(pos - 1, 1) != b"\n":
                    rest = block
                    break
                block += b"\n"
            lines, found, count = self._prefilter.pick(block, count)
            picked.append(lines)
            places += found
        return b"".join(picked), places, count, rest
