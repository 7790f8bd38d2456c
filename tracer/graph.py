"""The process graph: tasks, processes, and who was whose child when.

Only the reconstructor writes it; everyone else reads. Names are the kernel's: a process (thread group) has one
`real_parent`, which is a *task*; children hang on the task that created or adopted them, not on its process.
Lineage (`creator`) and tree (`real_parent`) are two things.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tracer.identity import Evidence, Moment, TaskUid, WaitStatus, wait_status

if TYPE_CHECKING:
    import networkx as nx

RUNNING = "running"
ZOMBIE = "zombie"
DEAD = "dead"

RULE_THREAD = "thread"
"""find_new_reaper step 1: another thread of the same process took over; the process's children stay its children."""
RULE_SUBREAPER = "subreaper"
"""find_new_reaper step 2: the nearest living ancestor that is a subreaper."""
RULE_CHILD_REAPER = "child_reaper"
"""find_new_reaper step 3: the init of the pid namespace."""
RULE_SEEN = "seen"
"""Not derived: the kernel told a new parent (SIGCHLD, wait, /proc)."""


class PidNs:
    """A pid namespace as the trace knows it. Level 0 is the one that the tracer sees."""

    __slots__ = ("guess", "init", "init_elsewhere", "joined", "level", "ns_id", "parent")

    def __init__(self, level: int, parent: PidNs | None, ns_id: int = 0) -> None:
        self.level = level
        self.parent = parent
        self.init: Process | None = None
        """The child_reaper; None for level 0 while PID 1 itself is outside the trace, and before the first fork."""
        self.ns_id = ns_id
        """Inode number of the namespace where known; else 0."""
        self.joined = False
        """It was there before the trace: its init is some process that was not seen."""
        self.init_elsewhere = False
        """It was entered by setns: whoever was born into it that way is not its init."""
        self.guess = ""
        """Why `init` is thought to be the one, where the trace does not say so; else ''."""


class Program(NamedTuple):
    """What a process runs since an exec."""

    exe: str
    argv: tuple[str, ...]
    argv_cut: bool

    @property
    def path(self) -> str:
        """exe; where that is not known (another user's process in /proc), what it was called as; or ''."""
        return self.exe or (self.argv[0] if self.argv else "")


class Execed(NamedTuple):
    """An earlier program of a process: when it was exec'd (None: it was there at birth or attach)."""

    at: int
    time: int | None
    program: Program | None
    comm: str


class Reparenting(NamedTuple):
    """One change of a process's real_parent to another process."""

    at: int
    time: int | None
    old: Process
    new: Process | None
    """None: not known."""
    rule: str
    """One of the RULE_ constants."""
    cause: str
    """For people: 'exit of 1224714'."""
    evidence: Evidence
    reason: str
    """Why the evidence is not better than it is, or ''."""


class Task:
    """A schedulable unit: a thread of a process."""

    __slots__ = ("children", "creator_tid", "exiting", "membership", "pdeath_signal", "process", "tid")

    def __init__(self, tid: int, process: Process, creator_tid: int) -> None:
        self.tid = tid
        self.process = process
        self.creator_tid = creator_tid
        """tid of the task that called clone; 0 where unknown."""
        self.children: dict[Process, None] | None = None
        """Living and zombie processes whose real_parent this task is, oldest first; None for none so far."""
        self.exiting = False
        """PF_EXITING: it can inherit nothing any more."""
        self.pdeath_signal = 0
        self.membership = ""
        """Why this task is thought to be a thread of `process`, where that was inferred; '' where the trace says so."""

    def __repr__(self) -> str:
        return f"<Task {self.tid} of {self.process.uid}>"


NO_THREADS: dict[int, Task] = {}
"""Shared by all dead processes, never written: a dict each would be a third of the memory of a long replay."""


