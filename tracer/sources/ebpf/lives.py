"""Short lives as one: a process that is born, perhaps runs a program, ends, and is waited for, all within one batch.

A machine that makes many processes makes mostly these. Its records are held back until the life is whole; then it is
one ShortLife in place of three or four events. Whatever is out of the usual about it, or about its creator meanwhile,
makes what is held back go the usual way first (decode.py), so there is nothing that only this module knows.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter

from tracer.event import CLONE_NEWPID, CLONE_PARENT, CLONE_THREAD, Event
from tracer.life import ShortLife
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.births import CLONE_INTO_CGROUP
from tracer.sources.ebpf.decode import Decoder

_UNUSUAL = CLONE_THREAD | CLONE_PARENT | CLONE_NEWPID | CLONE_INTO_CGROUP
_OF_BIRTH = wire.F_MEMBER | wire.F_SUBREAPER
"""The flags that the record of a usual birth may have: the second is the creator's."""

_clone_brief, _exit_brief = wire.CLONE_BRIEF.unpack, wire.EXIT_BRIEF.unpack
_free_brief, _wait_brief = wire.FREE_BRIEF.unpack, wire.WAIT_BRIEF.unpack
_exec_brief = wire.EXEC_BRIEF.unpack_from
_new = tuple.__new__
_place = itemgetter(0)

_Birth = tuple[int, bytes, tuple[int, ...]]
"""Number of the event, record, its fields as CLONE_BRIEF has them."""
_Run = tuple[int, bytes, int, tuple[str, tuple[str, ...], bool]]
"""Number of the event, record, time, program."""
_End = tuple[int, bytes, int, int]
"""Number of the event, record, time, status."""
_FEW = 16
"""Creators of no more than so many births are looked through."""
_NO_RUN = (0, b"", 0, None)


class Condenser(Decoder):
    """A decoder that can give short lives as one. Not before every member is in the kernel's map (source.py)."""

    def __init__(self, new_member: Callable[[int, int], None], is_gone: Callable[[int, int], bool]) -> None:
        super().__init__(new_member, is_gone)
        self._births: dict[int, _Birth] = {}
        """What is held back, by the number of the process."""
        self._runs: dict[int, _Run] = {}
        self._ends: dict[int, _End] = {}
        self._lives: list[ShortLife] = []
        self._holders: list[Callable[[bytes], bool]] = [_not_held] * (wire.T_CGROUP + 1)
        self._holders[wire.T_CLONE] = self._hold_birth
        self._holders[wire.T_EXEC] = self._hold_run
        self._holders[wire.T_EXIT] = self._hold_end
        self._holders[wire.T_WAIT] = self._complete
        self._holders[wire.T_FREE] = self._needless

    def condense(self, records: list[bytes]) -> list[Event | ShortLife]:
        """What `decode` gives, in the order of `at`, with ShortLife in place of such a life's events."""
        self._out, self._lives = [], []
        holders, handlers, type_at, births = self._holders, self._handlers, wire.TYPE_AT, self._births
        lost_of = wire.LOST.unpack_from
        losses = bool(records) and lost_of(records[-1])[0] != self.lost
        for record in records:
            if losses and lost_of(record)[0] != self.lost:
                self._let_go()
                self._out += self.note_lost(lost_of(record)[0])
            kind = record[type_at]
            if not holders[kind](record):
                if births and self._concerns_held(kind, record):
                    self._let_go()
                handlers[kind](record)
        self._let_go()
        return sorted([*self._lives, *self._out], key=_place)

    def _concerns_held(self, kind: int, record: bytes) -> bool:
        """The record is about a process of which something is held back, or about its creator."""
        births = self._births
        if kind == wire.T_WAIT:
            return _wait_brief(record)[3] in births
        if kind == wire.T_CLONE and _clone_brief(record)[6] in births:
            return True
        tid, tgid = wire.WHO.unpack_from(record)
        return tid in births or len(births) > _FEW or tgid in {birth[2][7] for birth in births.values()}

    def _let_go(self) -> None:
        """Decode what was held back, each under the number that it has already: of each record comes one event."""
        kept = (self._births, self._runs, self._ends)
        now = self.at
        for at, record in sorted([row[:2] for rows in kept for row in rows.values()]):
            self.at = at - 1
            self._handlers[record[wire.TYPE_AT]](record)
        self.at = now
        for rows in kept:
            rows.clear()

    def _hold_birth(self, record: bytes) -> bool:
        fields = _clone_brief(record)
        _, start, tid, flags, _, _, child, _, _, own, level = fields
        creator = self.tasks.get(tid)
        if creator is None or creator.start != start or flags & _UNUSUAL or own & ~_OF_BIRTH or level:
            return False
        process = creator.process
        if not process.member or process.subreaper != own & wire.F_SUBREAPER:
            return False
        if child in self.tasks or child in self._births:
            return False
        self.at = at = self.at + 1
        self._births[child] = at, record, fields
        return True

    def _hold_run(self, record: bytes) -> bool:
        time, start, tid, old_tid, flags = _exec_brief(record)
        birth = self._births.get(tid)
        if birth is None or flags or tid != old_tid or birth[2][4] != start or tid in self._runs or tid in self._ends:
            return False
        filename, argv, cut, comm = self._programs.of(record)
        if comm is not None:
            return False
        self.at = at = self.at + 1
        self._runs[tid] = at, record, time, (filename, argv, cut)
        return True

    def _hold_end(self, record: bytes) -> bool:
        time, start, tid, status, parent_tgid, flags = _exit_brief(record)
        birth = self._births.get(tid)
        if birth is None or flags != wire.F_GROUP_DEAD or tid in self._ends:
            return False
        fields = birth[2]
        if fields[4] != start or fields[7] != parent_tgid:
            return False
        self.at = at = self.at + 1
        self._ends[tid] = at, record, time, status
        return True

    def _complete(self, record: bytes) -> bool:
        time, tid, tgid, child, level = _wait_brief(record)
        end = self._ends.get(child)
        if end is None or level:
            return False
        number, _, (born, _, creator, flags, start, cgroup, _, parent, exit_signal, _, _) = self._births[child]
        if tid != creator or tgid != parent:
            return False
        self.at = at = self.at + 1
        del self._births[child], self._ends[child]
        exec_at, _, exec_time, program = self._runs.pop(child, _NO_RUN)
        exit_at, _, ended, status = end
        life = (
            number, born, tid, child, program, status, exec_at, exec_time, exit_at, ended,
            at, time, flags, exit_signal, start, cgroup, parent,
        )  # fmt: skip
        self._lives.append(_new(ShortLife, life))
        return True

    def _needless(self, record: bytes) -> bool:
        """The usual case: its reaping was seen when it happened."""
        tid = _free_brief(record)[1]
        return tid not in self.tasks and tid not in self._births


def _not_held(_record: bytes) -> bool:
    return False
