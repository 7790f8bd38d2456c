"""From the probes' records to events, with just enough memory of who lives (living.py) to tell whose record it is.

No I/O here. A record of a task that is not known is dropped: see source.py for who that is.
"""

from __future__ import annotations

from collections.abc import Callable

from tracer.event import (
    CLONE_THREAD,
    CgroupMove,
    Clone,
    Event,
    Exec,
    Exit,
    Gone,
    JoinPidNs,
    Lost,
    NewPidNs,
    PidNsId,
    Reap,
    Rename,
    SetPdeathsig,
    SetSubreaper,
    Snapshot,
)
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.living import LiveProcess, LiveTask, LiveThread, Living
from tracer.sources.ebpf.programs import Programs
from tracer.sources.proc import ProcProcess

CLONE_INTO_CGROUP = 1 << 33
"""include/uapi/linux/sched.h; the cgroup's move is not traced then."""

_clone_brief, _exit_brief = wire.CLONE_BRIEF.unpack, wire.EXIT_BRIEF.unpack
_free_brief, _wait_brief = wire.FREE_BRIEF.unpack, wire.WAIT_BRIEF.unpack
_exec_brief = wire.EXEC_BRIEF.unpack_from

_new = tuple.__new__
"""Twice as fast as calling the class of a NamedTuple."""

_U32 = 0xFFFFFFFF


