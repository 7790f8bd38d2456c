"""What got lost, or was not to be recorded: how much it was, and what /proc says in its place."""

from __future__ import annotations

import time

from tracer.event import Event
from tracer.sources import proc
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.living import same_start
from tracer.sources.ebpf.presence import look
from tracer.sources.ebpf.reader import Reader
from tracer.sources.ebpf.tracking import Tracking

ZOMBIE_AGE = 0.2
"""Seconds after which a zombie of which nothing was heard is looked up in /proc: more than the usual grace period."""
REPAIR_INTERVAL = 1.0
"""Seconds between two repairs while events keep being lost."""
ENDING_INTERVAL = 0.2
"""Seconds between two looks at those whose end no probe may tell of."""


class Repair:
    """Notes what is missing, and mends it when there is time."""

    def __init__(self, reader: Reader, tracking: Tracking) -> None:
        self._reader = reader
        self._decoder = reader.decoder
        self._probes = reader.probes
        self._tracking = tracking
        self._told = 0
        self._untracked = 0
        self._events_left_out = 0
        self._calls_left_out = 0
        self._walk_due = False
        self._repair_due = False
        self._repaired_at = 0.0
        self._look_at = 0.0
        self._ending: set[tuple[int, int, int]] = set()
        self._ending_at = 0.0

    def expect(self, ending: set[tuple[int, int, int]], agrees: bool) -> None:
        """What a look left open (see Presence): it has to be made again, or these threads may end unseen."""
        self._repair_due = not agrees
        self._ending = {who for who in ending if self._decoder.living.find(*who[1:]) is not None}

    @property
    def due(self) -> bool:
        """What is known is not right, and will be mended."""
        return self._repair_due

    def after_events(self) -> None:
        """There were some: of losses among them, and of zombies."""
        if not self._look_at:
            self._look_at = time.monotonic() + ZOMBIE_AGE
        if self._decoder.told_lost != self._told:
            self._told = self._decoder.told_lost
            self._repair_due = True

    def left_out(self) -> list[Event]:
        """Losses that no record tells of: the kernel ran no probe. Asked before what was read is decoded."""
        calls, left_out = self._probes.calls_left_out(), self._probes.events_left_out()
        if calls > self._calls_left_out:
            self._calls_left_out, self._walk_due = calls, True
        if left_out <= self._events_left_out:
            return []
        more, self._events_left_out = left_out - self._events_left_out, left_out
        return self._decoder.lost_events(more)

    def when_quiet(self) -> list[Event]:
        """The ring buffer is empty: losses that no later record told of, and the repair after a loss."""
        events = self._decoder.note_lost(self._probes.counter(wire.COUNTER_LOST))
        untracked = self._probes.counter(wire.COUNTER_UNTRACKED)
        if untracked != self._untracked:
            events += self._decoder.lost_events(untracked - self._untracked)
            self._untracked = untracked
        if events:
            return events
        events = self.overdue()
        if not events and self._look_at and time.monotonic() >= self._look_at:
            before = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(ZOMBIE_AGE / 2 * 1e9)
            events, younger = self._decoder.reaped_unseen(before)
            self._look_at = time.monotonic() + ZOMBIE_AGE if younger else 0.0
        return events

    def overdue(self) -> list[Event]:
        """What cannot wait until nothing happens: a machine may never be quiet. All that was read is decoded by now."""
        now = time.monotonic()
        rested = now - self._repaired_at >= REPAIR_INTERVAL
        events: list[Event] = []
        if (self._repair_due and rested) or self._ended_unseen(now):
            events = self._repair()
        elif self._walk_due and rested:
            # Of the system calls that matter only prctl is not told again by later records, or by /proc.
            events = self._reader.decode(self._reader.walk(), walked=True)
            self._walk_due = False
        else:
            return events
        self._repaired_at = time.monotonic()
        return events

    def _ended_unseen(self, now: float) -> bool:
        """One of those who were in do_exit() is through it, and perhaps no record has told: where are its children?"""
        if not self._ending or now - self._ending_at < ENDING_INTERVAL:
            return False
        self._ending_at = now
        find = self._decoder.living.find
        known = {who: task for who in self._ending if (task := find(*who[1:])) is not None}
        over = len(known) < len(self._ending)
        self._ending = {who for who, task in known.items() if not task.exited}
        return over or any(proc.has_ended(tgid, tid) for tgid, tid, _ in self._ending)

    def _repair(self) -> list[Event]:
        """What /proc says now, after events were lost: Snapshot of what is there, then Gone of what is not."""
        table, records, told, ending, _ = look(self._reader)
        before = dict(self._decoder.tasks)
        events = self._tracking.snapshot(self._decoder, table, self._tracking.members(table), told)
        there = {tid: stat.start_ticks * proc.TICK for p in table.values() for tid, stat in p.threads.items()}
        for tid, task in before.items():
            if self._decoder.tasks.get(tid) is not task:
                continue  # adopted anew
            if same_start(there.get(tid, -1), task.start) or same_start(told.exits.get(tid, -1), task.start):
                continue
            events.append(self._decoder.gone(tid))
        self.expect(ending, agrees=True)  # where all changes that fast another look would see no more
        return events + self._reader.decode(records)
