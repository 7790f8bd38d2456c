"""What the kernel would know at this point of the trace: the engine's state, written by the rule modules only."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.graph import DEAD, NO_THREADS, GraphStats, PidNs, Process, Program, Reparenting, Task
from tracer.identity import Evidence
from tracer.reconstruct.clues import Clues, Hint, Hints, Key

Call = tuple[int, int, int]
"""A call that did not tell whom it created: the caller, its flags, where it began."""


class Lacks(NamedTuple):
    """What a first pass found missing from the whole trace, so that the next goes by the best sign there is."""

    waits: bool = False
    """No wait is shown: a parent is taken to have waited at once."""
    ends: bool = False
    """No end is shown (strace -qq): a call of exit is taken for the end."""
    places: bool = False
    """There are nested pid namespaces, and the trace does not say who lives in one: the source knows then from the
    first line on that a number may be of one of these."""
    births: bool = False
    """Tasks came out of nowhere: where one was found by leaving out what it cannot be, it may be one of these."""
    begun: bool = False
    """Calls are told when they have returned (strace -z): what a task was doing that was killed is not told."""
    late_ends: bool = False
    """That ordinary ends are told showed only after a wait that this refutes: the source knows then from the first line
    on."""
    results: bool = False
    """Some results are another call's: the source knows then from the first line on of which calls."""


NOTHING = Lacks()

LEAVE_CALLS = frozenset({"exit", "exit_group", "_exit"})
WAIT_CALLS = frozenset({"wait4", "waitid", "waitpid", "wait3", "osf_wait4"})
ADOPTION_TAKES = 1_000_000_000
"""ns: longer than any exit_notify() was seen to come after its sched_process_exit (8 ms under load)."""
RECENT_ADOPTIONS = 4096
RECENT_THREADS = 4096


@dataclass(slots=True)
class FlagCalls:
    """What the threads of one process do by prctl(PR_SET_CHILD_SUBREAPER), where it is not exactly known when."""

    open: dict[int, bool | None] = field(default_factory=dict)
    """Calls that have not returned: tid -> new value; None once another thread's with another value has meanwhile."""
    returned: dict[int, bool] = field(default_factory=dict)
    """Calls that have, without a SubreaperSettled: tid -> the value that each set."""
    doubt_until: int | None = None
    """The task (0: the one without a number) whose SubreaperSettled ends the doubt about the flag (State.doubts); None:
    none does."""
    settled_at: int = 0
    """Where one did last."""


