"""Live events: probes, ring buffer and /proc put together without a hole.

Starting. The probes are attached first, that of births last (needs.py), with everything recorded; then the kernel's
list of processes is walked (CT_STATE records: exact start times and the subreaper flags, which /proc does not show) and
/proc is read; then what the ring buffer holds since the beginning is applied on top.

- Who is it? (tid, start_boottime). A process whose Clone is among the buffered records comes from that record and is
  left out of the snapshot, so it has its whole history; it is taken from the snapshot only if its creator is unknown
  (the creator was gone before /proc was read). A Clone of a task that is known already is dropped.
- Who was born after /proc was listed, to somebody who was gone when his own entry was read, is looked up in /proc.
- A task that is within do_exit() and has no Exit in the buffer may have passed the probe before that was attached:
  it is looked at until it is dead or gone. The dead leader of a process that lives on gets an Exit of its own.
- A task of the snapshot is there as of the moment when /proc was read, perhaps after some of its buffered events.
  They are applied again: each one sets a state, and the last one wins, so the result is right. Only an Exec from
  before that moment is dropped, since it would show as a second program. A task that has an Exit in the buffer is
  given as running, even if /proc saw the zombie: the Exit follows.
- Other events of tasks that neither the snapshot nor a Clone has shown are dropped: they were gone before /proc
  was read.

Filtering by subtree. While everything is recorded, the members are found: what `select` names in the snapshot, and
every child of a member in the buffered records. All of them go into the kernel's map, which children of tracked
processes enter at birth. A child born before its parent was in the map has its Clone in the buffer, so the buffer is
read until it tells no new members; then recording is narrowed to the map. Ancestors of the members are in the map as
well, without their other children: their ends and subreaper flags decide who adopts.

Reaping. The wait calls tell at once who reaped whom, in the caller's numbers; sched_process_free tells surely, but an
RCU grace period (some 20 ms) later. A wait is believed where the caller was the parent at the exit, or the parent
has ended since; whatever else happened (ptrace, io_uring, 32-bit callers, parents that ignore SIGCHLD) waits for the
free record. The RCU grace period is 10 s where call_rcu() is lazy (CONFIG_RCU_LAZY), so /proc is asked before, once
per zombie.

Loss. Each record carries the number of records lost so far, so a Lost event comes where the gap is. After it /proc
is read again: a Gone for each task that is not there any more, a Snapshot for each that is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tracer.errors import TargetError
from tracer.event import Event
from tracer.life import ShortLife
from tracer.sources import proc
from tracer.sources.base import Progress, SourceInfo, SourceStats
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.loader import Loader, Probes, load_probes
from tracer.sources.ebpf.members import Table
from tracer.sources.ebpf.needs import RING_SIZE, TRACKED_MAX
from tracer.sources.ebpf.presence import look
from tracer.sources.ebpf.reader import Reader, Told
from tracer.sources.ebpf.repair import Repair
from tracer.sources.ebpf.tracking import Tracking

PACE = 0.05
"""Seconds: so often the ring buffer is looked at; events are no older than this when `poll` returns them."""
FASTEST = 1 << 26
"""Bytes of records a second: a ring buffer that so many would fill sooner is looked at sooner."""
QUIET_INTERVAL = 0.1
"""Seconds: so often the counters of what was lost are looked at while there is nothing to read ..."""
QUIET_AFTER = 1.0
"""... and the ring buffer, too, where there was nothing for so long."""
BATCH = 1 << 20
"""Bytes of records decoded per call of `poll`, so that a flood does not starve the screen."""


class Selection(NamedTuple):
    """What to trace."""

    members: set[int]
    """tgids; their descendants are found by the source."""
    follow: tuple[str, ...] = ()
    """Names of programs (comm): a process that execs one becomes a member, whoever started it."""


Select = Callable[[Table], Selection]


class EbpfSource:
    """A live stream of events. What is over is over: record it to read it again.

    start(select) once, then poll(timeout) again and again (or `batches()` until another thread or a signal handler
    calls `stop()`), then close(). Also a context manager.
    """

    def __init__(
        self,
        *,
        loader: Loader = "auto",
        ring_size: int = RING_SIZE,
        tracked_max: int = TRACKED_MAX,
        probes: Probes | None = None,
    ) -> None:
        """Load the probes; `ring_size` in bytes, a power of two. Raises CapabilityError where that is not possible."""
        self._probes = probes if probes is not None else load_probes(loader, ring_size, tracked_max)
        self._tracking = Tracking(self._probes)
        self._reader = Reader(self._probes, self._tracking.new_member)
        self._ring = self._reader.ring
        self._decoder = self._reader.decoder
        self._repair = Repair(self._reader, self._tracking)
        self._read_at = 0.0
        self.pace = PACE
        """Who can wait longer for events saves time: each look costs as much as some twenty events."""
        self._stopped = False
        self.info = SourceInfo(kind="ebpf", path="live", size=None, clock="boot")
        self.stats = SourceStats()

    def __enter__(self) -> EbpfSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- start ----

    def start(self, select: Select | None = None) -> list[Event]:
        """Attach, and return the state so far: Snapshot events, then what has happened since the attachment.

        `select` gets the processes by tgid and names the members; None traces the whole machine. What it raises
        (TargetError) ends the start.
        """
        self._tracking.everything = select is None
        self._probes.set_counter(wire.COUNTER_CALLER, os.getpid())
        self._probes.set_counter(wire.COUNTER_HIERARCHY, 1 + proc.own_hierarchy())
        self._probes.set_counter(wire.COUNTER_ALL, 1)
        self._probes.attach()
        there = look(self._reader)
        selection = select(there.table) if select is not None else Selection(set(there.table))
        if not selection.members and not selection.follow:
            raise TargetError("no process to trace")
        for comm in selection.follow:
            self._probes.follow(comm)
        events = self._tracking.snapshot(self._decoder, there.table, selection.members, there.told)
        self._repair.expect(there.ending, there.agrees)
        events += self._reader.decode(there.records)
        if select is not None:
            events += self._tracking.narrow(self._reader)
        events += self._decoder.note_lost(self._probes.counter(wire.COUNTER_LOST))
        self._count()
        return events

    # ---- running ----

    def poll(self, timeout: float) -> list[Event]:
        """The next events, in the kernel's order; [] where there are none within `timeout` seconds."""
        return self._next(timeout, self._decoder.decode)

    def poll_lives(self, timeout: float) -> list[Event | ShortLife]:
        """The same, with short lives as one, at the place of their birth."""
        return self._next(timeout, self._decoder.condense)

    def _next(self, timeout: float, decode: Callable[[list[bytes]], list[Told]]) -> list[Told]:
        deadline = time.monotonic() + timeout
        while True:
            self._gather(deadline)
            records = self._ring.drain(BATCH)
            events: list[Told] = [*self._repair.left_out()]
            if records:
                self._read_at = time.monotonic()
                events += self._reader.with_cgroups(decode(records))
                if self._ring.head() - self._ring.position < BATCH:
                    events += self._repair.overdue()
            else:
                events += self._repair.when_quiet()
            if events:
                self._count()
                return events
            remaining = deadline - time.monotonic()
            if remaining <= 0 or self._stopped:
                return []
            if not records:
                quiet = time.monotonic() - self._read_at > QUIET_AFTER
                self._ring.wait(min(remaining, QUIET_INTERVAL), QUIET_INTERVAL if quiet else self.pace)

    def _gather(self, deadline: float) -> None:
        """Let events come together for a while, where none are there in number."""
        if self._ring.head() - self._ring.position < BATCH // 4:
            until = min(self._read_at + min(self.pace, self._ring.size / FASTEST), deadline)
            if (seconds := until - time.monotonic()) > 0:
                time.sleep(seconds)

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        """What `poll` gives, until `stop()`; `progress` gets the number of events so far."""
        while not self._stopped:
            events = self.poll(1.0)
            if events:
                yield events
            if progress is not None:
                progress(self.stats.events)

    @property
    def repair_is_due(self) -> bool:
        """Events were lost, and what /proc has in their place is still to come."""
        return self._repair.due

    def stop(self) -> None:
        """Let `poll` return soon and `batches` end. May be called from a signal handler."""
        self._stopped = True

    def close(self) -> None:
        """Detach and free everything."""
        self._ring.close()
        self._probes.close()

    def _count(self) -> None:
        self.stats.events = self._decoder.at
        self.stats.lost = self._decoder.told_lost
        self._repair.after_events()
