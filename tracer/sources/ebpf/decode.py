"""From the probes' records to events, with just enough memory of who lives to tell whose record it is.

No I/O here. What is kept is one entry per living task and per zombie; nothing grows with history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

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
from tracer.sources.proc import TICK, ProcProcess

CLONE_INTO_CGROUP = 1 << 33
"""include/uapi/linux/sched.h; the cgroup's move is not traced then."""

_clone_brief, _exit_brief = wire.CLONE_BRIEF.unpack, wire.EXIT_BRIEF.unpack
_free_brief, _wait_brief = wire.FREE_BRIEF.unpack, wire.WAIT_BRIEF.unpack

_new = tuple.__new__
"""Twice as fast as calling the class of a NamedTuple."""

COMM_MAX = 15
"""TASK_COMM_LEN without its NUL: bytes of the program's name that are kept."""

_U32 = 0xFFFFFFFF


class LiveProcess:
    """A process that lives or waits to be reaped."""

    __slots__ = (
        "autoreaped", "confirmed", "dead", "died", "live", "member", "ns_pids", "parent", "read_at", "status",
        "subreaper", "tgid", "traced",
    )  # fmt: skip

    def __init__(self, tgid: int, member: bool, ns_pids: tuple[int, ...] = ()) -> None:
        self.tgid = tgid
        self.member = member
        self.ns_pids = ns_pids
        self.live = 1
        """Threads that have not exited."""
        self.subreaper: bool | None = False
        self.read_at = 0
        """When /proc was read for it; 0 if it was born under our eyes."""
        self.dead = False
        self.died = 0
        """When its last thread died, ns since boot."""
        self.autoreaped = False
        """Its parent ignored SIGCHLD just before the kernel looked (do_notify_parent()), so probably nobody waits."""
        self.confirmed = False
        """/proc showed the zombie when it was long dead: whoever reaps it now has to do it by a call."""
        self.status: int | None = None
        self.parent = 0
        """tgid of real_parent when it died."""
        self.traced = False
        """A ptracer waited for it when it died."""


class LiveTask:
    """A living task, or the dead leader of a process that is still there."""

    __slots__ = ("exited", "process", "start")

    def __init__(self, start: int, process: LiveProcess) -> None:
        self.start = start
        """ns; from /proc only, rounded down to whole ticks."""
        self.process = process
        self.exited = False


class State(NamedTuple):
    """A process as the kernel's walk saw it."""

    start: int
    parent_tgid: int
    subreaper: bool


class Survey(NamedTuple):
    """What a heap of records tells before it is decoded."""

    states: dict[int, State]
    """By tgid, from CT_STATE records."""
    births: list[tuple[int, int, int, int]]
    """(creator tid, creator start, child tid, child start), in order."""
    exits: dict[int, int]
    """tid -> start of tasks that exit in these records."""


