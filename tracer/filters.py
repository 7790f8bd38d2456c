"""Which processes are asked for. Filters compose: every kind given must match, any value of a kind may.

A new kind of filter is one more predicate: a function from a process to whether it is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tracer.errors import TargetError
from tracer.runtime.containers import same_id
from tracer.runtime.roles import all_names

if TYPE_CHECKING:
    from tracer.graph import Process, ProcessGraph
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles
    from tracer.view import Above

Predicate = Callable[["Process"], bool]


def by_pid(pids: Iterable[int]) -> Predicate:
    """Processes with one of these thread group ids, in any of their lives."""
    wanted = frozenset(pids)
    return lambda process: process.tgid in wanted


def by_comm(patterns: Sequence[str]) -> Predicate:
    """Processes whose comm or program name matches one of these shell patterns now or matched it earlier."""

    def matches(process: Process) -> bool:
        return any(fnmatchcase(name, pattern) for name in all_names(process) for pattern in patterns)

    return matches


def by_role(patterns: Sequence[str], roles: Roles) -> Predicate:
    """Processes whose role matches one of these shell patterns (`runc-*`)."""

    def matches(process: Process) -> bool:
        role = roles.role(process)
        return role is not None and any(fnmatchcase(role, pattern) for pattern in patterns)

    return matches


def by_state(states: Iterable[str]) -> Predicate:
    """Processes in one of these states: running, zombie, dead."""
    wanted = frozenset(states)
    return lambda process: process.state in wanted


def by_container(patterns: Sequence[str], names: Names) -> Predicate:
    """Processes in, or working for, a container with such an id (its beginning will do) or name (a shell pattern)."""

    def matches(process: Process) -> bool:
        name = names.of(process)
        return name is not None and any(
            fnmatchcase(name.name, p) or fnmatchcase(name.title, p) or _begins(name.id, p) for p in patterns
        )

    return matches


def by_pod(patterns: Sequence[str], names: Names) -> Predicate:
    """Processes of a pod with such a name (`web`, `shop/web`: shell patterns), or uid or sandbox id (its beginning)."""

    def matches(process: Process) -> bool:
        name = names.of(process)
        if name is None or not (name.pod or name.pod_uid or name.sandbox_id):
            return False
        titles = {name.pod, f"{name.pod_namespace}/{name.pod}"}
        return any(
            any(fnmatchcase(title, p) for title in titles) or _begins(name.pod_uid, p) or _begins(name.sandbox_id, p)
            for p in patterns
        )

    return matches


_ID_MIN = 4


def _begins(identifier: str, text: str) -> bool:
    """Whether `text` names the id: as its beginning, or, where a log has cut the id, as more of it."""
    if len(text) < _ID_MIN or not identifier:
        return False
    return identifier.startswith(text) or same_id(identifier, text)


def by_subtree(graph: ProcessGraph, pids: Iterable[int], above: Above) -> Predicate:
    """The processes with these thread group ids and everything below them, as `above` tells who is below whom.

    Raises TargetError where the graph has no process of that number.
    """
    tops: set[Process] = set()
    for pid in pids:
        found = [p for p in (graph.init, *graph.processes) if p.tgid == pid]
        if not found:
            raise TargetError(f"no process {pid} in this trace", "`--subtree` takes the PID of a process in the trace.")
        tops.update(found)
    inside: dict[Process, bool] = dict.fromkeys(tops, True)
    for process in graph.processes:
        path = []
        node: Process | None = process
        while node is not None and node not in inside:
            inside[node] = False
            path.append(node)
            node = above(node)
        if node is not None and inside[node]:
            inside.update(dict.fromkeys(path, True))
    return lambda process: inside.get(process, False)


def select(graph: ProcessGraph, predicates: Sequence[Predicate]) -> list[Process] | None:
    """The processes that satisfy every predicate, in the order of the graph; None when there are no predicates."""
    if not predicates:
        return None
    return [p for p in graph.processes if all(wanted(p) for wanted in predicates)]