class Decoder:
    """Records in, events out; see the module above for what it keeps."""

    def __init__(self, new_member: Callable[[int, int], None], is_gone: Callable[[int, int], bool]) -> None:
        """Both take a process's tgid and start.

        new_member  called for each child of a member that the kernel has not put into its map
        is_gone     asked, rarely, whether a process that has died is in /proc no more
        """
        self.at = 0
        """Number of the last event."""
        self.lost = 0
        """Records lost so far, modulo 2**32, as the last record told."""
        self.told_lost = 0
        """How many losses the Lost events have told."""
        self.living = Living()
        self.tasks = self.living.tasks
        self.into_cgroup: list[int] = []
        """Processes born into a cgroup other than their creator's: whoever does I/O may look its path up."""
        self._programs = Programs()
        self._zombies = self.living.zombies
        self._new_member = new_member
        self._is_gone = is_gone
        self._out: list[Event] = []
        self._handlers: list[Callable[[bytes], None]] = [
            self._unknown,
            self._clone,
            self._exec,
            self._exit,
            self._free,
            self._wait,
            self._prctl,
            self._rename,
            self._pidns,
            self._unknown,  # CT_STATE: read by survey(), and see decode_walk()
            self._cgroup,
        ]

    def decode(self, records: list[bytes]) -> list[Event]:
        """The events that these records tell, with a Lost event where the kernel had to drop some."""
        out: list[Event] = []
        self._out = out
        handlers, type_at, lost_of = self._handlers, wire.TYPE_AT, wire.LOST.unpack_from
        if records and lost_of(records[-1])[0] == self.lost:  # the number only grows: none of them tells of a loss
            for record in records:
                handlers[record[type_at]](record)
            return out
        for record in records:
            out += self.note_lost(lost_of(record)[0])
            handlers[record[type_at]](record)
        return out

    def decode_walk(self, records: list[bytes]) -> list[Event]:
        """The same of a walk made because records may be missing: with Lost where a subreaper's flag is not as told."""
        self._handlers[wire.T_STATE] = self._state
        try:
            return self.decode(records)
        finally:
            self._handlers[wire.T_STATE] = self._unknown

    def note_lost(self, total: int) -> list[Event]:
        """`total` records were lost so far. A smaller number than known comes from a CPU that was slower to tell."""
        more = (total - self.lost) & _U32
        if not 0 < more < 1 << 31:
            return []
        self.lost = total & _U32
        return self.lost_events(more)

    def lost_events(self, count: int) -> list[Event]:
        """The event that tells it."""
        self.at += 1
        self.told_lost += count
        return [Lost(self.at, None, 0, count)]

    def adopt(
        self, process: ProcProcess, start: int, subreaper: bool | None, member: bool, exits: dict[int, int]
    ) -> None:
        """Know a process from /proc. `exits`: tasks whose exit record is still to be decoded."""
        self.living.adopt(process, start, subreaper, member, exits)

    def gone(self, tid: int) -> Event:
        """The next event: a known task is not in /proc."""
        task = self.tasks.pop(tid)
        if task.process.dead:
            self.living.forget(task.process)
        self.at += 1
        return Gone(self.at, None, tid)

    def moved(self, tid: int, time: int | None, path: str) -> Event:
        """The next event: a move between cgroups."""
        self.at += 1
        return CgroupMove(self.at, time, tid, path)

    # ---- births and programs ----

    def _unknown(self, record: bytes) -> None:
        """A type that is not for us."""

    def _clone(self, record: bytes) -> None:
        time, start, tid, flags, child_start, cgroup, child, parent_tgid, exit_signal, own, level = _clone_brief(record)
        tasks = self.tasks
        creator = tasks.get(tid)
        if creator is None or creator.start != start:
            creator = self.living.find(tid, start)
            if creator is None:
                return
        process = creator if type(creator) is LiveProcess else creator.process
        thread = flags & CLONE_THREAD
        if not (thread or process.member):
            return
        if child in tasks and not self._is_free(child, child_start, time):
            return
        if (own & wire.F_SUBREAPER) != process.subreaper:
            self._subreaper_seen(process, time, own)
        inner = wire.CLONE_REST.unpack(record)[1:-1][:level] if level else ()
        if thread:
            process.live += 1
            tasks[child] = LiveThread(child_start, process)
        else:
            tasks[child] = LiveProcess(child, child_start, True, inner)
            if not own & wire.F_MEMBER:
                self._new_member(child, child_start)
        self.at = at = self.at + 1
        said = at, time, tid, child, flags, exit_signal, 0, "", child_start, inner, cgroup, parent_tgid, False, 0
        self._out.append(_new(Clone, said))
        if inner or own & wire.F_OWN_COMM or flags & CLONE_INTO_CGROUP:
            self._born_apart(record, time, child, flags, own, inner)

    def _born_apart(self, record: bytes, time: int, child: int, flags: int, own: int, inner: tuple[int, ...]) -> None:
        """What the child does not share with its creator."""
        thread = flags & CLONE_THREAD
        if own & wire.F_OWN_COMM and not thread:
            self.at += 1
            self._out.append(Rename(self.at, time, child, wire.comm(wire.CLONE_REST.unpack(record)[-1])))
        if inner and inner[-1] == 1 and not thread:
            self.at += 1
            self._out.append(PidNsId(self.at, time, child, wire.CLONE_REST.unpack(record)[0]))
        if flags & CLONE_INTO_CGROUP:
            self.into_cgroup.append(child)

    def _is_free(self, tid: int, start: int, time: int) -> bool:
        """Whether a number in use is not this new task's: then who had it is gone, though no record has said so yet."""
        if self.living.find(tid, start) is not None:
            return False
        process = self.tasks[tid].process
        self.at += 1
        if process.dead and process.tgid == tid:
            self._out.append(Reap(self.at, time, 0, tid, process.status))
            self.living.forget(process)
        else:
            self._out.append(Gone(self.at, time, tid))
            process.live -= 1
            del self.tasks[tid]
        return True

    def _exec(self, record: bytes) -> None:
        time, start, tid, old_tid, flags = _exec_brief(record)
        program = self._programs.of(record)
        task = self.living.find(tid, start)
        if task is None:
            if not flags & wire.F_FOLLOWED:
                return
            task = self._followed(record)
        process = task.process
        if old_tid != tid:
            self.tasks.pop(old_tid, None)
        task.exited = False
        process.live = 1  # de_thread(): nobody else is left
        if (flags & wire.F_SUBREAPER) != process.subreaper:
            self._subreaper_seen(process, time, flags)
        if time < process.read_at:
            return
        filename, argv, cut, comm = program
        self.at = at = self.at + 1
        self._out.append(_new(Exec, (at, time, tid, old_tid, filename, argv, cut)))
        if comm is not None:
            # execveat of a descriptor: since Linux 6.14 the name of the file, and not of the descriptor
            self.at += 1
            self._out.append(Rename(self.at, time, tid, comm))

    def _followed(self, record: bytes) -> LiveTask:
        """It has the name of a program to follow, and was nobody's child here until now."""
        (
            _, _, _, time, start, tid, tgid, _, parent_tgid, flags, _, _, _, level, pidns, ns_pid, comm,
        ) = wire.EXEC.unpack_from(record)  # fmt: skip
        filename, argv, _, _ = self._programs.of(record)
        process = self.tasks[tid] = LiveProcess(tgid, start, True, (ns_pid,) if level else ())
        self.at += 1
        self._out.append(
            Snapshot(
                self.at, time, tid, tgid, parent_tgid, wire.comm(comm), filename, argv, start, False,
                process.ns_pids, "", bool(flags & wire.F_SUBREAPER), pidns,
            )
        )  # fmt: skip
        return process

    # ---- ends ----

    def _exit(self, record: bytes) -> None:
        time, start, tid, status, parent_tgid, flags = _exit_brief(record)
        task = self.tasks.get(tid)
        if task is None or task.start != start:
            task = self.living.find(tid, start)
            if task is None:
                return
        if task.exited:
            return
        process = task if type(task) is LiveProcess else task.process
        if (flags & wire.F_SUBREAPER) != process.subreaper:
            self._subreaper_seen(process, time, flags)
        task.exited = True
        process.live = live = process.live - 1
        if live <= 0 and self._zombies and process.tgid in self._zombies:
            self._before_adoption(process.tgid, tid, time)
        self.at = at = self.at + 1
        self._out.append(_new(Exit, (at, time, tid, status)))
        if task is not process:
            del self.tasks[tid]
        if live <= 0:
            self.living.dies(process, time, status, parent_tgid, flags)

    def _before_adoption(self, parent: int, tid: int, time: int) -> None:
        """The last thread of `parent` dies: children that vanished by themselves are not there to be adopted."""
        for process in list(self._zombies[parent].values()):
            known = self.tasks.get(process.tgid) is process
            if process.autoreaped and known and self._is_gone(process.tgid, process.start):
                self._reap(process, time, tid)

    def reaped_unseen(self, before: int) -> tuple[list[Event], bool]:
        """The next events: a Reap for each who died before this time (ns since boot) and is in /proc no more.

        Also whether somebody died since. Who is still there is not looked up again.
        """
        self._out = []
        waiting = self.living.unconfirmed()
        for process in waiting:
            if process.died >= before:
                continue
            if self._is_gone(process.tgid, process.start):
                self._reap(process, None, 0)
            else:
                process.confirmed = True
        return self._out, any(process.died >= before for process in waiting)

    def _reap(self, process: LiveProcess, time: int | None, by: int) -> None:
        """The zombie is gone; `by` is a task of its parent, 0 if not known."""
        self.at = at = self.at + 1
        self._out.append(_new(Reap, (at, time, by, process.tgid, process.status)))
        self.living.forget(process)

    def _free(self, record: bytes) -> None:
        start, tid = _free_brief(record)
        if tid not in self.tasks:
            return  # the usual case: its reaping was seen when it happened
        task = self.living.find(tid, start)
        if task is None:
            return
        _, _, _, time, _, _, _, parent_start, parent, _ = wire.FREE.unpack(record)
        if not task.process.dead:  # the exit record was lost
            self.at += 1
            self._out.append(Gone(self.at, time, tid))
            del self.tasks[tid]
            return
        known = self.living.find(parent, parent_start)
        self._reap(task.process, time, parent if known is not None else 0)

    def _wait(self, record: bytes) -> None:
        time, tid, tgid, number, level = _wait_brief(record)
        process = self.tasks.get(number) if level == 0 else self.living.zombie_inside(tgid, number, level)
        if type(process) is not LiveProcess or not process.dead:
            return  # a stopped child, or a wait of a ptracer
        if process.parent == tgid or not (process.traced or self.living.lives(process.parent)):
            self._reap(process, time, tid)

    # ---- what a task sets for itself ----

    def _prctl(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, option, _, arg = wire.PRCTL.unpack(record)
        task = self.living.find(tid, start)
        if task is None:
            return
        self.at += 1
        if option == wire.PR_SET_CHILD_SUBREAPER:
            task.process.subreaper = arg != 0
            self._out.append(SetSubreaper(self.at, time, tid, arg != 0))
        else:
            self._out.append(SetPdeathsig(self.at, time, tid, arg))

    def _subreaper_seen(self, process: LiveProcess, time: int, flags: int) -> None:
        """The flag differs from what we knew: set by a 32-bit caller, or before tracing, or the record was lost."""
        process.subreaper = bool(flags & wire.F_SUBREAPER)
        self.at += 1
        self._out.append(SetSubreaper(self.at, time, process.tgid, process.subreaper))

    def _state(self, record: bytes) -> None:
        _, _, _, time, start, tid, *_, flags, _, _, _ = wire.STATE.unpack(record)
        task = self.living.find(tid, start)
        if task is not None and (flags & wire.F_SUBREAPER) != task.process.subreaper:
            if task.process.subreaper is not None:
                self._out += self.lost_events(1)
            self._subreaper_seen(task.process, time, flags)

    def _rename(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, comm = wire.RENAME.unpack(record)
        if self.living.find(tid, start) is not None:
            self.at += 1
            self._out.append(Rename(self.at, time, tid, wire.comm(comm)))

    def _pidns(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, pidns, _, joined, _ = wire.PIDNS.unpack(record)
        if self.living.find(tid, start) is not None:
            self.at += 1
            self._out.append(JoinPidNs(self.at, time, tid, pidns) if joined else NewPidNs(self.at, time, tid))

    def _cgroup(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, path_len, _ = wire.CGROUP.unpack_from(record)
        if self.living.find(tid, start) is not None:
            path = wire.text(record[wire.CGROUP.size : wire.CGROUP.size + path_len])
            self._out.append(self.moved(tid, time, path))