class Process:
    """A thread group: what people call a process."""

    __slots__ = (
        "born_at",
        "born_time",
        "cgroup",
        "comm",
        "confirmed_at",
        "creator",
        "evidence",
        "exec_at",
        "exec_time",
        "exited_at",
        "exited_time",
        "leader",
        "leader_known",
        "ns",
        "ns_pids",
        "outside",
        "past",
        "program",
        "real_parent",
        "reaped_at",
        "reaped_time",
        "reaper_tid",
        "reason",
        "reparentings",
        "serial",
        "start_time",
        "state",
        "status",
        "subreaper",
        "subreaper_at",
        "tgid",
        "threads",
    )

    def __init__(self, tgid: int, serial: int, ns: PidNs, at: int, time: int | None, creator_tid: int = 0) -> None:
        self.tgid = tgid
        self.serial = serial
        self.ns = ns
        self.outside = False
        """Not part of the trace; only named by it (PID 1 as the adopter of last resort)."""
        self.leader = Task(tgid, self, creator_tid)
        """Since an exec by another thread, the task that took its place."""
        self.leader_known = True
        """`tgid` is known to be the leader's. False: one task of an unseen process, perhaps not its leader."""
        self.threads: dict[int, Task] = {tgid: self.leader}
        """Tasks by tid as /proc/PID/task lists them: the leader first, also when it ended before the others."""
        self.real_parent: Task | None = None
        """The task whose child this is now (or was last, when dead). None: not known."""
        self.evidence = Evidence.UNKNOWN
        """Of `real_parent`."""
        self.confirmed_at = 0
        """Where the kernel last confirmed `real_parent`; 0: since it was set, nowhere."""
        self.reason = ""
        """Why `evidence` is not better, for people; '' where nothing is to be said."""
        self.creator: Process | None = None
        """The process of the task that called clone; None: not known. Differs from birth_parent for CLONE_PARENT."""
        self.born_at = at
        self.born_time = time
        self.comm = ""
        self.program: Program | None = None
        self.exec_at: int | None = None
        self.exec_time: int | None = None
        self.past: list[Execed] | None = None
        """Earlier programs, oldest first."""
        self.state = RUNNING
        self.status: int | None = None
        """Raw wait status, None while running and where the trace did not tell."""
        self.exited_at: int | None = None
        self.exited_time: int | None = None
        self.reaped_at: int | None = None
        self.reaped_time: int | None = None
        self.reaper_tid = 0
        self.subreaper: bool | None = False
        """is_child_subreaper; None: not known (the process is older than the trace)."""
        self.subreaper_at: int | None = None
        self.reparentings: list[Reparenting] | None = None
        self.ns_pids: tuple[int, ...] = ()
        """Its numbers in nested pid namespaces, outermost first, without the tracer's own; where known."""
        self.cgroup = ""
        self.start_time = 0

    @property
    def uid(self) -> TaskUid:
        """Identity within this graph."""
        return TaskUid(self.tgid, self.serial)

    @property
    def parent(self) -> Process | None:
        """The process whose child this is now, or was last."""
        return self.real_parent.process if self.real_parent is not None else None

    @property
    def birth_parent(self) -> Process | None:
        """The process whose child this was at first."""
        return self.reparentings[0].old if self.reparentings else self.parent

    @property
    def birth_evidence(self) -> Evidence:
        """Of `birth_parent`; not kept after an adoption, whose own evidence is no better than the birth's was."""
        if not self.reparentings:
            return self.evidence
        first = self.reparentings[0]
        return Evidence.INFERRED if first.rule == RULE_SEEN else first.evidence

    @property
    def creator_tid(self) -> int:
        """tid of the task that called clone; 0 where unknown."""
        return self.leader.creator_tid

    @property
    def parent_known_at(self) -> int:
        """Where in the trace `real_parent` was set or last confirmed."""
        moved = self.reparentings[-1].at if self.reparentings else self.born_at
        return max(moved, self.confirmed_at)

    @property
    def alive(self) -> bool:
        """In the tree: running or zombie."""
        return self.state is not DEAD

    @property
    def exit(self) -> WaitStatus | None:
        """How it ended, where it did and that is known."""
        return None if self.status is None else wait_status(self.status)

    def children(self) -> Iterator[Process]:
        """Living and zombie children now, grouped by the thread that they hang on."""
        for task in self.threads.values():
            if task.children:
                yield from task.children

    def __repr__(self) -> str:
        return f"<Process {self.uid} {self.comm!r} {self.state}>"


LOST_KEPT = 1000
"""So many places before which something was lost are kept; the count goes on."""


@dataclass(slots=True)
class GraphStats:
    """Counts over a whole graph."""

    processes: int = 0
    inferred: int = 0
    """Parent edges, and memberships of threads, that were inferred."""
    lost: int = 0
    """Events that the tracer lost, or how often a log shows that lines are missing in it."""
    lost_before: list[int] = field(default_factory=list)
    """The places before which that was, each once; the first LOST_KEPT that were found."""
    waits_seen: bool = True
    """False: the trace shows no wait of anybody, so a zombie in it may as well be gone."""
    last: Moment | None = None
    """Line and time of the trace's last event, where the graph is that of an earlier moment or of one beyond it."""


class ProcessGraph:
    """All processes of a trace, and the outside ones that it names."""

    def __init__(self, root_ns: PidNs, init: Process, processes: list[Process], stats: GraphStats) -> None:
        self.root_ns = root_ns
        self.stats = stats
        self.init = init
        """PID 1 of the level-0 namespace; `init.outside` unless the trace has it."""
        self.processes = processes
        """Every process of the trace, in order of birth or first sight; PID 1 only if not outside."""
        self.containers: dict[tuple[str, str], tuple[str, ...]] = {}
        """(outer container's id, id) -> the fields of runtime.oci.Details, where the source tells (a recording)."""

    def find(self, pid: int) -> list[Process]:
        """All processes that had this thread group id, oldest first."""
        return [p for p in self.processes if p.tgid == pid]

    def live(self) -> Iterator[Process]:
        """Running processes and zombies."""
        return (p for p in self.processes if p.state is not DEAD)

    def to_networkx(self) -> nx.MultiDiGraph[TaskUid]:
        """The whole history as a typed multigraph for other tools (docs/reference/graph.md)."""
        from tracer.export_networkx import to_networkx

        return to_networkx(self)
