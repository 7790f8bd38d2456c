"""The kernel's rules, forward over a log, for one way in which it may have come about: for the judge of `alternatives`.

Every call has its child or none, and every race between a subreaper flag and a death has its winner. What the log tells
of waits, signals and ends either fits, or `Refuted` says where it does not. Nothing here is of tracer.reconstruct.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tracer.event import CLONE_NEWPID, CLONE_PARENT, CLONE_THREAD, SIGCHLD

from .facts import NEVER, WALL, WCLONE, WNOTHREAD, Call, Fact, Flag, Log, Task

Choose = Callable[[object, int], int]
"""Asked what won a race: its key, and how many outcomes there are."""


class Refuted(Exception):
    """This cannot have been."""


@dataclass(eq=False, slots=True)
class Proc:
    """A thread group."""

    leader: Task | None
    parent: Proc | None = None
    threads: set[Task] = field(default_factory=set)
    alive: bool = True
    reaped: bool = False
    exit_signal: int = SIGCHLD
    ns: Proc | None = None
    """The init of its pid namespace; None: strace's own."""
    since_death: list[Proc] = field(default_factory=list)
    """Whose child it was since it ended."""
    flags: list[Flag] = field(default_factory=list)
    moved: int = 0
    """The line that told of its last move to another parent."""
    born: int = 0
    exec_at: int = 0
    """The last line of an exec, which has killed all other threads."""

    @property
    def low(self) -> int:
        """It ended after what the lines up to this one tell."""
        return max((task.low for task in self.threads), default=0)

    @property
    def told(self) -> int:
        """The line that tells that all of it has ended."""
        return max((task.death for task in self.threads), default=NEVER)


def born_before(call: Call, child: Task) -> int:
    """The child was there when this line was written."""
    return min(call.end, child.first)


