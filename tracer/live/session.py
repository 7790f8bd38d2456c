"""One live session: what comes from the source goes through the engine, the recorder and whoever listens.

    events = source.poll()  ->  engine (event by event where somebody listens)  ->  recorder
    adoptions whose evidence is weak  ->  /proc is asked  ->  Snapshot events, through the same path

The screen and the line printers only read; nothing here prints.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from tracer.event import Event
from tracer.graph import RUNNING, Process, ProcessGraph, Reparenting
from tracer.identity import Evidence
from tracer.live.finished import FinishedCounts
from tracer.live.journal import ADOPTED, Happened, Journal, Tell
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.retire import release, retire
from tracer.runtime.roles import Roles
from tracer.sources.base import SourceInfo, SourceStats
from tracer.sources.proc import read_process, snapshot_events

RETIRE_AFTER = 4096
"""So many processes more than live before the dead ones are looked through."""
ASK_AGAIN = 0.05
"""Seconds: the kernel moves orphans some time after the exit is reported (exit_notify())."""
ASK_FOR = 2.0
"""Seconds after which an orphan whose /proc entry still shows the dead parent is left as it is."""
DRAIN_FOR = 1.0
"""Seconds: where events come without end, what is there after this must do."""


class LiveSource(Protocol):
    """What the session needs of a source (sources.ebpf.source.EbpfSource)."""

    info: SourceInfo
    stats: SourceStats

    def poll(self, timeout: float) -> list[Event]: ...


class Recorder(Protocol):
    """What the session needs of a writer (sources.recording)."""

    def write(self, events: Sequence[Event]) -> None: ...
    def tick(self) -> None: ...


class Session:
    """A source, the graph it builds, and the counts of what has been forgotten.

    tell       called for every change, in order, before the next one is applied; None when nobody wants to know
    tell_last  with a number: nobody needs more than so many changes of one batch, so a flood is not told in full
    recorder   gets every event that the engine gets
    """

    def __init__(
        self,
        source: LiveSource,
        *,
        tell: Tell | None = None,
        tell_last: int | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.source = source
        self.engine = Engine()
        self.recorder = recorder
        self.roles = Roles(self.engine.graph)
        self.finished = FinishedCounts(self.roles)
        self.seen = 0
        """Processes so far, the forgotten ones included."""
        self.started = time.monotonic()
        self._journal = Journal(self.engine, tell) if tell is not None else None
        self._tell_last = tell_last
        self._moves: list[tuple[Process, Reparenting]] = []
        self._doubtful: dict[Process, tuple[float, float]] = {}
        """Orphans to look up in /proc: (next look, last look), by time.monotonic()."""
        self._forgotten = 0
        self._retire_at = RETIRE_AFTER

    @property
    def graph(self) -> ProcessGraph:
        """The graph as of the last event; dead processes that no living one needs are gone from it."""
        return self.engine.graph

    def step(self, timeout: float) -> int:
        """Wait for events at most `timeout` seconds, apply them; how many there were."""
        events = self.source.poll(timeout)
        if events:
            self.feed(events)
        elif self.recorder is not None:
            self.recorder.tick()
        if self._doubtful:
            self._ask_proc()
        return len(events)

    def drain(self) -> None:
        """Apply everything that has happened so far; on a busy machine, most of it."""
        until = time.monotonic() + DRAIN_FOR
        while self.step(0) and time.monotonic() < until:
            pass

    def feed(self, events: list[Event]) -> None:
        """Apply and record."""
        if self.recorder is not None:
            self.recorder.write(events)
        state = self.engine.state
        quiet, told = self._split(events)
        if quiet:
            state.moves = self._moves
            self.engine.feed(quiet)
            self._tell_moves()
        if told and self._journal is not None:
            self._journal.feed(told, self._moves)
        self._note_doubtful()
        if len(state.processes) > self._retire_at:
            self.retire()
        self.seen = self._forgotten + len(state.processes)

    def _tell_moves(self) -> None:
        """Adoptions are what people look for: they are told also where the rest is not."""
        if self._journal is None or self._tell_last is None:
            return
        for process, step in self._moves[-self._tell_last :]:
            self._journal.tell(Happened(ADOPTED, step.at, step.time, process, step))

    def _split(self, events: list[Event]) -> tuple[list[Event], list[Event]]:
        """What is applied quickly, and what is told."""
        if self._journal is None:
            return events, []
        if self._tell_last is None or len(events) <= self._tell_last:
            return [], events
        return events[: -self._tell_last], events[-self._tell_last :]

    def retire(self) -> None:
        """Count the dead, and forget those that no living process's story needs."""
        state = self.engine.state
        self.finished.count(state.processes)
        gone = retire(state)
        self._forgotten += len(gone)
        self.finished.forget(gone)
        release(gone)
        self._retire_at = 2 * len(state.processes) + RETIRE_AFTER

    # --- adoptions that are not surely known: the kernel is asked ---

    def _note_doubtful(self) -> None:
        now = time.monotonic()
        for process, step in self._moves:
            if step.evidence.rank > Evidence.DERIVED.rank and process.state is RUNNING:
                self._doubtful[process] = (now, now + ASK_FOR)
        self._moves.clear()

    def _ask_proc(self) -> None:
        """Read the parent of doubtful orphans from /proc: observed, whatever it says."""
        now = time.monotonic()
        due = [p for p, (look, _) in self._doubtful.items() if look <= now]
        answers: list[Event] = []
        for process in due:
            last = self._doubtful.pop(process)[1]
            if process.state is not RUNNING or process.evidence.rank <= Evidence.DERIVED.rank:
                continue
            found = read_process(process.tgid)
            if found is None or not process.reparentings:
                continue
            dying = process.reparentings[-1].old
            if found.stat.ppid == dying.tgid:
                if now < last:
                    self._doubtful[process] = (now + ASK_AGAIN, last)
                continue
            at = self.source.stats.events
            answers += snapshot_events(found, at, start_time=process.start_time, subreaper=process.subreaper)
        if answers:
            self.feed(answers)
