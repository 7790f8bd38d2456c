"""The probes' ring buffer, read and decoded."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import TypeVar

import psutil

from tracer.event import Event
from tracer.life import ShortLife
from tracer.sources import proc
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.lives import Condenser
from tracer.sources.ebpf.living import same_start
from tracer.sources.ebpf.loader import Probes
from tracer.sources.ebpf.ring import RingBuffer

Told = TypeVar("Told", Event, Event | ShortLife)


def is_gone(tgid: int, start: int) -> bool:
    """/proc has no process, living or zombie, with this number and start."""
    try:
        stat = proc.parse_stat((proc.PROC / str(tgid) / "stat").read_bytes())
    except (OSError, ValueError):
        return True
    return not same_start(start, stat.start_ticks * proc.TICK)


class Reader:
    """Records, and the events that they are."""

    def __init__(self, probes: Probes, new_member: Callable[[int, int], None]) -> None:
        """`new_member`: see Known."""
        self.probes = probes
        self.ring = RingBuffer(probes.ring_fd, probes.ring_size)
        self.decoder = Condenser(new_member, is_gone)

    def walk(self) -> list[bytes]:
        """Let the kernel write a CT_STATE record for every process; returns all records so far."""
        libc = ctypes.CDLL(None, use_errno=True)
        records: list[bytes] = []
        self.probes.set_counter(wire.COUNTER_WALK_NEXT, 0)
        # Twice what all processes need: what remains unknown, if the walk must begin again all the time, is no harm.
        for _ in range(4 + 4 * len(psutil.pids()) // min(wire.WALK_MAX, self.ring.size // 128)):
            libc.prctl(wire.WALK_PRCTL, 0, 0, 0, 0)
            records += self.drain_all()
            if self.probes.counter(wire.COUNTER_WALK_NEXT) in (0, wire.WALK_ENDED):
                break
        return records

    def drain_all(self) -> list[bytes]:
        """Everything that was written before this call."""
        records: list[bytes] = []
        head = self.ring.head()
        while self.ring.position < head:
            got = self.ring.drain(head - self.ring.position)
            if not got:
                time.sleep(0.0001)  # a record is just being written
            records += got
        return records

    def decode(self, records: list[bytes], *, walked: bool = False) -> list[Event]:
        """The events of these; of a walk too, if it was made because records may be missing."""
        return self.with_cgroups(self.decoder.decode_walk(records) if walked else self.decoder.decode(records))

    def with_cgroups(self, events: list[Told]) -> list[Told]:
        """Also the cgroups of those who were born into one."""
        for tgid in self.decoder.into_cgroup:
            path = proc.cgroup_of(tgid)
            if path:
                events.append(self.decoder.moved(tgid, None, path))
        self.decoder.into_cgroup.clear()
        return events
