"""Adoptions that are not surely known: /proc is asked for the parent, and what it says is used in its turn.

/proc is ahead of the events that are still to be read. Its word is kept until the graph has come to the moment at which
it was read: used at once, it would be about a process that the graph has not got yet, or has under another number
(an exec by a thread that is not the leader, de_thread()).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from tracer.event import Event
from tracer.graph import DEAD, ZOMBIE, Process, Reparenting
from tracer.identity import Evidence
from tracer.sources.ebpf.living import same_start
from tracer.sources.proc import TICK, ProcProcess, read_process, snapshot_events

ASK_AGAIN = 0.05
"""Seconds: the kernel moves orphans some time after the exit is reported (exit_notify())."""
ASK_FOR = 2.0
"""Seconds after which an orphan whose /proc entry still shows the dead parent is left as it is."""


class _Answer(NamedTuple):
    """An orphan, the adoption that is in doubt, what /proc has, and when to give up (time.monotonic())."""

    process: Process
    step: Reparenting
    found: ProcProcess
    last: float


class DoubtfulOrphans:
    """Those whose new parent is a guess. False when there are none."""

    def __init__(self) -> None:
        self._waiting: dict[Process, tuple[float, float]] = {}
        """(next look, last look), by time.monotonic()."""
        self._answers: list[_Answer] = []

    def __bool__(self) -> bool:
        return bool(self._waiting or self._answers)

    def note(self, moves: Iterable[tuple[Process, Reparenting]]) -> None:
        """Adoptions as the graph has them; those in doubt are to be looked up."""
        now = time.monotonic()
        for process, step in moves:
            if step.evidence.rank > Evidence.DERIVED.rank and process.state is not DEAD:
                self._waiting[process] = (now, now + ASK_FOR)

    def ask(self) -> None:
        """Look up who is due."""
        now = time.monotonic()
        due = [process for process, (look, _) in self._waiting.items() if look <= now]
        for process in due:
            last = self._waiting.pop(process)[1]
            if not _is_open(process) or not process.reparentings:
                continue
            found = read_process(process.tgid)
            if found is None:
                continue
            if process.start_time and not same_start(process.start_time, found.stat.start_ticks * TICK):
                continue  # the number is somebody else's by now
            step = process.reparentings[-1]
            if found.stat.ppid != step.old.tgid:
                self._answers.append(_Answer(process, step, found, last))
            elif now < last:
                self._waiting[process] = (now + ASK_AGAIN, last)

    def answers(self, latest: int, at: int, *, empty: bool) -> list[Event]:
        """What /proc said up to `latest`, ns since boot, the time of the last event: observed, whatever it is.

        empty  no event was left to read, so all of it is due
        """
        waiting = [] if empty else [answer for answer in self._answers if answer.found.read_at >= latest]
        due = self._answers if empty else [answer for answer in self._answers if answer.found.read_at < latest]
        self._answers = waiting
        events: list[Event] = []
        for process, step, found, last in due:
            if not _is_open(process) or not process.reparentings or process.reparentings[-1] is not step:
                continue
            dead = process.state is ZOMBIE
            told = snapshot_events(found, at, start_time=process.start_time, subreaper=process.subreaper, zombie=dead)
            events.append(told[0])  # of the parent; all else is told by events
            now = time.monotonic()
            if now < last:  # the parent that it names may have died since
                self._waiting[process] = (now + ASK_AGAIN, last)
        return events


def _is_open(process: Process) -> bool:
    return process.state is not DEAD and process.evidence.rank > Evidence.DERIVED.rank
