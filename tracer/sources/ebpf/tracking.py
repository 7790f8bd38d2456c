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
        self._added = 0
        """While everything is recorded: how many we put into the map."""

    def snapshot(self, decoder: Decoder, table: Table, selected: set[int], told: Survey) -> list[Event]:
        """Snapshot events of the members, their descendants and their ancestors, as of before the records."""
        members = selected | descendants(table, told.states, selected)
        chosen = (members | ancestors(table, members)) & table.keys()
        later = born_later(told, [table[tgid] for tgid in members & table.keys()])
        tracked = self._probes.tracked()
        born = {child: start for _, _, child, start in told.births}
        events: list[Event] = []
        for process in proc.parents_first(table[tgid] for tgid in chosen):
            tgid, ticks = process.tgid, process.stat.start_ticks * proc.TICK
            if same_start(later.get(tgid, -1), ticks):
                continue
            state = told.states.get(tgid)
            if state is not None and not same_start(state.start, ticks):
                state = None
            start = state.start if state is not None else born.get(tgid, 0)
            if not same_start(start, ticks):
                start = 0
            subreaper = state.subreaper if state is not None else None
            parent_tid = state.parent_tid if state is not None and state.parent_tgid == process.stat.ppid else 0
            member = tgid in members
            old = decoder.tasks.get(tgid)
            if old is not None and old.exited and same_start(old.start, ticks) and not _has_ended(process, told):
                events.append(decoder.gone(tgid))  # another thread is its leader now: what was known is of the old one
            decoder.adopt(process, start, subreaper, member, told.exits)
            mode = wire.MEMBER if member else wire.ANCESTOR
            if not self.everything and tracked.get(tgid, (0, 0))[1] != mode:
                self._probes.track(tgid, start, mode)
                self._added += 1
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
        return {
            tgid
            for tgid, (start, mode) in self._probes.tracked().items()
            if mode == wire.MEMBER and tgid in table
            if not start or same_start(start, table[tgid].stat.start_ticks * proc.TICK)
        }

    def new_member(self, tgid: int, start: int) -> None:
        """A member's child, born before its creator was in the kernel's map."""
        if not (self._narrowed or self.everything):
            # Its number may be in the map already: then somebody has it who was born later.
            self._probes.track(tgid, start, wire.MEMBER, replace=False)
            self._added += 1

    def narrow(self, reader: Reader) -> list[Event]:
        """Record only what is in the map, once every member is: see source.py."""
        events: list[Event] = []
        added = -1
        while added != self._added:
            added = self._added
            events += reader.decode(reader.drain_all())
        self._probes.set_counter(wire.COUNTER_ALL, 0)
        # Who was gone before it came into the map stays there until somebody has its number, see on_newtask().
        self._narrowed = True
        return events


def _has_ended(process: proc.ProcProcess, told: Survey) -> bool:
    """Its leader has begun to end, or will in these records."""
    return process.stat.exiting or process.stat.state in "ZX" or process.tgid in told.exits
