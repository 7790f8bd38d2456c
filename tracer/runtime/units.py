"""Who is in which cgroup, and where that and the tree say different things.

systemd counts a process to a unit by its cgroup; the kernel hangs it under its parent. Mostly both agree: what a unit
started is below its main process and in its cgroup. A shim is the example where they do not: it is a child of
systemd and no more containerd's, and yet in containerd.service's cgroup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.graph import ZOMBIE, Process, ProcessGraph
from tracer.runtime import cgroup
from tracer.runtime.roles import SHIM

if TYPE_CHECKING:
    from tracer.runtime.roles import Roles

_NEVER_MAIN = frozenset({SHIM, "conmon"})
"""They outlive who started them, and are in its cgroup: never a unit's main process."""
_MANAGERS = frozenset({"systemd", "init"})


class Disagreement(NamedTuple):
    """A process that tree and cgroup count to different groups."""

    group: str
    """Path of the cgroup that it is counted to."""
    parent_group: str
    """Path of its parent's."""
    main: Process | None
    """The unit's main process where it is another one, which is not above."""
    mainless: bool
    """The group is a unit of systemd whose main process is gone."""


class Units:
    """The groups of a graph's living processes."""

    def __init__(self, graph: ProcessGraph, roles: Roles) -> None:
        self._roles = roles
        self._groups: dict[str, str] = {}
        self._mains: dict[str, Process] = {}
        for process in graph.live():
            if process.cgroup and self._could_be_main(process):
                self._mains.setdefault(self.group(process), process)

    def group(self, process: Process) -> str:
        """The cgroup it is counted to (cgroup.group); '' where its cgroup is not known."""
        path = process.cgroup
        if not path or (process.state is ZOMBIE and path == "/"):
            return ""  # cgroup v1 shows every zombie in the root (cgroup_exit())
        known = self._groups.get(path)
        if known is None:
            known = self._groups[path] = cgroup.group(path)
        return known

    def main(self, group: str) -> Process | None:
        """The first process that a service manager (or nobody known) has in this group."""
        return self._mains.get(group)

    def disagreement(self, process: Process) -> Disagreement | None:
        """Where its cgroup is not what its place in the tree suggests; None where they agree or are unknown."""
        parent = process.parent
        group = self.group(process)
        if parent is None or not group:
            return None
        parent_group = self.group(parent)
        if group == parent_group or (not parent_group and not parent.outside):
            return None
        main = self._mains.get(group)
        if main is process:
            return None
        is_unit = not cgroup.facts(group).container_id and bool(cgroup.unit(group).name)
        return Disagreement(group, parent_group, main, mainless=is_unit and main is None and self._is_manager(parent))

    def _could_be_main(self, process: Process) -> bool:
        parent = process.parent
        if self._roles.role(process) in _NEVER_MAIN:
            return False
        return parent is None or self._is_manager(parent) or self._is_manager(process)

    def _is_manager(self, process: Process) -> bool:
        """systemd, of the machine or of a user; any PID 1 of a namespace that has units of its own below it."""
        return process.tgid == 1 or self._roles.role(process) in _MANAGERS
