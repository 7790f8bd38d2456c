"""What the kernel would know at this point of the trace: the engine's state, written by the rule modules only."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from tracer.graph import DEAD, GraphStats, PidNs, Process, Program, Reparenting, Task
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
    apart: bool = False
    """The lines of each task were read by themselves (strace -ff): none tells of another what it was inside of."""
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
RECENT_PROCESSES = 1000
"""So many back, one is looked for whose number has another owner."""


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


@dataclass(slots=True, eq=False, kw_only=True)
class State:
    """Tasks by number, pid namespaces, and what was noted for the end. Only the first part is given."""

    hints: Hints = field(default_factory=dict)
    """Whose threads tasks out of nowhere are, as the pass before has found out."""
    heirs: Hints = field(default_factory=dict)
    """Where a process ended, and its number -> who inherited from it (heirs.told_heirs); likewise."""
    no_waits: frozenset[int] = frozenset()
    """Lines of waits that have not returned what stands there, likewise (reap.py)."""
    lacks: Lacks = NOTHING
    ptraced: bool = False
    """The tracer is strace: it tells of an end after the children have moved, and of a leader's last of all threads
    (delay_group_leader() in kernel/exit.c); a tracepoint tells of an end before they move, and thread by thread."""
    supposed: Mapping[Key, Call] = field(default_factory=dict)
    """Which calls created those of `riddles`, in the way that is tried (ways.py); empty where none is."""

    # Tasks and processes.
    tasks: dict[int, Task] = field(default_factory=dict)
    """The newest task with each number, dead leaders included: they tell the next serial."""
    processes: list[Process] = field(default_factory=list)
    init: Process = field(init=False)
    """PID 1 of the level-0 namespace; `outside` while it is only named as the adopter of last resort."""
    newest_thread: tuple[int, int] = (0, 0)
    """tid and start time of the thread that was born last, where these are told."""
    serials: dict[int, int] = field(default_factory=dict)
    """Number -> how many processes had it, for numbers that a thread has had since."""
    before: dict[int, Process] = field(default_factory=dict)
    """strace: numbers that are used again -> the process that had each last."""
    early_reuse: dict[int, Process] = field(default_factory=dict)
    """Numbers that were used again before the trace showed the wait that had freed them, and who had them."""
    ended_threads: dict[int, list[tuple[int, Process]]] = field(default_factory=dict)
    """strace: the last threads that ended, by number: where each did, and its process. One that was killed inside
    clone may have a child to come."""
    merged: set[Process] = field(default_factory=set)
    """Entries of `processes` that turned out to be threads of others."""
    programs: dict[tuple[str, tuple[str, ...], bool], tuple[Program, str]] = field(default_factory=dict)
    """Programs seen, with the comm that each gives."""
    programs_size: int = 0
    """About how many bytes they take."""
    untraced: bool = False
    """There are tasks that the tracer does not follow: they, and who descends from them, may have any number that
    is free."""

    # Pid namespaces.
    root_ns: PidNs = field(init=False)
    ns_for_children: dict[int, PidNs] = field(default_factory=dict)
    """tid -> nsproxy->pid_ns_for_children, for tasks where it is not their own namespace."""
    ns_by_id: dict[int, PidNs] = field(default_factory=dict)
    """Those whose inode number is known."""
    living_ns: dict[PidNs, None] = field(default_factory=dict)
    """Nested ones whose init was seen and lives."""
    nested: bool = False
    """There are nested ones."""

    # Ends, and what the trace tells of them.
    exit_begun: dict[int, int] = field(default_factory=dict)
    """tid -> where its exit call began, until it is dead."""
    exit_shown: bool = False
    """The trace tells who calls exit."""
    exit_group_shown: bool = False
    """The same of exit_group."""
    from_start: bool = False
    """The log begins with the execve of `strace COMMAND`."""
    exits_seen: bool = False
    """The trace shows that tasks exited; without (strace -qq shows only those killed) other signs must do."""
    doomed: dict[int, tuple[Process, int, bool]] = field(default_factory=dict)
    """Tasks that will end soon -> process, where that was told, and whether all of it will."""
    dying_groups: dict[Process, int] = field(default_factory=dict)
    """Processes of which a thread ended that had not called exit, and where the first of them did. If all others
    had PF_EXITING by then, its children left the process there (find_new_reaper() in kernel/exit.c)."""
    half_dead: dict[Process, tuple[int, int | None, bool]] = field(default_factory=dict)
    """The same, where the last of them did and with what status, and whether the one before had that, too."""
    ended_without_cause: int = 0
    """How many processes have exited though nobody had called one of them."""
    left_alive: list[Process] = field(default_factory=list)
    """Those that children have left, by the kernel's word, though no end of theirs was told by then."""
    unexplained: tuple[int, int] | None = None
    """Number and place of an end that only follows from the number being used again there."""
    left_untold: bool = False
    """Who had called exit has ended, as only its number says, which is used again."""
    lost_at: int = 0
    """Where the trace last lost events; what was known before may have changed unseen. 0: nowhere."""

    # Adoptions.
    doubts: dict[Process, str] = field(default_factory=dict)
    """Processes whose subreaper flag is not sure, and why."""
    flag_calls: dict[Process, FlagCalls] = field(default_factory=dict)
    """Calls that set the subreaper flag, where it is not exactly known when."""
    flags_of_strangers: list[tuple[Process, int, bool]] = field(default_factory=list)
    """Tasks that set or cleared the subreaper flag and may be threads of somebody (Process.leader_known), where, and to
    what: it is the flag of the whole process."""
    open_births: dict[Process, int] = field(default_factory=dict)
    """Children of CLONE_PARENT whose birth is only known to lie before some place (Clone.end)."""
    recent_adoptions: deque[tuple[Process, tuple[Process, ...]]] = field(
        default_factory=lambda: deque(maxlen=RECENT_ADOPTIONS)
    )
    """Dead fathers and their children, whose move the kernel may not have made yet: live; and under strace where
    the leader, who had PF_EXITING when the last of the other threads died, is not told to be dead, or nobody is."""
    refuted_waits: set[int] = field(default_factory=set)
    """For `no_waits` of the next pass."""
    heirs_seen: dict[Process, Hint] = field(default_factory=dict)
    """Who inherits from processes whose end is not told yet: to whom a zombie of theirs was announced (note_heir)."""
    heirs_told: dict[Key, dict[int, str]] = field(default_factory=dict)
    """As `heirs` -> whose children turned out to be those that it left, and why; first who was taken for that."""
    moves: list[tuple[Process, Reparenting]] | None = None
    """A list where somebody wants to hear of every adoption at once (a live session empties it)."""

    # Who was created by one of several calls.
    riddles: dict[Key, list[Call]] = field(default_factory=dict)
    """Where each shows itself, and its number -> the calls."""
    possible_parents: dict[Process, dict[Process, Evidence]] = field(default_factory=dict)
    """Processes without parent -> those that can be it, and what the way to each is worth."""
    possible_children: dict[Process, list[Process]] = field(default_factory=dict)
    """The other way round; entries may be out of date."""
    hosts: dict[Process, list[Process]] = field(default_factory=dict)
    """Tasks that are taken for processes -> those that each may be a thread of."""
    perhaps_ended: dict[Process, tuple[int, int]] = field(default_factory=dict)
    """Processes that may have been ended by one of those: where, and by whom."""
    eliminated: bool = False
    """A birth was found by elimination, which counts for sure only where no birth is missing."""
    contradictions: list[tuple[Process | None, Process]] = field(default_factory=list)
    """Where the kernel told somebody else of an end: whose child it was in this way, and who was told. Or nobody,
    and whose thread did what none does."""
    raced: set[Process] = field(default_factory=set)
    """Those whose parent a race has left open: they contradict nothing."""

    # For whoever reads the graph, or the trace again.
    clues: Clues = field(default_factory=Clues)
    stats: GraphStats = field(default_factory=GraphStats)
    containers: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """What the runtimes' files said of containers: see ContainerTold."""

    def __post_init__(self) -> None:
        self.root_ns = PidNs(0, None)
        self.init = self.root_ns.init = Process(1, 0, self.root_ns, 0, None)
        self.init.outside = True
        self.init.comm = "init"
        self.init.subreaper = None

    def note_move(self, child: Process, step: Reparenting) -> None:
        """Tell of an adoption, where somebody listens."""
        if self.moves is not None:
            self.moves.append((child, step))

    def new_process(
        self, tgid: int, ns: PidNs, at: int, time: int | None, creator_tid: int = 0, old: Task | None = None
    ) -> Process:
        """A new thread group with its leader, in place of `old`, which had its number before."""
        serial = 0 if old is None and not self.serials else self.next_serial(tgid)
        if serial and old is not None and self.ptraced:
            self.before[tgid] = old.process
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

    def owner(self, tid: int, at: int) -> Process | None:
        """The process that had a task with this number there, which has ended since if it is not the last one."""
        recent = islice(reversed(self.processes), RECENT_PROCESSES)
        own = next((p for p in recent if p.tgid == tid and p.born_at <= at), None)
        if own is not None and (own.exited_at is None or own.exited_at >= at):
            return own
        threads = self.ended_threads.get(tid, ())
        of_thread = next((process for end, process in threads if end >= at and process.born_at <= at), None)
        if of_thread is not None:
            return of_thread
        task = self.tasks.get(tid)
        return task.process if task is not None and task.process.born_at <= at else own

    def adoption_is_over(self, father: Process) -> None:
        """The father's own end is told: his children have moved."""
        recent = self.recent_adoptions
        for each in [each for each in recent if each[0] is father]:
            recent.remove(each)

    def live_task(self, tid: int) -> Task | None:
        """The task that has this number now, zombies included."""
        task = self.tasks.get(tid)
        return None if task is None or task.process.state is DEAD else task
