"""What container runtimes and service managers do when a process ends, as far as it ends others.

containerd (read in 1.6, measured on a node with 1.6 and runc 1.1):

- a shim's connection closes: containerd runs `shim delete`, which is `runc delete --force` (cleanupAfterDeadShim)
- a container's main process ends: containerd deletes it, and a shim that has no container left exits
- a container's main process ends, and it has no pid namespace of its own: the shim kills what is left in its cgroup
  (ShouldKillAllOnExit)

systemd: a service's main process ends: what is left in its cgroup is ended as on stop (service_sigchld_event()).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.graph import RUNNING, Process, ProcessGraph
from tracer.identity import Evidence
from tracer.runtime.ends import RUNTIME, Death, Doubt, World
from tracer.runtime.roles import CONTAINER, CONTAINERD, PAUSE, SHIM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles

_SUBREAPERS = {
    SHIM: "every containerd-shim makes itself a subreaper; nothing here shows the flag",
    "conmon": "conmon makes itself a subreaper; nothing here shows the flag",
    "systemd": "a user's systemd makes itself a subreaper; nothing here shows the flag",
}
_MAIN = frozenset({CONTAINER, PAUSE})
"""The roles of containers' main processes."""
_REAPERS = frozenset({SHIM, PAUSE, "conmon", "systemd", "init", "catatonit", CONTAINERD})
"""Roles that wait for whatever child they have."""


class Reactions:
    """Of the processes of one graph."""

    def __init__(self, graph: ProcessGraph, roles: Roles, names: Names, *, namespaces_known: bool) -> None:
        """`namespaces_known`: the source tells each process's pid namespace (an strace log may have missed it)."""
        self.together: Collection[Process] = ()
        """These get their signal at once: which one ends first, and sees the others end, is a matter of luck."""
        self._namespaces_known = namespaces_known
        self._roles = roles
        self._names = names
        self._graph = graph
        self._waiters = {p.reaper_tid for p in graph.processes if p.reaper_tid}

    def suppositions(self) -> dict[Process, str]:
        """Who is a subreaper though nothing shows it, and why."""
        found = {}
        for process in self._graph.live():
            why = _SUBREAPERS.get(self._roles.role(process) or "") if process.subreaper is None else None
            # A pid namespace's init inherits whatever its flag is: find_child_reaper().
            if why is not None and process.ns.init is not process and not (process.tgid == 1 and not process.ns.level):
                found[process] = why
        return found

    def waits(self, process: Process) -> bool | None:
        """Whether it waits for its children; None: not known."""
        if process.outside or (process.tgid == 1 and not process.ns.level):
            return True
        if self._roles.role(process) in _REAPERS or any(tid in self._waiters for tid in process.threads):
            return True
        return None

    def __call__(self, process: Process, world: World) -> Iterator[Death | Doubt]:
        """What follows the end of a process."""
        role = self._roles.role(process)
        if role == SHIM:
            yield from self._shim_is_dead(process, world)
        elif role in _MAIN:
            if process.ns.init is not process and process.ns_pids[-1:] != (1,):
                yield from self._container_is_dead(process, world)
            yield from self._shim_is_left_alone(process, world)

    def _shim_is_dead(self, shim: Process, world: World) -> Iterator[Death | Doubt]:
        containerd = self._containerd(shim)
        if containerd is None:
            return
        at_once = containerd in self.together and shim in self.together
        if not world.lives(containerd) and not at_once:
            return
        for main in list(shim.children()):
            if self._roles.role(main) not in _MAIN:
                continue
            for process in [main, *self._others(main)]:
                if at_once:
                    why = "if containerd sees the shim end before it ends itself, it deletes the container"
                    yield Doubt(process, why)
                else:
                    why = "containerd sees that the shim is dead, and deletes its containers (runc delete --force)"
                    yield Death(process, RUNTIME, why, Evidence.INFERRED, containerd)

    def _shim_is_left_alone(self, main: Process, world: World) -> Iterator[Death]:
        shim = main.parent
        if shim is None or self._roles.role(shim) != SHIM or not world.lives(shim):
            return
        containerd = self._containerd(shim)
        if containerd is None or not world.lives(containerd):
            return
        if all(world.ended(p) for p in shim.children() if self._roles.role(p) in _MAIN):
            why = "containerd deletes its last container, and a shim without any exits"
            yield Death(shim, RUNTIME, why, Evidence.INFERRED, containerd)

    def _containerd(self, shim: Process) -> Process | None:
        """The containerd that the shim works for: of its own pid namespace."""
        return next(
            (
                p
                for p in self._graph.processes
                if p.state is RUNNING and p.ns.init is shim.ns.init and self._roles.role(p) == CONTAINERD
            ),
            None,
        )

    def _container_is_dead(self, main: Process, world: World) -> Iterator[Death]:
        shim = main.parent
        if shim is None or self._roles.role(shim) != SHIM or not world.lives(shim):
            return
        why = "the container has no pid namespace of its own, so the shim kills what is left in it"
        if not self._namespaces_known and (not main.ns.level or main.ns.init is None):
            why = "killed with the container's pid namespace if it has its own (not in the trace), else by the shim"
        for process in self._others(main):
            yield Death(process, RUNTIME, why, Evidence.INFERRED, shim)

    def _others(self, main: Process) -> Iterator[Process]:
        """Everybody else in the container: in its cgroup; where that is not known, below its main process."""
        member = self._names.member(main)
        for process in self._graph.live():
            if process is main or process.outside:
                continue
            if main.cgroup and process.cgroup:
                if process.cgroup == main.cgroup or process.cgroup.startswith(main.cgroup + "/"):
                    yield process
            elif _is_below(process, main):
                own = self._names.member(process)
                if own is None or member is None or own.id == member.id:
                    yield process


def _is_below(process: Process, top: Process) -> bool:
    node: Process | None = process
    seen: set[Process] = set()
    while node is not None and node not in seen:
        if node is top:
            return True
        seen.add(node)
        node = node.parent
    return False
