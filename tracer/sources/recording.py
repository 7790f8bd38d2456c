"""Recordings: what `ctrace record` writes and `ctrace replay` reads (docs/reference/events.md).

A recording is zstd data; expanded, it is text: a header line, then one event a line, as JSON. Lines are short and
bounded, so a reader needs little memory whatever the file holds, and nothing in it is ever executed.

The writer completes a zstd block at least every second, so that of a killed recorder all but the last second can be
read, and begins a new frame (with a checksum) now and then, so that a damaged place costs no more than what follows.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from io import RawIOBase
from operator import itemgetter
from pathlib import Path
from types import UnionType
from typing import Any, BinaryIO, NamedTuple, Union, get_args, get_origin, get_type_hints

import zstandard

from tracer import event
from tracer.errors import OutputError, UnreadableInput
from tracer.event import Event, Lost
from tracer.sources.base import UNREADABLE_KEPT, Progress, SourceInfo, SourceStats
from tracer.sources.open import Input
from tracer.version import __version__

FORMAT = 1
MAGIC = b'{"schema":"ctrace.recording/'
"""How the expanded content begins."""

LINE_MAX = 1 << 20
"""Bytes; a longer line is no event of ours."""
TEXT_MAX = 1 << 18
"""Characters of all strings of an event together; longer arguments are cut by the writer."""
FLUSH_INTERVAL = 1.0
"""Seconds between two points up to which the file is readable."""
FRAME_BYTES = 16 << 20
"""Expanded bytes per zstd frame."""
_LEVEL = 3


class Header(NamedTuple):
    """What the recorder says of itself."""

    schema: str
    clock: str
    """What the events' `time` counts from: `boot`."""
    boot_epoch: int
    """ns since the epoch when `time` was 0, as the recorder's clock had it at the start."""
    host: str
    kernel: str
    boot_id: str
    """Of the machine's start: times of recordings with the same one are comparable."""
    ctrace: str
    """Version of the program."""
    target: str
    """What was asked for, for people."""


def header_here(target: str) -> Header:
    """The header of a recording that begins now on this machine."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot_id = ""
    boot_epoch = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Header(
        f"ctrace.recording/{FORMAT}",
        "boot",
        boot_epoch,
        platform.node(),
        platform.release(),
        boot_id,
        __version__,
        target,
    )


# ---- events as lines ----

_NAMES: dict[type, str] = {kind: kind.__name__ for kind in event.KINDS}
_KINDS: dict[str, type] = {name: kind for kind, name in _NAMES.items()}
_encode = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_LIST_MAX = 1 << 16


def encode_event(one: Event) -> str:
    """One line, without its newline: `["Exit",17,2728319558949,26528,0]`. Pure ASCII."""
    name = _NAMES[type(one)]
    line = _encode((name, *one))
    if len(line) > TEXT_MAX:
        line = _encode((name, *_shortened(one)))
    return line


def _shortened(one: Event) -> Iterator[object]:
    """The fields, with long texts cut; an Exec then says that its argv is cut."""
    for name, value in zip(one._fields, one, strict=True):
        if isinstance(value, str):
            yield value[:4096]
        elif isinstance(value, tuple):
            yield [v[:512] if isinstance(v, str) else v for v in value[:32]]
        else:
            yield True if name == "argv_cut" else value


Check = Callable[[Any], Any]
"""Takes a decoded JSON value, gives the field's value; raises ValueError where it is of another kind."""


def _integer(value: Any) -> int:
    if type(value) is not int or not _INT_MIN <= value <= _INT_MAX:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _list_of(check: Check) -> Check:
    def checked(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or len(value) > _LIST_MAX:
            raise ValueError
        return tuple([check(v) for v in value])

    return checked


_PLAIN: dict[Any, Check] = {int: _integer, str: _text, bool: _boolean}


def _check_for(hint: Any) -> Check:
    """The check for a field of this type."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (part for part in get_args(hint) if part is not type(None))
        return _optional(_check_for(inner))
    return _list_of(_check_for(get_args(hint)[0]))


class _Layout(NamedTuple):
    """How the values of one kind of event are checked."""

    kind: type
    checks: tuple[Check, ...]
    required: int
    types: tuple[type, ...]
    """What JSON gives for each field where none is null: what a writer of this version writes nearly always."""
    lists: tuple[int, ...]
    """Places of the fields that are lists."""
    integers: Callable[[Sequence[Any]], tuple[int, ...]]
    """Picks the fields that are integers (there are always several)."""


def _layout(kind: Any) -> _Layout:
    hints = [get_type_hints(kind)[name] for name in kind._fields]
    types = tuple(map(_json_type, hints))
    places = {of: tuple(i for i, t in enumerate(types) if t is of) for of in (int, list)}
    required = len(hints) - len(kind._field_defaults)
    return _Layout(kind, tuple(map(_check_for, hints)), required, types, places[list], itemgetter(*places[int]))


def _json_type(hint: Any) -> type:
    if get_origin(hint) in (Union, UnionType):
        hint = get_args(hint)[0]
    return list if get_origin(hint) is tuple else hint


_LAYOUTS = {name: _layout(kind) for name, kind in _KINDS.items()}


class UnknownEventError(Exception):
    """A line of a kind that this version does not know: written by a later one."""


def decode_event(fields: Any) -> Event:
    """The event of one line of decoded JSON. Raises UnknownEventError, or ValueError where it is no event at all.

    Fields that a later version has added are left out; fields that an earlier one did not have get their default.
    """
    if type(fields) is not list or not fields or type(fields[0]) is not str:
        raise ValueError
    layout = _LAYOUTS.get(fields[0])
    if layout is None:
        raise UnknownEventError
    kind, checks, required, types, lists, integers = layout
    values = fields[1 : 1 + len(types)]
    decoded: Event
    if tuple(map(type, values)) == types:
        picked = integers(values)
        if min(picked) >= _INT_MIN and max(picked) <= _INT_MAX:
            for place in lists:
                values[place] = checks[place](values[place])
            decoded = tuple.__new__(kind, values)
            return decoded
    if len(values) < required:
        raise ValueError
    decoded = kind(*[check(value) for check, value in zip(checks, values, strict=False)])
    return decoded


def parse_lines(lines: Sequence[bytes]) -> Sequence[Any]:
    """The JSON value of each line; ValueError, where it is none, is given in its place.

    All lines at once where that works: that is three times as fast.
    """
    try:
        values: list[Any] = json.loads(b"[" + b",".join(lines) + b"]")
        if len(values) == len(lines):
            return values
    except (ValueError, RecursionError):
        pass
    return [_parse_line(line) for line in lines]


def _parse_line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return ValueError


# ---- writing ----


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
        if not events:
            return
        self._put(("\n".join(map(encode_event, events)) + "\n").encode("ascii"))
        self.events += len(events)
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
                "what was written before can be replayed",
            ) from None


# ---- reading ----


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
                "read it with the version of ctrace that wrote it, or a later one",
            )
        values: list[Any] = []
        for name, hint in get_type_hints(Header).items():
            value = fields.get(name)
            values.append(value if type(value) is hint else hint())
        return Header(*values)

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
