"""Compares a graph with the kernel's truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracer.graph import DEAD, ZOMBIE

if TYPE_CHECKING:
    from tracer.graph import Process, ProcessGraph

    from .truth import TrueProcess, Truth

STRONG = ("observed", "derived")
RACES = (
    "was inside prctl",
    "set the subreaper flag at once",
    "set the subreaper flag at about the same time",
    "the subreaper flag was set while the threads",
)
"""Reasons of a guess that no log can spare: strace's lines have no order between a flag being set and a death."""


@dataclass(slots=True)
class Problem:
    """One difference between graph and truth."""

    kind: str
    """parent, unknown, missing, invisible, ghost, twice, state, threads, ns_pids, hangs_on, crash"""
    pid: int
    expected: object
    got: object
    evidence: str = ""
    fatal: bool = False

    def __str__(self) -> str:
        mark = "FATAL " if self.fatal else ""
        return f"{mark}{self.kind} of {self.pid}: kernel {self.expected}, graph {self.got} {self.evidence}".rstrip()


@dataclass(slots=True)
class Verdict:
    """What came out for one quiet point, or for many added up."""

    right: Counter[str] = field(default_factory=Counter)
    """Parents that agree, by evidence."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Parents that differ, by evidence."""
    unknown: int = 0
    """Parents that the graph honestly does not know."""
    other: Counter[str] = field(default_factory=Counter)
    """Differences that are no parents, by kind."""
    threads: int = 0
    """Living threads that were compared."""
    unclear: int = 0
    """Processes of quiet points whose log says too little though its options are complete."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def processes(self) -> int:
        """Live processes and zombies compared."""
        return self.right.total() + self.wrong.total() + self.unknown + self.other["missing"]

    @property
    def fatal(self) -> list[Problem]:
        """The bugs."""
        return [p for p in self.problems if p.fatal]

    def add(self, other: Verdict) -> None:
        """Sum up; problems are not kept."""
        self.right += other.right
        self.wrong += other.wrong
        self.unknown += other.unknown
        self.other += other.other
        self.threads += other.threads
        self.unclear += other.unclear


def judge(
    graph: ProcessGraph, truth: Truth, complete: bool, named: Container[int] | None = None, below: int = 0
) -> Verdict:
    """Compare every live process.

    In a complete log each difference is fatal but a guess between two that raced (RACES), else only a wrong edge that
    claims to be observed or derived. `named` are the numbers that occur in the log: a task that is killed inside clone
    may leave a child of which strace writes nothing as long as it makes no traced call. `below`: only this process's
    descendants are of the run.
    """
    verdict = Verdict()
    live: dict[int, Process] = {}
    process: Process | None
    for process in graph.live():
        if below and not _is_below(process, below):
            continue
        if process.tgid in live:
            verdict.problems.append(Problem("twice", process.tgid, 1, 2, fatal=True))
        live[process.tgid] = process
    for true in truth.processes.values():
        process = live.pop(true.pid, None)
        if process is None and true.ppid in truth.tracers:
            process = live.pop(0, None)  # strace writes no number while it traces one task alone
        verdict.threads += len(true.threads)
        if true.exiting and (process is None or process.state == ZOMBIE):
            verdict.other["exiting"] += 1
            continue
        if process is None and named is not None and true.pid not in named:
            _note(verdict, Problem("invisible", true.pid, f"child of {true.ppid}", None))
            continue
        if process is None and any(map(_raced, graph.find(true.pid)[-1:])):
            # A zombie that was guessed to be a child of the outermost reaper, who reaps it.
            verdict.other["race"] += 1
            verdict.problems.append(Problem("missing", true.pid, f"child of {true.ppid}", None))
            continue
        if process is None:
            _note(verdict, Problem("missing", true.pid, f"child of {true.ppid}", None, fatal=complete))
            continue
        _parent(verdict, process, true, truth, complete)
        _rest(verdict, process, true, complete)
    for ghost in live.values():
        _ghost(verdict, ghost, truth, complete)
    return verdict


def is_strong(problem: Problem) -> bool:
    """The worst kind: a wrong edge that claims to be known, a crash, a refusal, or one process twice."""
    return problem.kind in ("crash", "refused", "twice") or (problem.kind == "parent" and problem.evidence in STRONG)


def _raced(process: Process) -> bool:
    return any(words in process.reason for words in RACES)


def _is_below(process: Process, tgid: int) -> bool:
    above = process.parent
    while above is not None and above.tgid != tgid:
        above = above.parent
    return above is not None


def _note(verdict: Verdict, problem: Problem) -> None:
    verdict.other[problem.kind] += 1
    verdict.problems.append(problem)


def _parent(verdict: Verdict, process: Process, true: TrueProcess, truth: Truth, complete: bool) -> None:
    """The traced root's parent is the tracer, which the trace does not name: None is right for its children.
    The outermost reaper is PID 1 for a reader who cannot see more."""
    evidence = str(process.evidence)
    parent = process.parent
    got = None if parent is None else parent.tgid
    outside = true.ppid == 0 or true.ppid in truth.tracers
    root = truth.processes.get(true.ppid)
    nameless = got == 0 and root is not None and root.ppid in truth.tracers
    if outside:
        right = got is None or got == true.ppid
    elif nameless:
        right = True
    elif true.ppid == truth.keeper:
        right = got == truth.keeper or (got == 1 and parent is not None and parent.outside)
    else:
        right = got == true.ppid and parent is not None and (parent.alive or parent.outside)
    if right:
        verdict.right[evidence] += 1
    elif got is None:
        verdict.unknown += 1
        verdict.problems.append(Problem("unknown", true.pid, true.ppid, None, evidence, complete))
    else:
        verdict.wrong[evidence] += 1
        race = _raced(process)
        verdict.other["race"] += race
        fatal = evidence in STRONG or (complete and not race)
        verdict.problems.append(Problem("parent", true.pid, true.ppid, got, evidence, fatal))
    task = process.real_parent
    # A thread that has called exit gives its children away before strace tells of its end (a leader's comes late).
    if (
        right
        and not outside
        and not nameless
        and true.parent_tid
        and task
        and not task.exiting
        and task.tid != true.parent_tid
    ):
        _note(verdict, Problem("hangs_on", true.pid, true.parent_tid, task.tid, evidence, complete))


def _rest(verdict: Verdict, process: Process, true: TrueProcess, complete: bool) -> None:
    zombie = process.state == ZOMBIE
    if zombie != true.zombie:
        _note(
            verdict, Problem("state", true.pid, "zombie" if true.zombie else "running", process.state, fatal=complete)
        )
    # The leader is listed as long as the process lives, also when it has ended before its threads.
    threads, expected = {*process.threads} - {process.tgid}, {*true.threads} - {true.pid}
    if not zombie and not true.zombie and threads != expected:
        _note(verdict, Problem("threads", true.pid, sorted(expected), sorted(threads), fatal=complete))
    if process.ns_pids and process.ns_pids != true.ns_pids:
        _note(verdict, Problem("ns_pids", true.pid, true.ns_pids, process.ns_pids, fatal=complete))


def _ghost(verdict: Verdict, process: Process, truth: Truth, complete: bool) -> None:
    """Alive in the graph only. Zombies whose parent is outside are reaped there, unseen; so are those of a pid
    namespace's init that was killed and waits inside do_exit(), of which no log tells before it is gone."""
    if process.outside or process.state == DEAD or process.tgid in (0, truth.keeper, *truth.tracers):
        return
    parent = process.parent
    dying = None if parent is None or process.state != ZOMBIE else truth.processes.get(parent.tgid)
    if dying is not None and dying.exiting:
        verdict.other["exiting"] += 1
        return
    if _raced(process):  # whose zombie it is was guessed, so also who reaps it
        verdict.other["race"] += 1
        verdict.problems.append(Problem("ghost", process.tgid, "gone", process.state))
        return
    reaped_unseen = process.state == ZOMBIE and (parent is None or parent.outside or parent.tgid == truth.keeper)
    if not reaped_unseen:
        _note(verdict, Problem("ghost", process.tgid, "gone", process.state, fatal=complete))
