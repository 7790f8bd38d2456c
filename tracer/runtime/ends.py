"""Ends that have not happened: what tracer.whatif works with, and what runtimes and systemd add to it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tracer.graph import Process
from tracer.identity import Evidence

ASKED = "asked"
"""It is what the question supposes."""
PID_NAMESPACE = "pid_namespace"
"""zap_pid_ns_processes(): the init of its pid namespace is gone."""
PDEATH_SIGNAL = "pdeath_signal"
UNIT = "unit"
"""systemd ends what is in a unit's cgroup."""
RUNTIME = "runtime"
"""A container runtime cleans up."""


class Death(NamedTuple):
    """A process that ends, and why."""

    process: Process
    kind: str
    """One of the constants above."""
    why: str
    """For people; '' for ASKED."""
    evidence: Evidence
    by: Process | None = None
    """Whose end, or whose doing, it is."""


class Doubt(NamedTuple):
    """A process of which it is not known whether it ends."""

    process: Process
    why: str


class World(Protocol):
    """Who is how far on the way."""

    def lives(self, process: Process) -> bool:
        """It runs, and nothing that is known so far will end it."""

    def ended(self, process: Process) -> bool:
        """It does not run any more."""
