"""Recordings: what `ctrace record` writes and `ctrace replay` reads (docs/reference/events.md).

A recording is zstd data; expanded, it is text: a header line, then one event a line, as JSON. Lines are short and
bounded, so a reader needs little memory whatever the file holds, and nothing in it is ever executed.

The writer completes a zstd block at least every second, so that of a killed recorder all but the last second can be
read, and begins a new frame (with a checksum) now and then, so that a damaged place costs no more than what follows.
"""

from __future__ import annotations

from tracer.sources.recording.header import FORMAT, MAGIC, Header, header_here
from tracer.sources.recording.lines import UnknownEventError, decode_event, encode_event, parse_lines
from tracer.sources.recording.reader import RecordingSource
from tracer.sources.recording.writer import RecordingWriter

__all__ = [
    "FORMAT",
    "MAGIC",
    "Header",
    "RecordingSource",
    "RecordingWriter",
    "UnknownEventError",
    "decode_event",
    "encode_event",
    "header_here",
    "parse_lines",
]
