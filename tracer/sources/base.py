"""What a source is, for everything behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from tracer.event import Event
from tracer.life import Life

Progress = Callable[[int], None]
"""Called now and then with the number of input bytes read so far (compressed bytes, where compressed)."""

UNREADABLE_KEPT = 1000
"""So many unreadable lines are kept with their text; the count goes on."""


@dataclass(slots=True)
class SourceInfo:
    """What the input is."""

    kind: str
    """`strace`, `ctrace` (a recording), `ebpf`, `proc`."""
    path: str
    """As the user named it; '-' for stdin."""
    size: int | None
    """Bytes on disk, None where unknown (a pipe)."""
    clock: str | None = None
    """What `time` counts from: `epoch`, `day` (since midnight of the first line's day), `boot`, `start`, or None."""
    locate: Callable[[int], str] | None = None
    """An input of many files: where an event's `at` is (`t.908 line 4`). None: `at` says it."""
    boot_epoch: int | None = None
    """Clock `boot`: ns since the epoch when it was 0; None: not known."""
    returned_only: bool = False
    """A call is told when it has returned, and not at all if its task was killed inside (strace -z)."""
    day: int | None = None
    """Clock `boot`: its time at the midnight (UTC) before the first event; None: not known."""

    @property
    def midnight(self) -> int | None:
        """The time at which the day began from which times of day count; None: it has none, but seconds."""
        return 0 if self.clock == "day" else self.day

    @property
    def unit(self) -> str:
        """What `at` counts: the events of many files, else lines or records."""
        if self.locate is not None:
            return "event"
        return "line" if self.kind == "strace" else "record"

    def place(self, at: int) -> str:
        """`line 12`, `record 12`, `event 12 (t.908 line 4)`. Raw: clean it."""
        return f"{self.unit} {at}" + (f" ({self.locate(at)})" if self.locate is not None else "")


@dataclass(slots=True)
class SourceStats:
    """Counts that grow while `batches()` runs; complete when it ends."""

    lines: int = 0
    events: int = 0
    unreadable: int = 0
    lost: int = 0
    calls: set[str] = field(default_factory=set)
    """Names of the process-related system calls that the input shows, also failed ones (`wait4`, `prctl`, `clone3`):
    what is missing here was perhaps left out by the tracer's filter."""
    follows: bool = True
    """False: the beginning of an strace log does not say whose lines they are, so perhaps they are all of one task (no
    `-f`)."""
    nobodys: int = 0
    """Results that are found, in the end, to be no results: the source leaves them out when it is read again."""
    late_ends: bool = False
    """That ordinary ends are told showed too late for some waits: the source knows when it is read again."""
    again: bool = False
    """What the end has shown would change how the beginning is read: another reading tells more."""
    unreadable_lines: list[tuple[int, str]] = field(default_factory=list)
    """(line number, text, cut to 200 characters), the first UNREADABLE_KEPT of them. Raw: clean before printing."""


class Source(Protocol):
    """An input that can be read from the start any number of times (stdin spools to a temporary file)."""

    info: SourceInfo
    stats: SourceStats

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        """Yield the events in order, in lists of any length. Restarts `stats`.

        Raises InputError (tracer.errors) where the input turns out unusable.
        """
        ...


@runtime_checkable
class Condensing(Protocol):
    """A source that can give whole short lives as one, for those who do not look at single events."""

    def condensed(self, progress: Progress | None = None) -> Iterator[list[Event | Life]]:
        """`batches`, with Life in the place of the events that it stands for."""
        ...
