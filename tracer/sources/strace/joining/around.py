"""The lines around the one that is read: for what is asked so rarely that nobody keeps it."""

from __future__ import annotations


class Around:
    """The block of whole lines that is being read."""

    def __init__(self) -> None:
        self._first = 0
        self._block = b""
        self._lines: list[bytes] | None = None

    def turn_to(self, first: int, block: bytes) -> None:
        """The next block; `first` is the number of its first line."""
        self._first, self._block, self._lines = first, block, None

    def between(self, after: int, before: int) -> list[bytes] | None:
        """The lines between two, by their numbers; None where one of these is not in the block."""
        if self._lines is None:
            self._lines = self._block.split(b"\n")
        start = after - self._first + 1
        end = before - self._first
        return self._lines[start:end] if start > 0 and end < len(self._lines) else None
