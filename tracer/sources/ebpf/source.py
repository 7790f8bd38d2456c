"""Live events: probes, ring buffer and /proc put together without a hole.

Starting. The probes are attached first, with everything recorded; then the kernel's list of processes is walked
(CT_STATE records: exact start times and the subreaper flags, which /proc does not show) and /proc is read; then what
the ring buffer holds since the beginning is applied on top.

- Who is it? (tid, start_boottime). A process whose Clone is among the buffered records comes from that record and is
  left out of the snapshot, so it has its whole history; it is taken from the snapshot only if its creator is unknown
  (the creator was gone before /proc was read). A Clone of a task that is known already is dropped.
- A task of the snapshot is there as of the moment when /proc was read, perhaps after some of its buffered events.
  They are applied again: each one sets a state, and the last one wins, so the result is right. Only an Exec from
  before that moment is dropped, since it would show as a second program. A task that has an Exit in the buffer is
  given as running, even if /proc saw the zombie: the Exit follows.
- Events of tasks that neither the snapshot nor a Clone has shown are dropped: they were gone before /proc
  was read, and so was all that they knew.

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

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import psutil

from tracer.errors import TargetError
from tracer.event import Event, ShortLife
from tracer.sources import proc
from tracer.sources.base import Progress, SourceInfo, SourceStats
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.lives import Condenser
from tracer.sources.ebpf.living import same_start
from tracer.sources.ebpf.loader import Loader, load_probes
from tracer.sources.ebpf.members import Table, ancestors, born_later, descendants
from tracer.sources.ebpf.needs import RING_SIZE, TRACKED_MAX
from tracer.sources.ebpf.ring import RingBuffer
from tracer.sources.ebpf.survey import Survey, survey

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
ZOMBIE_AGE = 0.2
"""Seconds after which a zombie of which nothing was heard is looked up in /proc: more than the usual grace period."""
REPAIR_INTERVAL = 1.0
"""Seconds between two repairs while events keep being lost."""


class Selection(NamedTuple):
    """What to trace."""

    members: set[int]
    """tgids; their descendants are found by the source."""
    follow: tuple[str, ...] = ()
    """Names of programs (comm): a process that execs one becomes a member, whoever started it."""


_Told = TypeVar("_Told", Event, Event | ShortLife)

Select = Callable[[Table], Selection]


class Probes(Protocol):
    """What a loader offers."""

    ring_fd: int
    ring_size: int

    def attach(self) -> None: ...
    def track(self, tgid: int, start: int, mode: int) -> None: ...
    def untrack(self, tgid: int) -> None: ...
    def tracked(self) -> dict[int, int]: ...
    def follow(self, comm: str) -> None: ...
    def counter(self, slot: int) -> int: ...
    def set_counter(self, slot: int, value: int) -> None: ...
    def events_left_out(self) -> int: ...
    def calls_left_out(self) -> int: ...
    def close(self) -> None: ...


def is_gone(tgid: int, start: int) -> bool:
    """/proc has no process, living or zombie, with this number and start."""
    try:
        stat = proc.parse_stat((proc.PROC / str(tgid) / "stat").read_bytes())
    except (OSError, ValueError):
        return True
    return not same_start(start, stat.start_ticks * proc.TICK)


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
        self._ring = RingBuffer(self._probes.ring_fd, self._probes.ring_size)
        self._decoder = Condenser(self._new_member, is_gone)
        self._all = False
        self._narrowed = False
        self._added: list[tuple[int, int]] = []
        self._untracked = 0
        self._events_left_out = 0
        self._calls_left_out = 0
        self._walk_due = False
        self._repair_due = False
        self._repaired_at = 0.0
        self._look_at = 0.0
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
        self._all = select is None
        self._probes.set_counter(wire.COUNTER_CALLER, os.getpid())
        self._probes.set_counter(wire.COUNTER_HIERARCHY, 1 + proc.own_hierarchy())
        self._probes.set_counter(wire.COUNTER_ALL, 1)
        self._probes.attach()
        records = self._walk()
        table = proc.read_table()
        records += self._drain_all()
        selection = select(table) if select is not None else Selection(set(table))
        if not selection.members and not selection.follow:
            raise TargetError("no process to trace")
        for comm in selection.follow:
            self._probes.follow(comm)
        events = self._snapshot(table, selection.members, survey(records))
        events += self._decode(records)
        if not self._all:
            events += self._narrow()
        self._narrowed = True
        self._count()
        return events

    def _walk(self) -> list[bytes]:
        """Let the kernel write a CT_STATE record for every process; returns all records so far."""
        libc = ctypes.CDLL(None, use_errno=True)
        records: list[bytes] = []
        self._probes.set_counter(wire.COUNTER_WALK_NEXT, 0)
        # Twice what all processes need: what remains unknown, if the walk must begin again all the time, is no harm.
        for _ in range(4 + 4 * len(psutil.pids()) // min(wire.WALK_MAX, self._ring.size // 128)):
            libc.prctl(wire.WALK_PRCTL, 0, 0, 0, 0)
            records += self._drain_all()
            if self._probes.counter(wire.COUNTER_WALK_NEXT) in (0, wire.WALK_ENDED):
                break
        return records

    def _drain_all(self) -> list[bytes]:
        """Everything that was written before this call."""
        records: list[bytes] = []
        head = self._ring.head()
        while self._ring.position < head:
            got = self._ring.drain(head - self._ring.position)
            if not got:
                time.sleep(0.0001)  # a record is just being written
            records += got
        return records

    def _snapshot(self, table: Table, selected: set[int], told: Survey) -> list[Event]:
        """Snapshot events of the members, their descendants and their ancestors, as of before the records."""
        members = selected | descendants(table, told.states, selected)
        chosen = (members | ancestors(table, members)) & table.keys()
        later = born_later(told, [table[tgid] for tgid in members & table.keys()])
        tracked = self._probes.tracked()
        events: list[Event] = []
        for process in proc.parents_first(table[tgid] for tgid in chosen):
            tgid, ticks = process.tgid, process.stat.start_ticks * proc.TICK
            if same_start(later.get(tgid, -1), ticks):
                continue
            state = told.states.get(tgid)
            if state is not None and not same_start(state.start, ticks):
                state = None
            start = state.start if state is not None else 0
            subreaper = state.subreaper if state is not None else None
            member = tgid in members
            self._decoder.adopt(process, start, subreaper, member, told.exits)
            mode = wire.MEMBER if member else wire.ANCESTOR
            if not self._all and tracked.get(tgid) != mode:
                self._track(tgid, start, mode)
            zombie = process.zombie and not same_start(told.exits.get(tgid, -1), ticks)
            at = self._decoder.at + 1
            events += proc.snapshot_events(process, at, start_time=start, subreaper=subreaper, zombie=zombie)
            self._decoder.at += len(process.threads)
        return events

    def _track(self, tgid: int, start: int, mode: int) -> None:
        self._probes.track(tgid, start, mode)
        self._added.append((tgid, start))

    def _new_member(self, tgid: int, start: int) -> None:
        """A member's child, born before its creator was in the kernel's map."""
        if not (self._narrowed or self._all):
            self._track(tgid, start, wire.MEMBER)

    def _narrow(self) -> list[Event]:
        """Record only what is in the map, once every member is: see the module's text."""
        events: list[Event] = []
        added = -1
        while added != len(self._added):
            added = len(self._added)
            events += self._decode(self._drain_all())
        self._probes.set_counter(wire.COUNTER_ALL, 0)
        for tgid, start in self._added:
            task = self._decoder.tasks.get(tgid)
            if task is None or not same_start(task.start, start or task.start):
                self._probes.untrack(tgid)  # it was gone before it came into the map, so nothing would remove it
        self._added.clear()
        return events

    # ---- running ----

    def poll(self, timeout: float) -> list[Event]:
        """The next events, in the kernel's order; [] where there are none within `timeout` seconds."""
        return self._next(timeout, self._decoder.decode)

    def poll_lives(self, timeout: float) -> list[Event | ShortLife]:
        """The same, with short lives as one, at the place of their birth."""
        return self._next(timeout, self._decoder.condense)

    def _next(self, timeout: float, decode: Callable[[list[bytes]], list[_Told]]) -> list[_Told]:
        deadline = time.monotonic() + timeout
        while True:
            self._gather(deadline)
            records = self._ring.drain(BATCH)
            events: list[_Told] = [*self._left_out()]
            if records:
                self._read_at = time.monotonic()
                events += self._with_cgroups(decode(records))
            else:
                events += self._when_quiet()
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

    def _decode(self, records: list[bytes], *, walked: bool = False) -> list[Event]:
        return self._with_cgroups(self._decoder.decode_walk(records) if walked else self._decoder.decode(records))

    def _with_cgroups(self, events: list[_Told]) -> list[_Told]:
        """Also the cgroups of those who were born into one."""
        for tgid in self._decoder.into_cgroup:
            path = proc.cgroup_of(tgid)
            if path:
                events.append(self._decoder.moved(tgid, None, path))
        self._decoder.into_cgroup.clear()
        return events

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        """What `poll` gives, until `stop()`; `progress` gets the number of events so far."""
        while not self._stopped:
            events = self.poll(1.0)
            if events:
                yield events
            if progress is not None:
                progress(self.stats.events)

    def stop(self) -> None:
        """Let `poll` return soon and `batches` end. May be called from a signal handler."""
        self._stopped = True

    def close(self) -> None:
        """Detach and free everything."""
        self._ring.close()
        self._probes.close()

    def _count(self) -> None:
        self.stats.events = self._decoder.at
        if not self._look_at:
            self._look_at = time.monotonic() + ZOMBIE_AGE
        if self._decoder.told_lost != self.stats.lost:
            self.stats.lost = self._decoder.told_lost
            self._repair_due = True

    # ---- loss ----

    def _left_out(self) -> list[Event]:
        """Losses that no record tells of: the kernel ran no probe. Asked before what was read is decoded."""
        calls, left_out = self._probes.calls_left_out(), self._probes.events_left_out()
        if calls > self._calls_left_out:
            self._calls_left_out, self._walk_due = calls, True
        if left_out <= self._events_left_out:
            return []
        more, self._events_left_out = left_out - self._events_left_out, left_out
        return self._decoder.lost_events(more)

    def _when_quiet(self) -> list[Event]:
        """The ring buffer is empty: losses that no later record told of, and the repair after a loss."""
        events = self._decoder.note_lost(self._probes.counter(wire.COUNTER_LOST))
        untracked = self._probes.counter(wire.COUNTER_UNTRACKED)
        if untracked != self._untracked:
            events += self._decoder.lost_events(untracked - self._untracked)
            self._untracked = untracked
        if events:
            return events
        if self._repair_due and time.monotonic() - self._repaired_at >= REPAIR_INTERVAL:
            events = self._repair()
            self._repair_due = False
            self._repaired_at = time.monotonic()
        elif self._walk_due and time.monotonic() - self._repaired_at >= REPAIR_INTERVAL:
            # Of the system calls that matter only prctl is not told again by later records, or by /proc.
            events = self._decode(self._walk(), walked=True)
            self._walk_due = False
            self._repaired_at = time.monotonic()
        elif self._look_at and time.monotonic() >= self._look_at:
            before = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(ZOMBIE_AGE / 2 * 1e9)
            events, younger = self._decoder.reaped_unseen(before)
            self._look_at = time.monotonic() + ZOMBIE_AGE if younger else 0.0
        return events

    def _repair(self) -> list[Event]:
        """What /proc says now, after events were lost: Snapshot of what is there, then Gone of what is not."""
        records = self._walk()
        table = proc.read_table()
        records += self._drain_all()
        told = survey(records)
        if self._all:
            members = set(table)
        else:
            members = {tgid for tgid, mode in self._probes.tracked().items() if mode == wire.MEMBER}
        before = dict(self._decoder.tasks)
        events = self._snapshot(table, members, told)
        self._added.clear()
        there = {tid: stat.start_ticks * proc.TICK for p in table.values() for tid, stat in p.threads.items()}
        for tid, task in before.items():
            if tid in there or tid not in self._decoder.tasks or same_start(told.exits.get(tid, -1), task.start):
                continue
            events.append(self._decoder.gone(tid))
        return events + self._decode(records)
