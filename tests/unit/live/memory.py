"""A live source that gives out events which it has already."""

from __future__ import annotations

from collections.abc import Iterable

from tracer.event import Event, Snapshot
from tracer.life import ShortLife
from tracer.sources.base import SourceInfo, SourceStats


def there(tgid: int, ppid: int, comm: str = "sh", subreaper: bool = False) -> Snapshot:
    """A process that was there before."""
    return Snapshot(0, 0, tgid, tgid, ppid, comm, f"/bin/{comm}", (comm,), tgid, False, (), "", subreaper)


class LiveMemory:
    """Each `poll` gives the next batch."""

    repair_is_due = False

    def __init__(self, batches: Iterable[list[Event]]) -> None:
        self.info = SourceInfo("ebpf", "live", None, "boot")
        self.stats = SourceStats()
        self._batches = iter(batches)

    def poll(self, timeout: float) -> list[Event]:
        events = next(self._batches, [])
        self.stats.events += len(events)
        return events

    def poll_lives(self, timeout: float) -> list[Event | ShortLife]:
        return [*self.poll(timeout)]
