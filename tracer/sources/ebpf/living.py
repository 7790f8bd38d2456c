"""Who lives, and who waits to be reaped, as far as the records have told: what the decoder remembers.

One entry per living task and per zombie; nothing grows with history.
"""

from __future__ import annotations

from tracer.sources.ebpf import wire
from tracer.sources.proc import TICK, ProcProcess


class LiveTask:
    """A task that lives, or the dead leader of a process that is still there."""

    __slots__ = ("exited", "start")

    start: int
    """ns; from /proc only, rounded down to whole ticks."""
    exited: bool

    @property
    def process(self) -> LiveProcess:
        """Whose thread it is."""
        raise NotImplementedError


class LiveThread(LiveTask):
    """A thread that is not its process's leader."""

    __slots__ = ("_process",)

    def __init__(self, start: int, process: LiveProcess) -> None:
        self.start = start
        self.exited = False
        self._process = process

    @property
    def process(self) -> LiveProcess:
        """Whose thread it is."""
        return self._process


class LiveProcess(LiveTask):
    """A process, and its leader: one object, since most have no other thread, and making two takes twice as long."""

    __slots__ = (
        "autoreaped", "confirmed", "dead", "died", "live", "member", "ns_pids", "parent", "read_at", "status",
        "subreaper", "tgid", "traced",
    )  # fmt: skip

    died: int
    """These are there once it is `dead`. When its last thread died, ns since boot."""
    status: int | None
    parent: int
    """tgid of real_parent then."""
    traced: bool
    """A ptracer waited for it then."""
    autoreaped: bool
    """Its parent ignored SIGCHLD just before the kernel looked (do_notify_parent()), so probably nobody waits."""
    confirmed: bool
    """/proc showed the zombie when it was long dead: whoever reaps it now has to do it by a call."""

    def __init__(self, tgid: int, start: int, member: bool, ns_pids: tuple[int, ...]) -> None:
        self.tgid = tgid
        self.start = start
        self.member = member
        self.ns_pids = ns_pids
        self.live = 1
        """Threads that have not exited."""
        self.subreaper: bool | None = False
        self.read_at = 0
        """When /proc was read for it; 0 if it was born under our eyes."""
        self.exited = False
        self.dead = False
        """Its last thread has exited."""

    @property
    def process(self) -> LiveProcess:
        """Itself."""
        return self


def same_start(one: int, other: int) -> bool:
    """Equal, where either may be rounded down to ticks."""
    return one == other or (one // TICK == other // TICK and (one % TICK == 0 or other % TICK == 0))


class Living:
    """The tasks by number, and the zombies that a number alone does not find."""

    def __init__(self) -> None:
        self.tasks: dict[int, LiveTask] = {}
        self.zombies: dict[int, dict[int, LiveProcess]] = {}
        """Dead processes by the tgid of their parent, then by their own: of nested pid namespaces, and `autoreaped`."""

    def adopt(
        self, process: ProcProcess, start: int, subreaper: bool | None, member: bool, exits: dict[int, int]
    ) -> None:
        """Know a process from /proc. `exits`: tasks whose exit record is still to be decoded."""
        old = self.tasks.get(process.tgid)
        if type(old) is LiveProcess and old.dead:
            self.forget(old)
        live = LiveProcess(process.tgid, start or process.stat.start_ticks * TICK, member, process.ns_pids)
        live.subreaper, live.read_at, live.live = subreaper, process.read_at, 0
        for tid, stat in process.threads.items():
            ticks = stat.start_ticks * TICK
            task = live if tid == process.tgid else LiveThread(ticks, live)
            task.exited = stat.state in "ZX" and not same_start(exits.get(tid, -1), ticks)
            live.live += not task.exited
            self.tasks[tid] = task
        if live.live == 0:
            self.dies(live, 0, None, process.stat.ppid, 0)

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

    def dies(self, process: LiveProcess, time: int, status: int | None, parent: int, flags: int) -> None:
        """Its last thread has exited: a zombie now. `flags`: of the CT_EXIT record."""
        process.dead = True
        process.died = time
        process.status = status
        process.parent = parent
        process.traced = flags & wire.F_TRACED != 0
        process.autoreaped = autoreaped = flags & wire.F_AUTOREAP != 0
        process.confirmed = False
        if autoreaped or process.ns_pids:
            self.zombies.setdefault(parent, {})[process.tgid] = process

    def lives_on(self, process: LiveProcess) -> None:
        """It was taken for dead, and has a thread whose birth was lost."""
        self.forget(process)
        process.dead = False
        self.tasks[process.tgid] = process

    def forget(self, process: LiveProcess) -> None:
        """The zombie is gone; none of its threads is known any more."""
        self.tasks.pop(process.tgid, None)
        if self.zombies:
            siblings = self.zombies.get(process.parent)
            if siblings is not None and siblings.pop(process.tgid, None) is not None and not siblings:
                del self.zombies[process.parent]

    def zombie_inside(self, parent: int, number: int, level: int) -> LiveProcess | None:
        """The dead process that a caller at this depth of nested pid namespaces calls `number`."""
        for process in self.zombies.get(parent, {}).values():
            if process.ns_pids[level - 1 : level] == (number,):
                return process
        return None

    def lives(self, tgid: int) -> bool:
        """The process is there and no zombie."""
        task = self.tasks.get(tgid)
        return task is not None and not task.process.dead

    def unconfirmed(self) -> list[LiveProcess]:
        """The zombies that nobody has looked up in /proc."""
        found = (task for tid, task in self.tasks.items() if task.exited and type(task) is LiveProcess)
        return [process for process in found if process.dead and not process.confirmed]
