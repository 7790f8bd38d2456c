"""Who is recorded: the kernel's map of tracked processes, filled while a session starts (see source.py)."""

from __future__ import annotations

from tracer.event import Event
from tracer.sources import proc
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.decode import Decoder
from tracer.sources.ebpf.living import same_start
from tracer.sources.ebpf.loader import Probes
from tracer.sources.ebpf.members import Table, ancestors, born_later, descendants
from tracer.sources.ebpf.reader import Reader
from tracer.sources.ebpf.survey import Survey


class Tracking:
    """What is in the map, and the snapshot of those who are."""

    def __init__(self, probes: Probes) -> None:
        self.everything = False
        """The whole machine is traced: nobody needs to be in the map."""
        self._probes = probes
        self._narrowed = False
        self._added: list[tuple[int, int]] = []
        """While everything is recorded: whom we put into the map."""

    def snapshot(self, decoder: Decoder, table: Table, selected: set[int], told: Survey) -> list[Event]:
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
            parent_tid = state.parent_tid if state is not None and state.parent_tgid == process.stat.ppid else 0
            member = tgid in members
            decoder.adopt(process, start, subreaper, member, told.exits)
            mode = wire.MEMBER if member else wire.ANCESTOR
            if not self.everything and tracked.get(tgid) != mode:
                self._track(tgid, start, mode)
            zombie = process.zombie and not same_start(told.exits.get(tgid, -1), ticks)
            at = decoder.at + 1
            events += proc.snapshot_events(
                process, at, start_time=start, subreaper=subreaper, parent_tid=parent_tid, zombie=zombie
            )
            decoder.at += len(process.threads)
            if not zombie:
                events += decoder.exited_before(process)
        return events

    def members(self, table: Table) -> set[int]:
        """Who is traced in full now."""
        if self.everything:
            return set(table)
        return {tgid for tgid, mode in self._probes.tracked().items() if mode == wire.MEMBER}

    def _track(self, tgid: int, start: int, mode: int) -> None:
        self._probes.track(tgid, start, mode)
        if not self._narrowed:
            self._added.append((tgid, start))

    def new_member(self, tgid: int, start: int) -> None:
        """A member's child, born before its creator was in the kernel's map."""
        if not (self._narrowed or self.everything):
            self._track(tgid, start, wire.MEMBER)

    def narrow(self, reader: Reader) -> list[Event]:
        """Record only what is in the map, once every member is: see source.py."""
        events: list[Event] = []
        added = -1
        while added != len(self._added):
            added = len(self._added)
            events += reader.decode(reader.drain_all())
        self._probes.set_counter(wire.COUNTER_ALL, 0)
        for tgid, start in self._added:
            task = reader.decoder.tasks.get(tgid)
            if task is None:
                self._probes.untrack(tgid)  # it was gone before it came into the map, so nothing would remove it
            elif not same_start(task.start, start or task.start):  # and its number was given to a member's child
                self._probes.track(tgid, task.start, wire.MEMBER if task.process.member else wire.ANCESTOR)
        self._added.clear()
        self._narrowed = True
        return events
