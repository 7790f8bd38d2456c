"""Opening what the user named: a file, gzip or zstd data, or '-' for stdin. Bytes come out in blocks.

Memory is bounded whatever the input is: compressed data is expanded piece by piece, and stdin, which can be read
only once, goes to a temporary file while it is read.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard

from tracer.errors import UnreadableInput
from tracer.sources.base import Progress

BLOCK = 1 << 16
"""What is made of a block (rows, records) fits into a core's cache: reading is twice as fast as with 1 MB blocks."""
SAMPLE = 1 << 18

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_OTHERS = {b"BZh": "bzip2 -dc", b"\xfd7zXZ": "xz -dc", b"PK\x03\x04": "unzip -p", b"\x04\x22\x4d\x18": "lz4 -dc"}
"""What else is recognised -> the command that unpacks it to a pipe."""
_ZSTD_PIECE = 2048
"""A zstd block of 4 bytes can stand for 128 KiB, so compressed data goes in by small pieces."""


class Input:
    """One input that can be read from the start any number of times."""

    def __init__(self, path: str) -> None:
        """Raises UnreadableInput for what cannot be opened; directories are the caller's matter."""
        self.path = path
        self.name = "stdin" if path == "-" else path
        """For people."""
        self.damage = ""
        """After a pass over `blocks`: why the input could not be read to its end, or ''."""
        self._file = _stdin() if path == "-" else _open(path)
        self.size = os.fstat(self._file.fileno()).st_size if path != "-" and is_file(path) else None
        """Bytes on disk, None for pipes."""
        try:
            start = self._file.read(8)
        except OSError as error:
            raise UnreadableInput(f"cannot read {self.name}: {_why(error)}") from error
        self._file.seek(0)
        self.compression = "gzip" if start[:2] == _GZIP else "zstd" if start[:4] == _ZSTD else ""
        for magic, unpack in _OTHERS.items():
            if start.startswith(magic):
                kind = unpack.split()[0].removeprefix("un")
                command = f"... | {unpack}" if path == "-" else f"{unpack} {path}"
                raise UnreadableInput(
                    f"{self.name} is {kind} data", f"Only gzip and zstd are unpacked here: {command} | ctrace replay -"
                )

    @property
    def mappable(self) -> bool:
        """A plain file, which other processes can open by its name too."""
        return self.size is not None and not self.compression

    def sample(self) -> bytes:
        """The beginning, expanded."""
        sample = b""
        for block in self.blocks(size=SAMPLE):  # of a pipe, a block can be as short as what was there
            sample += block
            if len(sample) >= SAMPLE:
                break
        return sample[:SAMPLE]

    def blocks(self, progress: Progress | None = None, size: int = BLOCK) -> Iterator[bytes]:
        """The whole content, expanded, from the start; ends early with `damage` set where it cannot be expanded."""
        self._file.seek(0)
        self.damage = ""
        raw = self._raw(progress, size)
        if self.compression == "gzip":
            return self._gunzip(raw)
        if self.compression == "zstd":
            return self._unzstd(raw)
        return raw

    def _raw(self, progress: Progress | None, size: int) -> Iterator[bytes]:
        done = 0
        while True:
            try:
                block = self._file.read(size)
            except OSError as error:
                if not done:
                    raise UnreadableInput(f"cannot read {self.name}: {error.strerror}") from error
                self.damage = f"reading stopped after {done} bytes: {error.strerror}"
                return
            if not block:
                return
            done += len(block)
            yield block
            if progress is not None:
                progress(done)

    def _gunzip(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        expander = zlib.decompressobj(31)
        began = False
        for data in raw:
            while data:
                if expander.eof:
                    if not data.startswith(_GZIP):
                        return  # padding after the last member
                    expander = zlib.decompressobj(31)
                try:
                    block = expander.decompress(data, BLOCK)
                except zlib.error as error:
                    self._damaged("gzip", str(error), began)
                    return
                data = expander.unconsumed_tail or expander.unused_data
                if block:
                    began = True
                    yield block
        if not expander.eof:
            rest = expander.flush()
            if rest:
                began = True
                yield rest
            self._damaged("gzip", "it ends too early", began)

    def _unzstd(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        new = zstandard.ZstdDecompressor().decompressobj
        expander = new()
        began = False
        for data in raw:
            for start in range(0, len(data), _ZSTD_PIECE):
                piece = data[start : start + _ZSTD_PIECE]
                while piece:
                    if expander.eof:
                        expander = new()
                    try:
                        block = expander.decompress(piece)
                    except zstandard.ZstdError as error:
                        self._damaged("zstd", str(error), began)
                        return
                    piece = expander.unused_data
                    if block:
                        began = True
                        yield block
        if not expander.eof:
            self._damaged("zstd", "it ends too early", began)

    def _damaged(self, kind: str, why: str, began: bool) -> None:
        if not began:
            check = f"Check it with: {kind} -t {self.path}" if self.path != "-" else ""
            raise UnreadableInput(f"{self.name} is damaged {kind} data: {why}", check)
        self.damage = f"the {kind} data is damaged: {why}; the rest of the file was not read"

    def close(self) -> None:
        """Give the file back; a spooled stdin is gone then."""
        self._file.close()


class _Spool:
    """stdin with a memory: what was read once can be read again."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._file = tempfile.TemporaryFile(prefix="ctrace-")  # noqa: SIM115 - lives as long as the input
        self._pos = 0
        self._length = 0

    def fileno(self) -> int:
        return self._file.fileno()

    def seek(self, pos: int) -> None:
        self._pos = pos

    def read(self, size: int) -> bytes:
        if self._pos < self._length:
            self._file.seek(self._pos)
            block = self._file.read(min(size, self._length - self._pos))
        else:
            block = self._stream.read1(size) if hasattr(self._stream, "read1") else self._stream.read(size)
            self._file.seek(self._length)
            self._file.write(block)
            self._length += len(block)
        self._pos += len(block)
        return block

    def close(self) -> None:
        self._file.close()


_stdin_spool: _Spool | None = None


def _stdin() -> _Spool:
    global _stdin_spool  # noqa: PLW0603 - stdin is global too, and can be read only once
    if _stdin_spool is None or _stdin_spool._stream is not sys.stdin.buffer or _stdin_spool._file.closed:
        _stdin_spool = _Spool(sys.stdin.buffer)
    return _stdin_spool


def is_file(path: str) -> bool:
    """Whether it is a regular file; also no where that may not be seen: opening it will tell."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file() raises where a folder is closed


def is_folder(path: str) -> bool:
    """Whether it is a folder; no where that may not be seen."""
    return os.path.isdir(path)  # noqa: PTH112


def _open(path: str) -> IO[bytes] | _Spool:
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - lives as long as the input
    except (OSError, ValueError) as error:
        raise UnreadableInput(f"cannot read {path}: {_why(error)}", _hint(path, error)) from error
    if is_file(path):
        return file
    return _Spool(file)  # a pipe or a device: /dev/fd/63 and the like


def _why(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _hint(path: str, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return ""
    if error.errno == errno.EACCES:
        return "You may not read it: try sudo."
    if error.errno == errno.ENOENT:
        return "Is the name right? '-' reads from stdin."
    return ""
