"""What /proc tells of a process that nobody recorded, and what follows from it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracer.identity import Evidence
from tracer.runtime.roles import CONTAINER, PAUSE, SHIM

if TYPE_CHECKING:
    from tracer.graph import Process
    from tracer.runtime.roles import Roles
    from tracer.runtime.units import Units


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Something that is not written anywhere, but follows."""

    text: str
    evidence: Evidence


def conclusions(process: Process, roles: Roles, units: Units) -> list[Conclusion]:
    """How it came to its parent, as far as cgroups and roles tell."""
    parent = process.parent
    if parent is None:
        return []
    found = []
    apart = units.disagreement(process)
    if apart is not None and apart.main is not None and apart.main.alive:
        main = f"{roles.label(apart.main)} ({apart.main.tgid})"
        said = (
            f"its cgroup is {apart.group}, whose main process {main} is not above it: it came from there, and was "
            f"adopted when what started it ended"
        )
        found.append(Conclusion(said, Evidence.INFERRED))
    elif roles.role(process) == SHIM and parent.tgid == 1:
        said = "a shim is started by containerd's `shim start`, which exits: so it was adopted"
        found.append(Conclusion(said, Evidence.INFERRED))
    return found


def age(process: Process) -> float:
    """Seconds since it started."""
    return (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - process.start_time) / 1e9


def advice(process: Process, roles: Roles) -> list[str]:
    """The commands that would tell the whole story."""
    whom = "containerd -o FILE" if _is_of_containerd(process, roles) else "-o FILE -- COMMAND"
    return [f"sudo ctrace record {whom}", f"ctrace explain {roles.label(process)} FILE"]


def _is_of_containerd(process: Process, roles: Roles) -> bool:
    """A shim or a container's main process below one. podman's, below conmon, come from whoever calls podman."""
    role, parent = roles.role(process), process.parent
    return role == SHIM or (role in {PAUSE, CONTAINER} and parent is not None and roles.role(parent) == SHIM)
