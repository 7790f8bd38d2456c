"""The exec table: what logs repeat is decoded once."""

from __future__ import annotations

from tracer.sources.strace import calls
from tracer.sources.strace.records import Program

MAX_KEPT_PROGRAMS = 20_000


class Programs:
    """Programs that EXEC records refer to by number."""

    __slots__ = ("_ids", "_kept", "_next", "new")

    def __init__(self, kept: int = MAX_KEPT_PROGRAMS) -> None:
        self.new: list[tuple[int, Program]] = []
        """Entries since they were last taken; an entry replaces an older one of the same number."""
        self._ids: dict[bytes, int] = {}
        self._kept = kept
        self._next = 1

    def reference(self, args: bytes) -> int:
        """The number for the arguments of an execve; 0 where they cannot be read."""
        key = args[: args.rfind(b"]")] or args  # what follows is the environment's address, which differs
        return self._ids.get(key) or self._add(key, args)

    def _add(self, key: bytes, args: bytes) -> int:
        found = calls.program(args)
        if found is None:
            return 0
        number = self._next
        self._next += 1
        if self._next > self._kept:
            self._next = 1
            self._ids.clear()
        elif len(key) < 4096:
            self._ids[key] = number
        self.new.append((number, found))
        return number