class State:
    """Tasks by number, pid namespaces, and what was noted for the end."""

    __slots__ = (
        "claims",
        "clues",
        "containers",
        "contradictions",
        "doomed",
        "doubts",
        "dying_groups",
        "early_reuse",
        "eliminated",
        "ended_threads",
        "ended_without_cause",
        "exit_begun",
        "exit_group_shown",
        "exit_shown",
        "exits_seen",
        "flag_calls",
        "half_dead",
        "heirs",
        "heirs_seen",
        "heirs_told",
        "hints",
        "hosts",
        "init",
        "lacks",
        "left_alive",
        "left_by",
        "left_untold",
        "living_ns",
        "lost_at",
        "merged",
        "moves",
        "nested",
        "ns_by_id",
        "ns_for_children",
        "open_births",
        "perhaps",
        "perhaps_ended",
        "perhaps_of",
        "processes",
        "programs",
        "programs_size",
        "ptraced",
        "raced",
        "recent_adoptions",
        "riddles",
        "root_ns",
        "serials",
        "spent",
        "stats",
        "supposed",
        "tasks",
        "unexplained",
        "untraced",
    )

    def __init__(
        self,
        hints: Hints | None = None,
        lacks: Lacks = NOTHING,
        ptraced: bool = False,
        heirs: Hints | None = None,
        supposed: Mapping[Key, Call] | None = None,
    ) -> None:
        self.root_ns = PidNs(0, None)
        self.init = Process(1, 0, self.root_ns, 0, None)
        self.init.outside = True
        self.init.comm = "init"
        self.init.subreaper = None
        self.root_ns.init = self.init
        self.tasks: dict[int, Task] = {}
        """The newest task with each number, dead leaders included: they tell the next serial."""
        self.processes: list[Process] = []
        self.ns_for_children: dict[int, PidNs] = {}
        """tid -> nsproxy->pid_ns_for_children, for tasks where it is not their own namespace."""
        self.ns_by_id: dict[int, PidNs] = {}
        """Pid namespaces whose inode number is known."""
        self.living_ns: dict[PidNs, None] = {}
        """Nested namespaces whose init was seen and lives."""
        self.serials: dict[int, int] = {}
        """Number -> how many processes had it, for numbers that a thread has had since."""
        self.exit_begun: dict[int, int] = {}
        """tid -> where its exit call began, until it is dead."""
        self.exit_shown = self.exit_group_shown = False
        """The trace tells who calls them."""
        self.ended_without_cause = 0
        """How many processes have exited though nobody had called one of them."""
        self.left_alive: list[Process] = []
        """Those that children have left, by the kernel's word, though no end of theirs was told by then."""
        self.doomed: dict[int, tuple[Process, int, bool]] = {}
        """Tasks that will end soon -> process, where that was told, and whether all of it will."""
        self.ended_threads: dict[int, list[tuple[int, Process]]] = {}
        """strace: the last threads that ended, by number: where each did, and its process. One that was killed inside
        clone may have a child to come."""
        self.untraced = False
        """There are tasks that the tracer does not follow: they, and who descends from them, may have any number that
        is free."""
        self.unexplained: tuple[int, int] | None = None
        """Number and place of an end that only follows from the number being used again there."""
        self.left_untold = False
        """Who had called exit has ended, as only its number says, which is used again."""
        self.exits_seen = False
        """The trace shows that tasks exited; without (strace -qq shows only those killed) other signs must do."""
        self.doubts: dict[Process, str] = {}
        """Processes whose subreaper flag is not sure, and why."""
        self.flag_calls: dict[Process, FlagCalls] = {}
        """Calls that set the subreaper flag, where it is not exactly known when."""
        self.dying_groups: dict[Process, int] = {}
        """Processes of which a thread ended that had not called exit, and where the first of them did. If all others
        had PF_EXITING by then, its children left the process there (find_new_reaper() in kernel/exit.c)."""
        self.half_dead: dict[Process, tuple[int, int | None, bool]] = {}
        """The same, where the last of them did and with what status, and whether the one before had that, too."""
        self.open_births: dict[Process, int] = {}
        """Children of CLONE_PARENT whose birth is only known to lie before some place (Clone.end)."""
        self.perhaps: dict[Process, dict[Process, Evidence]] = {}
        """Processes without parent -> those that can be it, and what the way to each is worth."""
        self.hosts: dict[Process, list[Process]] = {}
        """Tasks that are taken for processes -> those that each may be a thread of."""
        self.perhaps_ended: dict[Process, tuple[int, int]] = {}
        """Processes that may have been ended by one of those: where, and by whom."""
        self.perhaps_of: dict[Process, list[Process]] = {}
        """The other way round; entries may be out of date."""
        self.claims: dict[Process, dict[tuple[int, int], set[Process]]] = {}
        """The same by call: who is the parent if that call (caller, where it began) created the process."""
        self.left_by: dict[Process, Process] = {}
        """Those of `claims` that one of several calls did not create, but whom it created has left, or has made beside
        itself (CLONE_PARENT) -> who that was."""
        self.spent: set[tuple[int, int]] = set()
        """Those of these calls of which it is known whom they created."""
        self.merged: set[Process] = set()
        """Entries of `processes` that turned out to be threads of others."""
        self.programs: dict[tuple[str, tuple[str, ...], bool], tuple[Program, str]] = {}
        """Programs seen, with the comm that each gives."""
        self.programs_size = 0
        """About how many bytes they take."""
        self.lost_at = 0
        """Where the trace last lost events; what was known before may have changed unseen. 0: nowhere."""
        self.early_reuse: dict[int, Process] = {}
        """Numbers that were used again before the trace showed the wait that had freed them, and who had them."""
        self.nested = False
        """There are nested pid namespaces."""
        self.eliminated = False
        """A birth was found by elimination, which counts for sure only where no birth is missing."""
        self.hints = hints if hints is not None else {}
        self.heirs = heirs if heirs is not None else {}
        """Where a process ended, and its number -> who inherited from it (heirs.told_heirs)."""
        self.heirs_seen: dict[Process, Hint] = {}
        """The same of processes whose end is not told yet, but to whom a zombie of theirs was announced (note_heir)."""
        self.heirs_told: dict[Key, dict[int, str]] = {}
        """The same -> whose children turned out to be those that it left, and why; first who was taken for that."""
        self.riddles: dict[Key, list[Call]] = {}
        """Tasks that one of several calls created: where each shows itself, and its number -> the calls."""
        self.supposed = supposed if supposed is not None else {}
        """Which of them did, in the way that is tried (ways.py); empty where none is."""
        self.contradictions: list[tuple[Process | None, Process]] = []
        """Where the kernel told somebody else of an end: whose child it was in this way, and who was told. Or nobody,
        and whose thread did what none does."""
        self.raced: set[Process] = set()
        """Those whose parent a race has left open: they contradict nothing."""
        self.lacks = lacks
        self.ptraced = ptraced
        """The tracer is strace: it tells of an end after the children have moved, and of a leader's last of all threads
        (delay_group_leader() in kernel/exit.c); a tracepoint tells of an end before they move, and thread by thread."""
        self.recent_adoptions: deque[tuple[Process, tuple[Process, ...]]] = deque(maxlen=RECENT_ADOPTIONS)
        """Dead fathers and their children, whose move the kernel may not have made yet: live; and under strace where
        the leader, who had PF_EXITING when the last of the other threads died, is not told to be dead, or nobody is."""
        self.clues = Clues()
        self.stats = GraphStats()
        self.containers: dict[tuple[str, str], tuple[str, ...]] = {}
        """What the runtimes' files said of containers: see ContainerTold."""
        self.moves: list[tuple[Process, Reparenting]] | None = None
        """A list where somebody wants to hear of every adoption at once (a live session empties it)."""

    def note_move(self, child: Process, step: Reparenting) -> None:
        """Tell of an adoption, where somebody listens."""
        if self.moves is not None:
            self.moves.append((child, step))

    def new_process(
        self, tgid: int, ns: PidNs, at: int, time: int | None, creator_tid: int = 0, old: Task | None = None
    ) -> Process:
        """A new thread group with its leader, in place of `old`, which had its number before."""
        serial = 0 if old is None and not self.serials else self.next_serial(tgid)
        if tgid == 1 and ns is self.root_ns:
            process = self._init_seen(at, time, serial)
        else:
            process = Process(tgid, serial, ns, at, time, creator_tid)
        self.tasks[tgid] = process.leader
        self.processes.append(process)
        return process

    def _init_seen(self, at: int, time: int | None, serial: int) -> Process:
        """PID 1 itself: the one that orphans were given to already, if it was outside the trace until now."""
        init = self.init
        if init.outside:
            init.outside, init.comm, init.serial = False, "", serial
            init.born_at, init.born_time = at, time
            mine = (p for p in self.processes if p.real_parent is init.leader and p.state is not DEAD)
            init.leader.children = dict.fromkeys(mine)
        else:
            init = self.init = self.root_ns.init = Process(1, serial, self.root_ns, at, time)
        return init

    def next_serial(self, tgid: int) -> int:
        """How many processes of this trace have had the number so far."""
        old = self.tasks.get(tgid)
        used = self.serials.get(tgid, 0) if self.serials else 0
        if old is not None and old.process.tgid == tgid:
            return max(old.process.serial + 1, used)
        return used

    def add_thread(self, process: Process, task: Task) -> None:
        """One more task of a living process."""
        tid = task.tid
        if tid != process.tgid and tid in self.tasks and (used := self.next_serial(tid)):
            self.serials[tid] = used
        process.threads[tid] = self.tasks[tid] = task

    def thread_ended(self, tid: int, process: Process, at: int) -> None:
        """Remember whose thread it was, for a child of it that shows later."""
        ended = self.ended_threads
        ended[tid] = [*ended.get(tid, ())[-3:], (at, process)]
        if len(ended) > RECENT_THREADS:
            del ended[next(iter(ended))]

    def adoption_is_over(self, father: Process) -> None:
        """The father's own end is told: his children have moved."""
        recent = self.recent_adoptions
        for each in [each for each in recent if each[0] is father]:
            recent.remove(each)

    def live_task(self, tid: int) -> Task | None:
        """The task that has this number now, zombies included."""
        task = self.tasks.get(tid)
        return None if task is None or task.process.state is DEAD else task


def set_real_parent(child: Process, parent: Task | None, evidence: Evidence, reason: str = "") -> None:
    """Hang `child` on another task; no history is written here."""
    old = child.real_parent
    if old is not None and old.children is not None:
        old.children.pop(child, None)
    child.real_parent = parent
    child.evidence = evidence
    child.reason = reason
    if parent is not None and not parent.process.outside:
        if parent.children is None:
            parent.children = {}
        parent.children[child] = None


def bury(process: Process, at: int | None = None, time: int | None = None, reaper_tid: int = 0) -> None:
    """release_task: the zombie is gone and its number is free."""
    process.state = DEAD
    process.reaped_at = at
    process.reaped_time = time
    process.reaper_tid = reaper_tid
    process.threads = NO_THREADS
    parent = process.real_parent
    if parent is not None and parent.children is not None:
        parent.children.pop(process, None)


def is_below(process: Process, other: Process) -> bool:
    """`other` is `process` or above it: making it a child of `process` would tie a knot into the tree."""
    above: Process | None = process
    while above is not None:
        if above is other:
            return True
        above = above.parent
    return False
