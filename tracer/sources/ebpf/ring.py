"""The kernel's BPF ring buffer, read straight from its mapping.

Layout (kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the producer's, then the data, mapped
twice in a row, so that a record that wraps around is contiguous. Each record has a header of 8 bytes: its length with
two flag bits, and a page offset; records begin at multiples of 8.

The kernel reads and writes the positions at the same time, so each access must be one load or store of 8 bytes. An
item of a memoryview is; struct is not: it copies byte by byte, and pack_into() even clears the place first, upon
which the kernel now and then takes the ring for full.
"""

from __future__ import annotations

import mmap
import select
import time

from tracer.errors import CapabilityError

_BUSY = 1 << 31
_DISCARD = 1 << 30
_LENGTH = _DISCARD - 1


class RingBuffer:
    """A mapped ring buffer. `fd` stays the caller's; `size` is its data size in bytes, a power of two."""

    def __init__(self, fd: int, size: int) -> None:
        page = mmap.PAGESIZE
        self.size = size
        try:
            self._consumer = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
            self._producer = mmap.mmap(fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        except OSError as error:
            raise CapabilityError(f"the ring buffer cannot be mapped: {error.strerror}") from None
        self._consumed = memoryview(self._consumer).cast("Q")
        self._produced = memoryview(self._producer)[:8].cast("Q")
        self._lengths = memoryview(self._producer).cast("I")
        self._position = self._consumed[0]
        self._epoll = select.epoll()
        self._epoll.register(fd, select.EPOLLIN)

    def wait(self, seconds: float, every: float) -> None:
        """Sleep until there is something to read, but no longer than this; looks `every` so many seconds.

        The kernel says by itself only that there is much to read.
        """
        head, end = self._produced[0], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._epoll.poll(min(left, every)) or self._produced[0] != head or head != self._position:
                break

    @property
    def position(self) -> int:
        """Where reading goes on: bytes since the beginning."""
        return self._position

    def head(self) -> int:
        """Where writing goes on."""
        return self._produced[0]

    def drain(self, limit: int) -> list[bytes]:
        """The records that are complete, oldest first, at most about `limit` bytes of them; frees their room.

        Each is copied: struct reads a copy in less than half the time that it needs for a place in a mapping.
        """
        records: list[bytes] = []
        append, mapping, lengths = records.append, self._producer, self._lengths
        first = at = mmap.PAGESIZE + (self._position & self.size - 1)
        end = at + min(self._produced[0] - self._position, limit, self.size)
        while at < end:
            length = lengths[at >> 2]
            if length <= _LENGTH:
                append(mapping[at + 8 : at + 8 + length])
            elif length & _BUSY:
                break
            else:
                length &= _LENGTH
            at += length + 15 & ~7
        if at != first:
            self._position += at - first
            self._consumed[0] = self._position
        return records

    def close(self) -> None:
        """Unmap."""
        self._epoll.close()
        for view in (self._consumed, self._produced, self._lengths):
            view.release()
        self._consumer.close()
        self._producer.close()