class Forward:
    """One run."""

    def __init__(self, log: Log, children: Mapping[Call, Task], choose: Choose) -> None:
        """`children`: whom the calls created that do not say it."""
        self.log = log
        self.choose = choose
        self.tracer = Proc(None)
        self.init = Proc(None, self.tracer)
        self.of: dict[Task, Proc] = {}
        self.named: dict[int, list[Proc]] = {}
        """All that had a number, oldest first."""
        self.next_ns: dict[Task, Proc | None] = {}
        """After unshare(CLONE_NEWPID): the init of the namespace of the children, once there is one."""
        self.silent: set[Proc] = set()
        """Processes with a caller that may have left a child of which the log has no line."""
        self.children = dict(children)
        self.open = [c for c in log.calls if c.state in ("open", "doubtful") and c not in self.children]
        self.kids: dict[Proc, list[Proc]] = {}

    def run(self) -> None:
        """All of the log; raises Refuted."""
        events: list[tuple[int, int, int, Callable[[], None]]] = []
        pairs = {c: c.child for c in self.log.calls if c.child is not None} | self.children
        for call in self.log.calls:
            if call.state == "child" and call.child is None and not call.flags & CLONE_THREAD:
                pairs[call] = Task(call.number, call.end)  # it makes no traced call
        for call, child in pairs.items():
            events.append((born_before(call, child), 0, call.start, partial(self._born, call, child)))
        for at, task in self.log.unshared:
            events.append((at, 1, 0, partial(self.next_ns.__setitem__, task, None)))
        events += [(flag.start, 1, 0, partial(self._flag, flag)) for flag in self.log.flags]
        for number, fact in enumerate(self.log.facts):
            events.append((fact.at, 1, number, partial(getattr(self, "_" + fact.kind), fact)))
        first = self.log.tasks[0]
        root = self.of[first] = Proc(first, self.tracer, {first})
        self.named[first.tid] = [root]
        self.kids[self.tracer] = [root]
        for task in self.log.tasks:
            if task is not first and task not in pairs.values():
                self.of[task] = Proc(task, self.init, {task})  # nobody can have created it
        for _, _, _, event in sorted(events, key=lambda e: e[:3]):
            event()

    # ---- what happens ----

    def _born(self, call: Call, child: Task) -> None:
        caller = self.of.get(call.task)
        if caller is None:
            raise Refuted(f"{child} was created by {call.task} before that was there")
        flags, exit_signal = self._kind(call)
        if flags & CLONE_THREAD:
            if child.led != NEVER:
                raise Refuted(f"thread {child} of {caller.leader} leads a process at {child.led}")
            self.of[child] = caller
            caller.threads.add(child)
            return
        above = caller.parent if flags & CLONE_PARENT else caller
        signal = caller.exit_signal if flags & CLONE_PARENT else exit_signal
        proc = self.of[child] = Proc(
            child, None, {child}, exit_signal=signal, ns=caller.ns, born=born_before(call, child)
        )
        if flags & CLONE_NEWPID:
            proc.ns = proc
        elif call.task in self.next_ns:
            proc.ns = self.next_ns[call.task] = self.next_ns[call.task] or proc
        self.named.setdefault(child.tid, []).append(proc)
        assert above is not None
        while not above.alive:  # its end was told first
            if above.ns is above:
                raise Refuted(f"{child} was created after {above.leader}, the init of its pid namespace, had ended")
            above = self._reaper(above, above.told)
        self._hang(proc, above)

    def _kind(self, call: Call) -> tuple[int, int]:
        """Flags and exit signal."""
        if not call.kinds:
            return call.flags, call.exit_signal
        return call.kinds[self.choose(call, len(call.kinds)) if len(call.kinds) > 1 else 0]

    def _hang(self, proc: Proc, parent: Proc) -> None:
        if proc.parent is not None:
            self.kids[proc.parent].remove(proc)
        proc.parent = parent
        self.kids.setdefault(parent, []).append(proc)
        if not proc.alive:
            proc.since_death.append(parent)
            if parent in (self.init, self.tracer):
                proc.reaped = True

    def _death(self, fact: Fact) -> None:
        task = fact.task
        proc = self.of.get(task)
        if proc is None or not proc.alive:
            return
        if task is proc.leader:  # told when no thread is left (delay_group_leader())
            self._threads_ended(proc, task, fact.at)
            self._end(proc, fact.at)
        elif all(t.death <= fact.at for t in proc.threads):
            self._end(proc, fact.at)

    def _threads_ended(self, proc: Proc, but: Task, at: int) -> None:
        for task in proc.threads:
            if task is not but and task.death > at and any(act > at for act in task.acts):
                raise Refuted(f"thread {task} of {proc.leader} is at work after the end of all at {at}")
            if task is not but and task.death == NEVER and not task.in_exec and self.log.last > at >= task.first:
                raise Refuted(f"thread {task} of {proc.leader} has no end, and that ended at {at}")

    def _takeover(self, fact: Fact) -> None:
        """de_thread(): all threads but the one die."""
        proc = self.of.get(fact.task)
        assert fact.other is not None
        if proc is None or self.of.get(fact.other) is not proc:
            raise Refuted(f"{fact.other}, which goes on as {fact.task} at {fact.at}, is no thread of it")
        for task in proc.threads - {fact.task, fact.other}:
            if task.first < fact.at and any(act > fact.at for act in task.acts):
                raise Refuted(f"thread {task} of {fact.task} is at work after the exec at {fact.at}")
        proc.threads = {t for t in proc.threads if t is fact.task or t.first > fact.at}
        proc.exec_at = fact.at
        proc.exit_signal = SIGCHLD

    def _exec(self, fact: Fact) -> None:
        proc = self.of.get(fact.task)
        if proc is not None:
            proc.exec_at = fact.at
            proc.exit_signal = SIGCHLD

    def _end(self, proc: Proc, at: int) -> None:
        """exit_notify() and forget_original_parent()."""
        low = proc.low
        self._ends_are_alike(proc, at)
        proc.alive = False
        assert proc.parent is not None
        proc.since_death.append(proc.parent)
        if proc.parent in (self.init, self.tracer):
            proc.reaped = True
        if not self.kids.get(proc):
            return
        for child in list(self.kids[proc]):
            if child.ns is proc and proc.ns is proc:
                continue  # zap_pid_ns_processes() kills it
            self._hang(child, self._reaper(proc, at, low))
            child.moved = at
            child.exit_signal = SIGCHLD

    def _ends_are_alike(self, proc: Proc, at: int) -> None:
        """Who has not called exit dies with the group: somebody has called exit_group or exec, or a signal came. All
        that it kills have the same status (signal->group_exit_code)."""
        killed = {t.how for t in proc.threads if t.left == NEVER and proc.exec_at < t.death <= at and t.how}
        if any(task.in_exec for task in proc.threads):
            return
        if len(killed) > 1:
            raise Refuted(f"threads of {proc.leader} were killed in different ways: {killed}")
        by_exit = any(how.startswith(b"exited") for how in killed)
        if by_exit and all(t.left == NEVER for t in proc.threads) and not self._may_have_more(proc):
            raise Refuted(f"{proc.leader} {killed}, and no thread of it has called exit")

    def _may_have_more(self, proc: Proc) -> bool:
        """Threads of which the log has no line."""
        return any(
            call.may_make(thread=True) and self.of.get(call.task) is proc
            for call in self.log.calls
            if (call.state == "child" and call.child is None) or call in self.open
        )

    def _reaper(self, father: Proc, at: int, low: int = 0) -> Proc:
        """find_new_reaper(), the father being dead as a whole."""
        above = father.parent
        while above is not None and above not in (self.init, self.tracer) and above.ns is father.ns:
            if above is father.ns:
                break
            if above.alive and self._is_subreaper(above, father, low, at):
                return above
            above = above.parent
        return father.ns or self.init

    def _flag(self, flag: Flag) -> None:
        proc = self.of.get(flag.task)
        if proc is not None:
            proc.flags.append(flag)

    def _is_subreaper(self, proc: Proc, father: Proc, low: int, high: int) -> bool:
        """When the father died: between what the lines `low` and `high` tell."""
        begun = [(flag, value) for flag in proc.flags if flag.start < high for value in self._set_by(flag)]
        done = [flag for flag, _ in begun if flag.end <= low and flag.task.death > flag.end]
        able = {value for flag, value in begun if not any(flag.end <= later.start != flag.start for later in done)}
        values = sorted(able if done else able | {False})
        return values[self.choose((proc.leader, father.leader), len(values))] if len(values) > 1 else values[0]

    def _set_by(self, flag: Flag) -> list[bool]:
        """What the call has set; nothing, if it is hidden and was about something else."""
        if flag.on is not None:
            return [flag.on]
        came_to = self.choose(flag, 3)
        return [came_to == 1] if came_to else []

    # ---- what is told ----

    def _settle(self, proc: Proc, wanted: Proc, at: int) -> bool:
        """Was it the child of `wanted` at this line? Those above that were dying may be dead, though not yet told."""
        while proc.parent is not wanted:
            above = proc.parent
            if above is None or above in (self.init, self.tracer) or not above.alive:
                return False
            if not above.low <= at < above.told < NEVER:
                return False
            self._end(above, at)
        return True

    def _last(self, number: int, at: int) -> list[Proc]:
        """All that had the number, the last one first."""
        return [proc for proc in reversed(self.named.get(number, ())) if proc.born <= at]

    def _reaped(self, fact: Fact) -> None:
        proc = self.of.get(fact.task)
        if proc is None or (proc.ns is not None and not fact.translated):
            return
        for child in self._last(fact.value, fact.at):
            if child.alive and child.told > fact.at:
                continue
            if child.alive:
                self._end(child, fact.at)
            if child.reaped:
                continue
            if not self._settle(child, proc, fact.at):
                raise Refuted(f"{proc.leader} waited for {fact.value} at {fact.at}, a child of {_name(child.parent)}")
            child.reaped = not fact.options
            return

    def _perhaps(self, fact: Fact) -> None:
        """Killed inside a wait: it may have waited for one who has ended."""
        proc = self.of.get(fact.task)
        if proc is None:
            return
        ended = [c for c in self.kids.get(proc, ()) if not c.alive and self._eligible(c, fact.options)]
        able = [c for c in ended if c.leader is not None and fact.value in (-1, c.leader.tid)]
        chosen = self.choose(fact, len(able) + 1) if able else 0
        if chosen:
            able[chosen - 1].reaped = True

    def _told(self, fact: Fact) -> None:
        proc = self.of.get(fact.task)
        if proc is None or proc.ns is not None:
            return
        owners = [p for p in self._last(fact.value, fact.at) if not p.alive or p.told <= fact.at]
        if not owners or any(proc in owner.since_death for owner in owners):
            return
        if not any(self._settle(owner, proc, fact.at) for owner in owners if not owner.reaped):
            raise Refuted(f"{proc.leader} was told of {fact.value} at {fact.at}, a child of {_name(owners[0].parent)}")

    def _eligible(self, child: Proc, options: int) -> bool:
        """eligible_child()"""
        if child.reaped:
            return False
        return bool(options & WALL) or (child.exit_signal != SIGCHLD) == bool(options & WCLONE)

    def _nobody(self, fact: Fact) -> None:
        """ECHILD: no child, or not the one that was asked for, during the whole call."""
        proc = self.of.get(fact.task)
        if proc is None or fact.options & WNOTHREAD or proc.ns is not None:
            return
        for child in self.kids.get(proc, ()):
            since = max(child.born, child.moved, child.exec_at)  # what exec and adoption change may matter
            sure = child.alive and child.told > fact.at and since <= fact.start
            asked = fact.value in (-1, child.leader.tid if child.leader else 0)
            if sure and asked and self._eligible(child, fact.options):
                raise Refuted(f"{proc.leader} has no child {fact.value} at {fact.at}, but {child.leader}")

    def _waits(self, fact: Fact) -> None:
        """A wait that found nobody who has ended: there is a child, or the one that was asked for."""
        proc = self.of.get(fact.task)
        if proc is None or proc.ns is not None:
            return
        if fact.value > 0:
            owners = [p for p in self._last(fact.value, fact.at) if not p.reaped]
            if owners and not any(self._settle(owner, proc, fact.at) for owner in owners):
                raise Refuted(
                    f"{proc.leader} waits for {fact.value} at {fact.at}, a child of {_name(owners[0].parent)}"
                )
        elif fact.value and not self.kids.get(proc) and not self._may_have_children(proc, fact):
            raise Refuted(f"{proc.leader} has a child at {fact.at}")

    def _may_have_children(self, proc: Proc, fact: Fact) -> bool:
        """One that is born, inherited, or not in the log."""
        soon = [c for c in self.log.calls if c.start < fact.at and born_before(c, c.child or c.task) >= fact.at]
        if any(self.of.get(c.task) in (proc, *self.kids.get(proc, ())) for c in soon):
            return True
        if any(self.of.get(c.task) is proc or self.of.get(c.task) is None for c in self.open):
            return True
        dying = [p for p in set(self.of.values()) if p.alive and p.low < fact.at <= p.told < NEVER]
        return bool(dying) or any(self.of.get(c.task) is proc for c in self.children)

    def _parent(self, fact: Fact) -> None:
        """getppid()"""
        proc = self.of.get(fact.task)
        if proc is None or proc.ns is not None or proc.parent is None:
            return
        found = [p for p in self._last(fact.value, fact.at) if p is proc.parent]
        if found or (fact.value == 1 and proc.parent is self.init) or proc.parent is self.tracer:
            return
        candidates = [self.init] if fact.value == 1 else self._last(fact.value, fact.at)
        if not any(self._settle(proc, wanted, fact.at) for wanted in candidates):
            raise Refuted(f"{proc.leader} says at {fact.at} that its parent is {fact.value}, not {_name(proc.parent)}")


def _name(proc: Proc | None) -> str:
    return "nobody" if proc is None else "the outside" if proc.leader is None else str(proc.leader)