def same_start(one: int, other: int) -> bool:
    """Equal, where either may be rounded down to ticks."""
    return one == other or (one // TICK == other // TICK and (one % TICK == 0 or other % TICK == 0))


def survey(records: Iterable[bytes]) -> Survey:
    """Look through records without decoding them to events."""
    found = Survey({}, [], {})
    for record in records:
        kind = record[wire.TYPE_AT]
        if kind == wire.T_STATE:
            _, _, _, _, start, _, tgid, _, _, parent_tgid, flags, _, _, _ = wire.STATE.unpack(record)
            found.states[tgid] = State(start, parent_tgid, bool(flags & wire.F_SUBREAPER))
        elif kind == wire.T_CLONE:
            fields = wire.CLONE.unpack(record)
            found.births.append((fields[5], fields[4], fields[10], fields[8]))
        elif kind == wire.T_EXIT:
            fields = wire.EXIT.unpack(record)
            found.exits[fields[5]] = fields[4]
    return found


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
        self.strays = 0
        """Records of tasks that are not known."""
        self.tasks: dict[int, LiveTask] = {}
        self._zombies: dict[int, dict[int, LiveProcess]] = {}
        """Dead processes by the tgid of their parent, then by their own: of nested pid namespaces, and `autoreaped`."""
        self.into_cgroup: list[int] = []
        """Processes born into a cgroup other than their creator's: whoever does I/O may look its path up."""
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
            self._unknown,  # CT_STATE: read by survey()
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
        return [Lost(self.at, None, 0, count)]

    def adopt(
        self, process: ProcProcess, start: int, subreaper: bool | None, member: bool, exits: dict[int, int]
    ) -> None:
        """Know a process from /proc. `exits`: tasks whose exit record is still to be decoded."""
        live = LiveProcess(process.tgid, member, process.ns_pids)
        live.subreaper, live.read_at, live.live = subreaper, process.read_at, 0
        for tid, stat in process.threads.items():
            ticks = stat.start_ticks * TICK
            task = LiveTask(start if start and tid == process.tgid else ticks, live)
            task.exited = stat.state in "ZX" and not same_start(exits.get(tid, -1), ticks)
            live.live += not task.exited
            self.tasks[tid] = task
        live.dead = live.live == 0
        live.parent = process.stat.ppid
        if live.dead and live.ns_pids:
            self._zombies.setdefault(live.parent, {})[live.tgid] = live

    def find(self, tid: int, start: int) -> LiveTask | None:
        """The task with this identity; a start time known from /proc only becomes exact."""
        task = self.tasks.get(tid)
        if task is None:
            return None
        if task.start != start:
            if not same_start(task.start, start):
                return None
            task.start = start
        return task

    # ---- records ----

    def _unknown(self, record: bytes) -> None:
        """A type that is not for us."""

    def _clone(self, record: bytes) -> None:
        time, start, tid, flags, child_start, cgroup, child, parent_tgid, exit_signal, own, level = _clone_brief(record)
        creator = self.tasks.get(tid)
        if creator is None or creator.start != start:
            creator = self.find(tid, start)
            if creator is None:
                self.strays += 1
                return
        if child in self.tasks and self.find(child, child_start) is not None:
            return
        process = creator.process
        thread = flags & CLONE_THREAD
        if not (thread or process.member):
            return
        if child in self.tasks:
            self._number_reused(child, time)
        if (own & wire.F_SUBREAPER) != process.subreaper:
            self._subreaper_seen(process, time, own)
        inner = wire.CLONE_REST.unpack(record)[1:-1][:level] if level else ()
        if thread:
            process.live += 1
            self.tasks[child] = LiveTask(child_start, process)
        else:
            self.tasks[child] = LiveTask(child_start, LiveProcess(child, True, inner))
            if not own & wire.F_MEMBER:
                self._new_member(child, child_start)
        self.at += 1
        self._out.append(
            _new(Clone, (self.at, time, tid, child, flags, exit_signal, 0, "", child_start, inner, cgroup, parent_tgid))
        )

        if own & wire.F_OWN_COMM and not thread:
            self.at += 1
            self._out.append(Rename(self.at, time, child, wire.comm(wire.CLONE_REST.unpack(record)[-1])))
        if inner and inner[-1] == 1 and not thread:
            self.at += 1
            self._out.append(PidNsId(self.at, time, child, wire.CLONE_REST.unpack(record)[0]))
        if flags & CLONE_INTO_CGROUP:
            self.into_cgroup.append(child)

    def _number_reused(self, tid: int, time: int) -> None:
        """The task that had this number is gone, though no record has said so yet."""
        process = self.tasks[tid].process
        self.at += 1
        if process.dead and process.tgid == tid:
            self._out.append(Reap(self.at, time, 0, tid, process.status))
            self._forget(process)
        else:
            self._out.append(Gone(self.at, time, tid))
            process.live -= 1
            del self.tasks[tid]

    def _exec(self, record: bytes) -> None:
        (
            _, _, _, time, start, tid, tgid, old_tid, parent_tgid, flags, args_total, name_len, args_len, level,
            pidns, ns_pid, comm,
        ) = wire.EXEC.unpack_from(record)  # fmt: skip
        task = self.find(tid, start)
        filename, argv, cut = wire.exec_data(record, name_len, args_len, args_total)
        if task is None:
            if not flags & wire.F_FOLLOWED:
                self.strays += 1
                return
            # It has the name of a program to follow, and was nobody's child here until now.
            task = self.tasks[tid] = LiveTask(start, LiveProcess(tgid, True, (ns_pid,) if level else ()))
            self.at += 1
            self._out.append(
                Snapshot(
                    self.at, time, tid, tgid, parent_tgid, wire.comm(comm), filename, argv, start, False,
                    task.process.ns_pids, "", bool(flags & wire.F_SUBREAPER), pidns,
                )
            )  # fmt: skip
        process = task.process
        if old_tid != tid:
            self.tasks.pop(old_tid, None)
        task.exited = False
        process.live = 1  # de_thread(): nobody else is left
        if (flags & wire.F_SUBREAPER) != process.subreaper:
            self._subreaper_seen(process, time, flags)
        if time < process.read_at:
            return
        self.at += 1
        self._out.append(Exec(self.at, time, tid, old_tid, filename, argv, cut))
        name = filename.rpartition("/")[2]
        if not name.isascii() or name[:COMM_MAX] != wire.comm(comm):
            # execveat of a descriptor: since Linux 6.14 the name of the file, and not of the descriptor
            self.at += 1
            self._out.append(Rename(self.at, time, tid, wire.comm(comm)))

    def _exit(self, record: bytes) -> None:
        time, start, tid, status, parent_tgid, flags = _exit_brief(record)
        task = self.tasks.get(tid)
        if task is None or task.start != start:
            task = self.find(tid, start)
        if task is None or task.exited:
            self.strays += 1
            return
        process = task.process
        if (flags & wire.F_SUBREAPER) != process.subreaper:
            self._subreaper_seen(process, time, flags)
        task.exited = True
        process.live -= 1
        if process.live <= 0 and process.tgid in self._zombies:
            self._before_adoption(process.tgid, tid, time)
        self.at += 1
        self._out.append(_new(Exit, (self.at, time, tid, status)))
        if tid != process.tgid:
            del self.tasks[tid]
        if process.live > 0:
            return
        process.dead = True
        process.died = time
        process.status = status
        process.parent = parent_tgid
        process.traced = bool(flags & wire.F_TRACED)
        if flags & wire.F_AUTOREAP:
            process.autoreaped = True
        if process.ns_pids or process.autoreaped:
            self._zombies.setdefault(parent_tgid, {})[process.tgid] = process

    def _before_adoption(self, parent: int, tid: int, time: int) -> None:
        """The last thread of `parent` dies: children that vanished by themselves are not there to be adopted."""
        for process in list(self._zombies[parent].values()):
            task = self.tasks.get(process.tgid)
            if process.autoreaped and task is not None and self._is_gone(process.tgid, task.start):
                self._reap(process, time, tid)

    def reaped_unseen(self, before: int) -> tuple[list[Event], bool]:
        """The next events: a Reap for each who died before this time (ns since boot) and is in /proc no more.

        Also whether somebody died since. Who is still there is not looked up again.
        """
        self._out = []
        waiting = [t for tid, t in self.tasks.items() if t.exited and tid == t.process.tgid]
        waiting = [t for t in waiting if t.process.dead and not t.process.confirmed]
        for task in waiting:
            process = task.process
            if process.died >= before:
                continue
            if self._is_gone(process.tgid, task.start):
                self._reap(process, None, 0)
            else:
                process.confirmed = True
        return self._out, any(t.process.died >= before for t in waiting)

    def _reap(self, process: LiveProcess, time: int | None, by: int) -> None:
        """The zombie is gone; `by` is a task of its parent, 0 if not known."""
        self.at += 1
        self._out.append(_new(Reap, (self.at, time, by, process.tgid, process.status)))
        self._forget(process)

    def _forget(self, process: LiveProcess) -> None:
        """The process is gone; none of its threads is known any more."""
        self.tasks.pop(process.tgid, None)
        zombies = self._zombies.get(process.parent)
        if zombies is not None and zombies.pop(process.tgid, None) is not None and not zombies:
            del self._zombies[process.parent]

    def _free(self, record: bytes) -> None:
        start, tid = _free_brief(record)
        task = self.tasks.get(tid)
        if task is not None and task.start != start:
            task = self.find(tid, start)
        if task is None:
            return  # the usual case: its reaping was seen when it happened
        _, _, _, time, _, _, _, parent_start, parent, _ = wire.FREE.unpack(record)
        if not task.process.dead:  # the exit record was lost
            self.at += 1
            self._out.append(Gone(self.at, time, tid))
            del self.tasks[tid]
            return
        known = self.find(parent, parent_start)
        self._reap(task.process, time, parent if known is not None else 0)

    def _wait(self, record: bytes) -> None:
        time, tid, tgid, number, level = _wait_brief(record)
        process = self._zombie_child(tgid, number, level)
        if process is None:
            return  # a stopped child, or a wait of a ptracer
        if process.parent == tgid or not (process.traced or self._lives(process.parent)):
            self._reap(process, time, tid)

    def _zombie_child(self, parent: int, number: int, level: int) -> LiveProcess | None:
        """The dead process that a caller at this depth of pid namespaces calls `number`."""
        if level == 0:
            task = self.tasks.get(number)
            return task.process if task is not None and task.process.dead else None
        for process in self._zombies.get(parent, {}).values():
            if process.ns_pids[level - 1 : level] == (number,):
                return process
        return None

    def _lives(self, tgid: int) -> bool:
        task = self.tasks.get(tgid)
        return task is not None and not task.process.dead

    def _prctl(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, option, _, arg = wire.PRCTL.unpack(record)
        task = self.find(tid, start)
        if task is None:
            self.strays += 1
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

    def _rename(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, comm = wire.RENAME.unpack(record)
        if self.find(tid, start) is None:
            self.strays += 1
            return
        self.at += 1
        self._out.append(Rename(self.at, time, tid, wire.comm(comm)))

    def _pidns(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, pidns, _, joined, _ = wire.PIDNS.unpack(record)
        if self.find(tid, start) is None:
            self.strays += 1
            return
        self.at += 1
        self._out.append(JoinPidNs(self.at, time, tid, pidns) if joined else NewPidNs(self.at, time, tid))

    def _cgroup(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, path_len, _ = wire.CGROUP.unpack_from(record)
        if self.find(tid, start) is None:
            self.strays += 1
            return
        path = wire.text(record[wire.CGROUP.size : wire.CGROUP.size + path_len])
        self._out.append(self.moved(tid, time, path))

    def gone(self, tid: int) -> Event:
        """The next event: a known task is not in /proc."""
        task = self.tasks.pop(tid)
        if task.process.dead:
            self._forget(task.process)
        self.at += 1
        return Gone(self.at, None, tid)

    def moved(self, tid: int, time: int | None, path: str) -> Event:
        """The next event: a move between cgroups."""
        self.at += 1
        return CgroupMove(self.at, time, tid, path)
