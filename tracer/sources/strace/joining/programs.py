"""The exec table: what logs repeat is decoded once."""

from __future__ import annotations

from itertools import islice

from tracer.sources.strace.lines import calls
from tracer.sources.strace.records import Program

MAX_KEPT_PROGRAMS = 5_000


class Programs:
    """Programs that EXEC records refer to by number."""

    __slots__ = ("_ids", "_kept", "_next", "by_args", "new")

    def __init__(self, kept: int = MAX_KEPT_PROGRAMS) -> None:
        self.new: list[tuple[int, Program]] = []
        """Entries since they were last taken."""
        self._ids: dict[bytes, int] = {}
        self.by_args: dict[bytes, int] = {}
        """The same by the whole text: one look-up where a log repeats that too."""
        self._kept = kept
        self._next = 1

    @property
    def count(self) -> int:
        """How many programs there have been."""
        return self._next - 1

    def reference(self, args: bytes) -> int:
        """The number for the arguments of an execve; 0 where they cannot be read."""
        number = self.by_args.get(args)
        if number is None:
            key = args[: args.rfind(b"]")] or args  # what follows is the environment's address, which differs
            number = self._ids.get(key) or self._add(key, args)
            if len(args) < 4096:
                if len(self.by_args) >= MAX_KEPT_PROGRAMS:
                    self.by_args.clear()
                self.by_args[args] = number
        return number

    def _add(self, key: bytes, args: bytes) -> int:
        found = calls.program(args)
        if found is None:
            return 0
        number = self._next
        self._next += 1
        if len(self._ids) >= self._kept:
            self._ids.clear()
        if len(key) < 4096:
            self._ids[key] = number
        self.new.append((number, found))
        return number


def forget_old(table: dict[int, Program]) -> None:
    """Keep a table of entries that were taken small. Numbers are not used again, and no record refers far back."""
    if len(table) > 4 * MAX_KEPT_PROGRAMS:
        for number in list(islice(table, MAX_KEPT_PROGRAMS)):
            del table[number]
