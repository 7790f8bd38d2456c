"""One live session: what comes from the source goes through the engine, the recorder and whoever listens.

    events = source.poll()  ->  engine (event by event where somebody listens)  ->  recorder
    adoptions whose evidence is weak  ->  /proc is asked  ->  Snapshot events, through the same path

The screen and the line printers only read; nothing here prints.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from tracer.event import ContainerTold, Event, Exec, Snapshot
from tracer.graph import Process, ProcessGraph, Reparenting
from tracer.life import ShortLife
from tracer.live.finished import FinishedCounts
from tracer.live.journal import ADOPTED, Happened, Journal, Tell
from tracer.live.lives import LifeTeller, ShortLives
from tracer.live.orphans import DoubtfulOrphans
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.retire import release, retire
from tracer.runtime.claims import is_runtime
from tracer.runtime.containers import Names
from tracer.runtime.roles import Roles
from tracer.sources.base import SourceInfo, SourceStats

if TYPE_CHECKING:
    from tracer.runtime.bundles import Files

RETIRE_AFTER = 4096
"""So many processes more than live before the dead ones are looked through."""
DRAIN_FOR = 20.0
"""Seconds: where events come faster than they can be read, what is there after this must do."""


class LiveSource(Protocol):
    """What the session needs of a source (sources.ebpf.source.EbpfSource)."""

    info: SourceInfo
    stats: SourceStats

    @property
    def repair_is_due(self) -> bool: ...
    def poll(self, timeout: float) -> list[Event]: ...
    def poll_lives(self, timeout: float) -> list[Event | ShortLife]: ...


class Recorder(Protocol):
    """What the session needs of a writer (sources.recording)."""

    def write(self, events: Sequence[Event]) -> None: ...
    def write_lives(self, items: Sequence[Event | ShortLife]) -> None: ...
    def tick(self) -> None: ...


class Session:
    """A source, the graph it builds, and the counts of what has been forgotten.

    tell       called for every change, in order, before the next one is applied; None when nobody wants to know
    tell_last  with a number: nobody needs more than so many changes of one batch, so a flood is not told in full
    recorder   gets every event; with `lives` also of what is not built
    lives      who can tell of short lives that are not built; None: all are built
    files      who is asked for names of containers, as long as they are there; the recorder gets what they say
    """

    def __init__(
        self,
        source: LiveSource,
        *,
        tell: Tell | None = None,
        tell_last: int | None = None,
        recorder: Recorder | None = None,
        lives: LifeTeller | None = None,
        files: Files | None = None,
    ) -> None:
        self.source = source
        self.engine = Engine()
        self.recorder = recorder
        self.roles = Roles(self.engine.graph)
        self.finished = FinishedCounts(self.roles)
        self.names = Names(files)
        self.tell_last = tell_last
        self.seen = 0
        """Processes so far, the forgotten ones included."""
        self.started = time.monotonic()
        state = self.engine.state
        self._lives = ShortLives(state, self.finished, self.names, self.roles, lives) if lives is not None else None
        self._journal = Journal(self.engine, tell) if tell is not None else None
        self._told: set[tuple[str, str]] = set()
        """Containers whose details were recorded."""
        self._moves: list[tuple[Process, Reparenting]] = []
        self._orphans = DoubtfulOrphans()
        self._latest = 0
        """Time of the last event, ns since boot."""
        self._forgotten = 0
        self._retire_at = RETIRE_AFTER

    @property
    def graph(self) -> ProcessGraph:
        """The graph as of the last event; dead processes that no living one needs are gone from it."""
        return self.engine.graph

    def settle(self) -> None:
        """Who is there will stay: from now on garbage is looked for only when the dead are forgotten."""
        gc.freeze()
        gc.disable()

    def step(self, timeout: float) -> int:
        """Wait for events at most `timeout` seconds, apply them; how many there were."""
        count = self._step_lives(self._lives, timeout) if self._lives is not None else self._step(timeout)
        # /proc's word on one adoption says nothing of the threads and ends that were lost beside it.
        if self._orphans and not self.source.repair_is_due:
            answers = self._orphans.answers(self._latest, self.source.stats.events, empty=not count)
            if answers:
                self.feed(answers)
            self._orphans.ask()
        return count

    def _step(self, timeout: float) -> int:
        events = self.source.poll(timeout)
        if events:
            self.feed(events)
        elif self.recorder is not None:
            self.recorder.tick()
        return len(events)

    def _step_lives(self, lives: ShortLives, timeout: float) -> int:
        """The same; the short lives that need not be built are not."""
        items = self.source.poll_lives(timeout)
        if items:
            if self.recorder is not None:
                self.recorder.write_lives(items)
            last = self.tell_last if self._journal is not None else 0
            events = lives.take(items, last, self._apply if last is None else self._feed_quietly)
            if events:
                self._apply(events)
            self._latest = max(self._latest, items[-1].time or 0)
            self._see()
        elif self.recorder is not None:
            self.recorder.tick()
        return len(items)

    def drain(self) -> None:
        """Apply everything that has happened before this call."""
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        until = time.monotonic() + DRAIN_FOR
        while self.step(0) and self._latest < now and time.monotonic() < until:
            pass

    def feed(self, events: list[Event]) -> None:
        """Apply and record."""
        if self.recorder is not None:
            self.recorder.write(events)
        self._apply(events)

    def _apply(self, events: list[Event]) -> None:
        self._feed(*self._split(events))
        self._latest = events[-1].time or self._latest

    def _feed_quietly(self, events: list[Event]) -> None:
        """Apply; of what happened only adoptions are told."""
        self._feed(events, [])

    def _feed(self, quiet: list[Event], told: list[Event]) -> None:
        state = self.engine.state
        if quiet:
            state.moves = self._moves
            self.engine.feed(quiet)
            self._tell_moves()
        if told and self._journal is not None:
            self._journal.feed(told, self._moves)
        self._orphans.note(self._moves)
        self._moves.clear()
        self._note_names(quiet)
        self._note_names(told)
        if len(state.processes) > self._retire_at:
            self.retire()
        self._see()

    def _see(self) -> None:
        passed = self._lives.count if self._lives is not None else 0
        self.seen = self._forgotten + passed + len(self.engine.state.processes)

    def _tell_moves(self) -> None:
        """Adoptions are what people look for: they are told also where the rest is not."""
        if self._journal is None or self.tell_last is None:
            return
        for process, step in self._moves[-self.tell_last :]:
            self._journal.tell(Happened(ADOPTED, step.at, step.time, process, step))

    def _split(self, events: list[Event]) -> tuple[list[Event], list[Event]]:
        """What is applied quickly, and what is told."""
        if self._journal is None:
            return events, []
        if self.tell_last is None or len(events) <= self.tell_last:
            return [], events
        return events[: -self.tell_last], events[-self.tell_last :]

    def retire(self) -> None:
        """Count the dead, and forget those that no living process's story needs."""
        state = self.engine.state
        self.finished.count(state.processes)
        gone = retire(state)
        self._forgotten += len(gone)
        self.finished.forget(gone)
        self.names.forget(gone)
        if self._lives is not None:
            self._lives.forget(gone)
        release(gone)
        if not gc.isenabled():
            gc.collect()  # processes and their tasks name each other
        self._retire_at = 2 * len(state.processes) + RETIRE_AFTER

    # --- names of containers: the runtime's files are there only as long as the container is ---

    def _note_names(self, events: list[Event]) -> None:
        """Ask when a runtime starts to work for a container, and for everything that is found in /proc."""
        tasks = self.engine.state.tasks
        asked = False
        for event in events:
            kind = type(event)
            if (kind is Exec and is_runtime(event.filename)) or kind is Snapshot:  # type: ignore[union-attr]
                task = tasks.get(event.tid)
                asked |= task is not None and self.names.of(task.process) is not None
        if asked and self.recorder is not None:
            self._record_names(events[-1])

    def _record_names(self, last: Event) -> None:
        new = [(key, details) for key, details in self.names.known() if key not in self._told]
        self._told.update(key for key, _ in new)
        told = [ContainerTold(last.at, last.time, 0, *key, tuple(details)) for key, details in new]
        if told and self.recorder is not None:
            self.engine.feed(told)
            self.recorder.write(told)
