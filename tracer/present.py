"""What /proc tells of a process that nobody recorded, and what follows from it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from tracer.expectation import ancestors
from tracer.identity import Evidence
from tracer.runtime import cgroup
from tracer.runtime.roles import SHIM

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


def recording(process: Process, roles: Roles) -> str:
    """The command that would record its start."""
    if any(roles.role(p) == SHIM for p in (process, *ancestors(process))):
        return "sudo ctrace record containerd -o FILE"
    unit = cgroup.unit(process.cgroup)
    if unit.name.endswith(".service") and not unit.user:
        return f"sudo ctrace record {quote(unit.name)} -o FILE"
    return "sudo ctrace record -o FILE -- COMMAND"
