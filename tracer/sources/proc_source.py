"""This machine as it is now: one snapshot of /proc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tracer.errors import UnreadableInput
from tracer.event import Event
from tracer.sources.base import Progress, SourceInfo, SourceStats
from tracer.sources.proc import PROC, parents_first, read_table, snapshot_events

MOUNT = "Is it mounted? mount -t proc proc /proc"


class ProcSource:
    """`ctrace tree`: one snapshot, no root needed."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self.info = SourceInfo(kind="proc", path=str(proc), size=None, clock="boot")
        self.stats = SourceStats()

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        """One list of Snapshot events, parents first. Raises UnreadableInput where there is no /proc."""
        self.stats = SourceStats()
        try:
            table = read_table(self._proc)
        except OSError as error:
            raise UnreadableInput(f"{self._proc}: {error.strerror}", MOUNT) from None
        if not table:
            raise UnreadableInput(f"{self._proc} shows no process, not even this one", MOUNT)
        events: list[Event] = []
        for process in parents_first(table.values()):
            events += snapshot_events(process, len(events) + 1)
        self.stats.lines = self.stats.events = len(events)
        if progress is not None:
            progress(len(events))
        yield events
