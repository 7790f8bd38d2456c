"""Reading recordings, also damaged ones."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, get_type_hints

from tracer.errors import UnreadableInput
from tracer.event import Event, Lost
from tracer.sources.base import UNREADABLE_KEPT, Progress, SourceInfo, SourceStats
from tracer.sources.open import Input
from tracer.sources.recording.header import FORMAT, MAGIC, Header
from tracer.sources.recording.lines import UnknownEventError, decode_event, parse_lines

_DAY = 86_400 * 10**9
_YEAR_2200 = 7_258_118_400 * 10**9
"""ns; a damaged header can say anything."""
LINE_MAX = 1 << 20
"""Bytes; a longer line is no event of ours."""


class RecordingSource:
    """A recording as a Source; can be read any number of times.

    Raises UnreadableInput (on construction or in `batches`) for what is no recording of a known version. Unreadable
    lines, events of unknown kinds and a cut or damaged end are counted in `stats.unreadable`, and reading goes on
    where it can.
    """

    def __init__(self, path: str) -> None:
        self._input = Input(path)
        self.header = self._read_header(path)
        self.info = SourceInfo(kind="ctrace", path=path, size=self._input.size, clock=self.header.clock)
        self._find_day()
        self.stats = SourceStats()
        self.unknown = 0
        """Events of kinds that this version does not know; part of `stats.unreadable`."""

    def _read_header(self, path: str) -> Header:
        line = self._input.sample().partition(b"\n")[0]
        try:
            fields = json.loads(line) if line.startswith(MAGIC) else None
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise UnreadableInput(f"{path} is not a recording of ctrace, or its beginning is damaged")
        version = str(fields["schema"]).rpartition("/")[2]
        if version != str(FORMAT):
            raise UnreadableInput(
                f"{path} is a recording of format {version[:20]}; this version of ctrace reads format {FORMAT}",
                "Read it with the version of ctrace that wrote it, or a later one.",
            )
        values: list[Any] = []
        for name, hint in get_type_hints(Header).items():
            value = fields.get(name)
            values.append(value if type(value) is hint else hint())
        return Header(*values)

    def _find_day(self) -> None:
        """What the events' times are to people, where the header's clock can be believed."""
        lines = self._input.sample().split(b"\n")[1:9]
        boot = self.header.boot_epoch
        for value in parse_lines(lines):
            with contextlib.suppress(ValueError, UnknownEventError):
                begun = decode_event(value).time
                if begun is not None and 0 < boot + begun < _YEAR_2200:
                    self.info.boot_epoch = boot
                    self.info.day = (boot + begun) // _DAY * _DAY - boot
                    return

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        """The events, in order."""
        self.stats = stats = SourceStats()
        self.unknown = 0
        for lines, complete in self._lines(progress):
            batch: list[Event] = []
            for line, value in zip(lines, parse_lines(lines), strict=True):
                stats.lines += 1
                if stats.lines == 1:
                    continue  # the header
                try:
                    batch.append(decode_event(value))
                except UnknownEventError:
                    self.unknown += 1
                    self._unreadable(line)
                except ValueError:
                    self._unreadable(line if complete else b"the last line is cut: " + line)
            stats.events += len(batch)
            stats.lost += sum(e.count for e in batch if type(e) is Lost)
            if batch:
                yield batch
        if self._input.damage:
            stats.lines += 1
            self._unreadable(self._input.damage.encode())

    def _lines(self, progress: Progress | None) -> Iterator[tuple[Sequence[bytes], bool]]:
        """Blocks of lines, and whether the last one had its newline. A line beyond LINE_MAX is cut in two."""
        rest = b""
        for block in self._input.blocks(progress):
            whole, newline, tail = (rest + block).rpartition(b"\n")
            rest = tail
            if newline:
                yield whole.split(b"\n"), True
            if len(rest) > LINE_MAX:
                yield (rest[:LINE_MAX],), True
                rest = b""
        if rest:
            yield (rest,), False

    def _unreadable(self, line: bytes) -> None:
        stats = self.stats
        stats.unreadable += 1
        if len(stats.unreadable_lines) < UNREADABLE_KEPT:
            stats.unreadable_lines.append((stats.lines, line[:200].decode("utf-8", "replace")))
