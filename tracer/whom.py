"""Whom a user means: a process by number or name, a container or a pod by name or id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer import filters
from tracer.errors import TargetError
from tracer.near import near
from tracer.runtime.roles import CONTAINER, PAUSE, SHIM, all_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.graph import Process, ProcessGraph
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles


def is_number(who: str) -> bool:
    """Whether it is a pid, with or without a serial: `1224727`, `1224727#0`."""
    number, _, serial = who.partition("#")
    return number.isascii() and number.isdigit() and (not serial or (serial.isascii() and serial.isdigit()))


def has_number(process: Process, who: str) -> bool:
    """Whether `who`, for which is_number() holds, means this process."""
    number, _, serial = who.partition("#")
    return process.tgid == int(number) and serial in {"", str(process.serial)}


def processes(graph: ProcessGraph, who: str, roles: Roles, names: Names) -> list[Process]:
    """The processes that `who` means, in the order of the graph.

    A number: that process, in all its lives, or the one with a thread of that number. A name: every process called so,
    and the main processes of the container or pod of that name or id (the shim, too, for a pod).
    Raises TargetError where there is none, with the names that come near.
    """
    everyone = [graph.init, *graph.processes] if graph.init not in graph.processes[:1] else graph.processes
    if is_number(who):
        found = [p for p in everyone if has_number(p, who)]
        found = found or [p for p in everyone if p.alive and "#" not in who and int(who) in p.threads]
    else:
        found = [p for p in everyone if who in all_names(p)]
        found += [p for p in container(graph, who, roles, names) if p not in found]
    if not found:
        raise nobody(who, everyone)
    return found


def container(graph: ProcessGraph, who: str, roles: Roles, names: Names) -> list[Process]:
    """The main processes of the containers that have this name or id (or its beginning), or belong to such a pod.

    [] where there is none. Helpers (runc's stages) and what a main process has started do not count.
    """
    in_container = filters.by_container((who,), names)
    in_pod = filters.by_pod((who,), names)
    found = []
    for process in graph.processes:
        role = roles.role(process)
        if (role in {CONTAINER, PAUSE} and (in_container(process) or in_pod(process))) or (
            role == SHIM and in_pod(process)
        ):
            found.append(process)
    return found or [p for p in graph.processes if _is_top(p, names) and (in_container(p) or in_pod(p))]


def _is_top(process: Process, names: Names) -> bool:
    """The first of its container in the tree."""
    own = names.member(process)
    if own is None or own.serves:
        return False
    above = names.member(process.parent) if process.parent is not None else None
    return above is None or above.serves or above.id != own.id


def nobody(who: str, everyone: Iterable[Process]) -> TargetError:
    """The error for a name or number that nobody has."""
    if is_number(who):
        like = near(who.partition("#")[0], {str(p.tgid) for p in everyone})
    else:
        like = near(who, {name for p in everyone for name in all_names(p)})
    return TargetError(
        f"there is no {'process' if is_number(who) else 'process, container or pod'} {who}",
        f"Near: {', '.join(like)}" if like else "`ctrace replay FILE`, or `ctrace tree`, shows who is there.",
    )
