"""What would happen if some processes ended: the kernel's rules, applied to a copy of the graph.

The reconstructor itself goes on from the present state with the ends that have not happened, so a prediction follows
the same code as a replay. What userspace does about an end (a shim, containerd, systemd) comes from
tracer.runtime.reactions; the future beyond that (restarts, kubelet) is not guessed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.event import SIGKILL, Exit
from tracer.graph import DEAD, RUNNING, ZOMBIE, PidNs, Process, ProcessGraph, Reparenting
from tracer.identity import Evidence, signal_name
from tracer.mirror import Mirror
from tracer.reconstruct.engine import Engine
from tracer.runtime.ends import PDEATH_SIGNAL, PID_NAMESPACE, Death, Doubt, World

_NOT_DEADLY = frozenset({17, 18, 19, 20, 21, 22, 23, 28})
"""Signals whose default action is not to end the process: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH."""


class Zombie(NamedTuple):
    """A process that has ended, and stays until its parent waits."""

    process: Process
    debtor: Process | None
    """Who must wait; None: not known."""
    waits: bool | None
    """Whether it does: True where its role says so or the trace shows it; None: not known."""
    before: bool
    """It was a zombie before."""


@dataclass(slots=True)
class Fate:
    """The answer. All processes are those of the graph that was asked about."""

    deaths: list[Death] = field(default_factory=list)
    """In the order in which they follow from each other."""
    adoptions: list[tuple[Process, Reparenting]] = field(default_factory=list)
    """Survivors that get another parent: `old` is their parent now, the rest is of the last step."""
    zombies: list[Zombie] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    @property
    def dead(self) -> set[Process]:
        """Everybody who dies."""
        return {death.process for death in self.deaths}


Reaction = Callable[[Process, World], "Iterable[Death | Doubt]"]
"""What somebody does about the end of a process."""
Waits = Callable[[Process], "bool | None"]


class _Simulation:
    def __init__(self, graph: ProcessGraph, mirror: Mirror, react: Reaction) -> None:
        self._graph = graph
        self._mirror = mirror
        self._react = react
        self._engine = Engine()
        self._engine.state = mirror.state
        self._last_step: dict[Process, Reparenting] = {}
        self.fate = Fate()
        self._doomed: set[Process] = set()
        self._members: dict[Process, list[tuple[Process, str]]] = {}
        """Of the namespace of each init; and why they are thought to be, or ''."""
        for process in graph.live():
            ns: PidNs | None = process.ns
            while ns is not None and ns.level > 0:
                if ns.init is not None and ns.init is not process:
                    self._members.setdefault(ns.init, []).append((process, ns.guess))
                ns = ns.parent

    def run(self, deaths: Iterable[Death]) -> None:
        queue = deque(self._new(deaths))
        while queue:
            death = queue.popleft()
            self.fate.deaths.append(death)
            children = self._children(death.process)
            self._end(death.process)
            kernel = self._namespace(death.process)
            if kernel is None:
                kernel = self._signals(death.process, children)
            for follows in reversed(self._new(kernel)):
                queue.appendleft(follows)
            queue.extend(self._new(self._reactions(death.process)))

    def _new(self, deaths: Iterable[Death]) -> list[Death]:
        """Those of processes that are not to die anyway."""
        found = []
        for death in deaths:
            if self.lives(death.process):
                self._doomed.add(death.process)
                found.append(death)
        return found

    def _reactions(self, process: Process) -> Iterable[Death]:
        for follows in self._react(process, self):
            if isinstance(follows, Death):
                yield follows
            else:
                self.fate.doubts.append(follows)

    def lives(self, process: Process) -> bool:
        """As in World."""
        return process.state is RUNNING and process not in self._doomed

    def ended(self, process: Process) -> bool:
        """As in World."""
        twin = self._mirror.copies.get(process)
        return twin is None or twin.state is not RUNNING

    def _children(self, process: Process) -> list[Process]:
        return [self._mirror.originals[child] for child in self._mirror.copies[process].children()]

    def _end(self, process: Process) -> None:
        state = self._mirror.state
        moves: list[tuple[Process, Reparenting]] = []
        state.moves = moves
        twin = self._mirror.copies[process]
        at = process.born_at
        if process.outside:
            return
        for tid in [*(t for t in twin.threads if t != twin.tgid), twin.tgid]:
            if twin.state is RUNNING:
                self._engine.feed([Exit(at, None, tid, SIGKILL)])
        for child, step in moves:
            self._last_step[child] = step

    def _namespace(self, process: Process) -> list[Death] | None:
        """None where it is no pid namespace's init."""
        if process is self._graph.init:
            why = "without PID 1 a machine panics, and in a container the kernel kills everything"
            everyone = list(_below(process))  # kernel threads are not
            return [Death(p, PID_NAMESPACE, why, Evidence.DERIVED, process) for p in everyone]
        if process.ns.init is not process or not process.ns.level:
            return None
        why = "the kernel kills all of a pid namespace when its init ends"
        return [
            Death(member, PID_NAMESPACE, why, Evidence.INFERRED if guess else Evidence.DERIVED, process)
            for member, guess in self._members.get(process, ())
        ]

    def _signals(self, father: Process, children: list[Process]) -> list[Death]:
        """reparent_leader() sends every child the pdeath_signal that one of its threads has asked for."""
        deaths = []
        for child in children:
            for signal in sorted({task.pdeath_signal for task in child.threads.values()} - _NOT_DEADLY - {0}):
                name = signal_name(signal)
                if signal == SIGKILL:
                    deaths.append(Death(child, PDEATH_SIGNAL, f"its pdeath_signal is {name}", Evidence.DERIVED, father))
                elif child.ns.init is child and child.ns.level:
                    # sig_task_ignored(): SIGNAL_UNKILLABLE.
                    self.fate.doubts.append(Doubt(child, f"it gets {name}, which an init without a handler ignores"))
                else:
                    why = f"its pdeath_signal is {name}, which ends it unless it handles it"
                    deaths.append(Death(child, PDEATH_SIGNAL, why, Evidence.INFERRED, father))
        return deaths

    def conclude(self, waits: Waits) -> Fate:
        """Who is where when all is over."""
        originals = self._mirror.originals
        self.fate.doubts = [doubt for doubt in self.fate.doubts if self.lives(doubt.process)]
        for process, twin in self._mirror.copies.items():
            if twin.state is ZOMBIE or (process.state is ZOMBIE and twin.state is DEAD):
                self._zombie(process, twin, waits)
            step = self._last_step.get(twin)
            if step is None or twin.state is not RUNNING:
                continue
            old = process.parent
            new = None if step.new is None else originals[step.new]
            if new is not old:
                father = old if old is not None else originals[step.old]
                self.fate.adoptions.append((process, step._replace(old=father, new=new)))
        return self.fate

    def _zombie(self, process: Process, twin: Process, waits: Waits) -> None:
        if self._graph.init in self._doomed:
            return  # nobody is left who could wait
        parent = twin.parent
        if parent is not None and _dying(parent.ns):
            return  # zap_pid_ns_processes() waits for all of them
        debtor = None if parent is None else self._mirror.originals[parent]
        before = process.state is ZOMBIE
        if before and (debtor is process.parent or not self._graph.stats.waits_seen):
            return
        zombie = Zombie(process, debtor, None if debtor is None else waits(debtor), before)
        self.fate.zombies.append(zombie)
        init = twin.ns.init
        if (
            init is not None
            and init is not twin
            and init.state is not RUNNING
            and not zombie.waits
            and debtor is not None
        ):
            # It was put into the namespace from outside (setns): the init does not wait for it, but for its being gone.
            why = f"it hangs in its exit until {debtor.tgid} has waited for {process.tgid} (zap_pid_ns_processes)"
            self.fate.doubts.append(Doubt(self._mirror.originals[init], why))


def _below(process: Process) -> Iterator[Process]:
    """Everything below it, the elder first."""
    todo = deque(process.children())
    while todo:
        child = todo.popleft()
        yield child
        todo.extend(child.children())


def _dying(ns: PidNs | None) -> bool:
    while ns is not None:
        if ns.init is not None and ns.init.state is not RUNNING:
            return True
        ns = ns.parent
    return False


def foresee(graph: ProcessGraph, deaths: Iterable[Death], mirror: Mirror, react: Reaction, waits: Waits) -> Fate:
    """What follows when these processes end, all at about the same time.

    mirror  a fresh Mirror of the graph; it is used up
    react   what userspace does about each end
    waits   whether a process waits for its children
    """
    simulation = _Simulation(graph, mirror, react)
    simulation.run(deaths)
    return simulation.conclude(waits)
