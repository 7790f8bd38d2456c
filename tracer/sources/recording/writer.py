"""Writing recordings, so that a killed recorder loses no more than its last second."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from io import RawIOBase
from operator import itemgetter
from typing import BinaryIO

import zstandard

from tracer.errors import OutputError
from tracer.event import Event
from tracer.life import ShortLife
from tracer.sources.recording.header import Header
from tracer.sources.recording.lines import encode_event, encode_life

FLUSH_INTERVAL = 1.0
"""Seconds between two points up to which the file is readable."""
FRAME_BYTES = 16 << 20
"""Expanded bytes per zstd frame."""
_LEVEL = 3
_place = itemgetter(0)
_encode = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode


class RecordingWriter:
    """Writes events to an open file. Raises OutputError where that fails (disk full).

    Call `write` with each batch, `tick` now and then when there are none, and `close` at the end. The file is opened
    by the caller, who knows how to do that safely.
    """

    def __init__(self, file: BinaryIO | RawIOBase, header: Header) -> None:
        self._file = file
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._frame = self._compressor.compressobj()
        self._in_frame = 0
        self._pending = False
        self._flushed_at = time.monotonic()
        self.events = 0
        """Written so far."""
        self._put((_encode(header._asdict()) + "\n").encode())
        self.flush()

    def write(self, events: Sequence[Event]) -> None:
        """Add events, in order."""
        self._write([encode_event(event) for event in events])

    def write_lives(self, items: Sequence[Event | ShortLife]) -> None:
        """The same: each event of a short life gets its own line, in its place."""
        lines: list[tuple[int, str]] = []
        for item in items:
            if type(item) is ShortLife:
                lines += encode_life(item)
            else:
                lines.append((item.at, encode_event(item)))  # type: ignore[arg-type]
        lines.sort(key=_place)
        self._write([line for _, line in lines])

    def _write(self, lines: list[str]) -> None:
        if not lines:
            return
        self._put(("\n".join(lines) + "\n").encode("ascii"))
        self.events += len(lines)
        self.tick()

    def tick(self) -> None:
        """Make what was written readable, if the last time is a second ago."""
        if self._pending and time.monotonic() - self._flushed_at >= FLUSH_INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Make readable what was written so far, whatever happens to this process."""
        if self._in_frame >= FRAME_BYTES:
            self._output(self._frame.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH))
            self._frame = self._compressor.compressobj()
            self._in_frame = 0
        else:
            self._output(self._frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        self._pending = False
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        """End the recording; the file stays open."""
        self._output(self._frame.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH))

    def _put(self, data: bytes) -> None:
        self._in_frame += len(data)
        self._pending = True
        self._output(self._frame.compress(data))

    def _output(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
            if data and not isinstance(self._file, RawIOBase):
                self._file.flush()
        except OSError as error:
            raise OutputError(
                f"cannot write the recording: {os.strerror(error.errno or 0)}",
                "What was written before can be replayed.",
            ) from None
