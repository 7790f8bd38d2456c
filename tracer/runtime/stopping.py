"""Who ends when systemd stops a unit: its KillMode applied to its cgroup (systemd.kill(5))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracer.graph import RUNNING, Process, ProcessGraph
from tracer.identity import Evidence
from tracer.runtime import cgroup
from tracer.runtime.ends import ASKED, UNIT, Death

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.runtime.roles import Roles
    from tracer.sources.systemd import Unit

CONTROL_GROUP = "control-group"
MIXED = "mixed"
PROCESS = "process"
NONE = "none"
DEFAULT = CONTROL_GROUP
"""systemd.kill(5)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A unit, and who is in it."""

    name: str
    kill_mode: str
    kill_mode_known: bool
    """From systemd, or from the user; else it is the default."""
    send_sigkill: bool
    delegate: bool
    timeout: str
    """'' where not known."""
    restart: str
    main: Process | None
    members: tuple[Process, ...]
    """Running processes in its cgroup, the main one among them, in the order of the graph."""
    guess: str = ""
    """Why these are thought to be the members, where no cgroup tells; else ''."""


def of_unit(graph: ProcessGraph, unit: Unit, kill_mode: str | None) -> Scope:
    """A unit of this machine."""
    inside = unit.control_group.rstrip("/")
    members = tuple(
        p
        for p in graph.processes
        if inside and p.state is RUNNING and (p.cgroup == inside or p.cgroup.startswith(inside + "/"))
    )
    main = next((p for p in graph.live() if unit.main_pid and p.tgid == unit.main_pid), None)
    return Scope(
        name=unit.name,
        kill_mode=kill_mode or unit.kill_mode or DEFAULT,
        kill_mode_known=bool(kill_mode or unit.kill_mode),
        send_sigkill=unit.send_sigkill,
        delegate=unit.delegate,
        timeout=unit.timeout,
        restart=unit.restart,
        main=main,
        members=members,
    )


def of_trace(graph: ProcessGraph, name: str, kill_mode: str | None, roles: Roles) -> Scope | None:
    """A unit without systemd's word: by cgroup where that is known, else by who came from its daemon.

    None where neither tells.
    """
    if "." not in name:
        name += ".service"
    members = tuple(p for p in graph.processes if p.state is RUNNING and name in _units(p))
    guess = ""
    if members:
        main = next((p for p in members if p.parent is None or name not in _units(p.parent)), None)
    else:
        main = _daemon(graph, name, roles)
        if main is None:
            return None
        members = tuple(_came_from(graph, main, roles))
        guess = f"no cgroup tells who is in it: counted are {roles.label(main)} and what it started, but no containers"
    return Scope(name, kill_mode or DEFAULT, kill_mode is not None, True, False, "", "", main, members, guess)


def _units(process: Process) -> set[str]:
    unit = cgroup.unit(process.cgroup)
    return {unit.name, unit.user} - {""}


def _daemon(graph: ProcessGraph, name: str, roles: Roles) -> Process | None:
    """The process that is called as the service is."""
    wanted = name.rpartition(".")[0]
    return next((p for p in graph.processes if p.state is RUNNING and roles.label(p) == wanted), None)


def _came_from(graph: ProcessGraph, main: Process, roles: Roles) -> Iterable[Process]:
    """A child is born into its creator's cgroup; runc moves containers (their first process) to their own."""
    inside = {main: True}
    for process in graph.processes:
        path = []
        node: Process | None = process
        while node is not None and node not in inside:
            path.append(node)
            inside[node] = False
            node = None if roles.role(node) in {"container", "pause"} else node.creator
        found = node is not None and inside[node]
        inside.update(dict.fromkeys(path, found))
        if found and process.state is RUNNING:
            yield process


def deaths(scope: Scope, kill_mode: str | None = None) -> list[Death]:
    """Whom systemd itself ends, by the unit's KillMode or another one."""
    mode = kill_mode or scope.kill_mode
    evidence = Evidence.DERIVED
    if not scope.kill_mode_known and kill_mode is None:
        evidence = Evidence.ASSUMED
    elif scope.guess or not scope.send_sigkill:
        evidence = Evidence.INFERRED
    found = []
    if mode != NONE and scope.main is not None and scope.main.state is RUNNING:
        found.append(Death(scope.main, ASKED, f"the main process of {scope.name}", evidence))
    if mode in {CONTROL_GROUP, MIXED}:
        found += [
            Death(p, UNIT, f"it is in the cgroup of {scope.name}, and KillMode={mode}", evidence)
            for p in scope.members
            if p is not scope.main
        ]
    return found


def at_once(scope: Scope, kill_mode: str | None = None) -> tuple[Process, ...]:
    """Who gets SIGTERM at the same time. With `mixed`, the main process is gone before the others are killed."""
    return scope.members if (kill_mode or scope.kill_mode) == CONTROL_GROUP else ()


def main_ended(scope: Scope) -> list[Death]:
    """Whom systemd ends after the main process has ended by itself (service_sigchld_event())."""
    if scope.kill_mode not in {CONTROL_GROUP, MIXED}:
        return []
    why = f"it is in the cgroup of {scope.name}, whose main process that was, and KillMode={scope.kill_mode}"
    return [Death(p, UNIT, why, Evidence.DERIVED, scope.main) for p in scope.members if p is not scope.main]
