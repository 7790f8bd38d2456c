"""Which process a task of unseen creation is a thread of: clues of a first pass become hints for the next.

A filter that leaves clone3 out, or a trace that begins late, shows tasks out of nowhere. Each is first taken for a
process of its own. What it then does tells more: it ends with somebody's exit_group, gets the SIGCHLD of somebody's
child, dies at somebody's exec. Whatever follows from a hint is `inferred`, with the clue as its reason, never better.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from tracer.graph import Process, Task

Key = tuple[int, int]
"""(line of first sight or birth, number): the same in every pass, unlike a serial."""


class Hint(NamedTuple):
    """The task is a thread of the process `tgid` that lives when the task is first seen."""

    tgid: int
    reason: str


Hints = dict[Key, Hint]


class Strength(IntEnum):
    """Clues are believed in this order."""

    ATTACHED_TOGETHER = 0
    NAMED_TOGETHER = 1
    PARENT_TOLD = 2
    EXITED_TOGETHER = 3
    ENDED_BY_EXEC = 4


class Link(NamedTuple):
    """Two sightings that are one process."""

    strength: Strength
    member: Process
    host: Process
    reason: str


@dataclass(slots=True)
class Burst:
    """An exit_group that runs: tasks of unknown origin that end with the same code meanwhile."""

    starter: Process
    code: int
    members: list[Process] = field(default_factory=list)


MAX_BURSTS = 64
"""Exits that run at once; more are forgotten, oldest first (their leader's end was not in the log)."""
EXEC_GAP = 2
"""Lines between the ends of threads and the exec that ended them, at most."""


class Clues:
    """What one pass noted. Nothing is written while no task of unknown origin lives."""

    __slots__ = (
        *("_attached", "_bursts", "_leading", "_links", "_newest", "_strays", "_unannounced", "found_count"),
        *("incomplete", "perhaps_unexplained", "unexplained"),
    )

    def __init__(self) -> None:
        self._links: list[Link] = []
        self._bursts: list[Burst] = []
        self._leading: set[Process] = set()
        self._strays: list[tuple[int, Process]] = []
        self._attached: list[tuple[Process, int]] = []
        self._unannounced: list[Process] = []
        self.found_count = 0
        """Tasks out of nowhere that are riddles: nothing is noted while there is none."""
        self.incomplete = False
        """A task other than the first came out of nowhere: the trace lacks something."""
        self.unexplained = False
        """And not where somebody was killed inside a call that may have created it."""
        self.perhaps_unexplained = False
        """The same if the trace never tells of an ordinary end."""
        self._newest: Process | None = None

    def found(self, process: Process, explained: bool | None) -> None:
        """A task out of nowhere, other than the first of the trace. `explained`: by callers that were killed; None: if
        the trace tells of ordinary ends."""
        self.found_count += 1
        self.incomplete = True
        self.unexplained |= explained is False
        self.perhaps_unexplained |= explained is None
        self._newest = process

    def proven(self, process: Process) -> None:
        """An exec showed that it leads a process: where that is the first that it does, it is no riddle at all."""
        if process is self._newest:
            self.found_count -= 1
            self._newest = None

    def found_without_notice(self, process: Process) -> None:
        """A task that acted though neither a clone nor a notice had announced it."""
        self._unannounced.append(process)

    @property
    def threads_attached(self) -> bool:
        """There are tasks that only the number of threads has announced."""
        return bool(self._attached)

    def attached_with_threads(self, process: Process, threads: int) -> None:
        """ "strace: Process N attached with K threads"."""
        self._attached.append((process, threads))

    def group_exit_begins(self, task: Task, code: int) -> None:
        """exit_group: strace reports the threads as they end, and the leader last."""
        self._bursts.append(Burst(task.process, code))
        del self._bursts[:-MAX_BURSTS]

    def task_ends(self, task: Task, at: int, status: int | None, began_itself: bool) -> None:
        """An Exit. `began_itself`: the task had called exit or exit_group."""
        if status is None or status & 0x7F:
            return
        process = task.process
        matching = [b for b in self._bursts if b.code == status >> 8]
        if not process.leader_known:
            if len(matching) == 1:
                matching[0].members.append(process)
            elif not matching and not began_itself:
                self._strays.append((at, process))
        elif task.tid == process.tgid:
            self._leader_ends(process, matching)

    def _leader_ends(self, leader: Process, matching: list[Burst]) -> None:
        """The burst that this leader's process started, else the one that some unknown thread started, is complete."""
        own = [b for b in matching if b.starter is leader]
        foreign = [b for b in matching if not b.starter.leader_known]
        burst = own[0] if own else foreign[0] if len(foreign) == 1 else None
        if burst is None:
            return
        self._bursts.remove(burst)
        reason = f"ended in the exit_group of {leader.tgid}"
        for member in {id(m): m for m in [*burst.members, burst.starter]}.values():
            if member is not leader:
                self._links.append(Link(Strength.EXITED_TOGETHER, member, leader, reason))

    def exec_ends_threads(self, process: Process, at: int) -> None:
        """de_thread() kills the other threads: unknown tasks that ended right before were some."""
        expected = at - 1
        while self._strays and expected - self._strays[-1][0] <= EXEC_GAP:
            expected, member = self._strays.pop()
            self._links.append(Link(Strength.ENDED_BY_EXEC, member, process, f"ended at the exec of {process.tgid}"))
        self._strays.clear()

    def end_told(self, process: Process) -> None:
        """Its end was told to its parent, as that of a thread never is (exit_notify())."""
        self._leading.add(process)

    def parent_told(self, child: Process, told: Task, how: str) -> None:
        """The end of `child` was told to a task that is not known to be of its parent: so it is a thread of it."""
        parent = child.parent
        if parent is None or child.reparentings:
            return
        member, host = told.process, parent
        if member.leader_known:
            member, host = host, member
        reason = f"{how} of {child.tgid}, a child of {parent.tgid}, reached {told.tid}"
        self._links.append(Link(Strength.PARENT_TOLD, member, host, reason))

    def same_process(self, one: Process, other: Process) -> None:
        """A call named both as threads of one process."""
        member, host = (other, one) if one.leader_known else (one, other)
        self._links.append(Link(Strength.NAMED_TOGETHER, member, host, f"signalled as a thread of {host.tgid}"))

    def solve(self) -> Hints:
        """Join what is linked, strongest first, and say which process each unknown task is a thread of."""
        if len(self._attached) == 1:
            host, threads = self._attached[0]
            reason = f"one of the {threads} threads that strace attached to with {host.tgid}"
            self._links += [Link(Strength.ATTACHED_TOGETHER, m, host, reason) for m in self._unannounced]
        groups = _Groups(self._leading)
        for link in sorted(self._links, key=lambda link: link.strength):
            groups.join(link)
        return groups.hints()


class _Groups:
    """Union-find over processes of the pass; a group has at most one known leader."""

    def __init__(self, leading: set[Process]) -> None:
        self._leading = leading
        self._up: dict[int, Process] = {}
        self._reason: dict[int, tuple[Process, str]] = {}

    def _top(self, process: Process) -> Process:
        while (up := self._up.get(id(process))) is not None:
            process = up
        return process

    def join(self, link: Link) -> None:
        a, b = self._top(link.member), self._top(link.host)
        if a is b:
            return
        if self._leads(a) or (not self._leads(b) and a.born_at < b.born_at):
            a, b = b, a
        if self._leads(a) or not _could_be_thread(a, b):
            return
        self._up[id(a)] = b
        for process in (link.member, link.host):
            if not self._leads(process):
                self._reason.setdefault(id(process), (process, link.reason))

    def _leads(self, process: Process) -> bool:
        return process.leader_known or process in self._leading

    def hints(self) -> Hints:
        hints: Hints = {}
        for process, reason in self._reason.values():
            top = self._top(process)
            if top is not process:
                hints[process.born_at, process.tgid] = Hint(top.tgid, reason)
        return hints


def _could_be_thread(member: Process, host: Process) -> bool:
    """A thread is no older than its process, and is not found after its process ended."""
    return host.born_at <= member.born_at and (host.exited_at is None or member.born_at < host.exited_at)
