"""What the doctor found: checks, grouped by what one wants to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

PROBES = "probes"
"""Name of the check that decides about LIVE: were events seen?"""


class Status(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    """Nothing is lost by it."""
    LIMITED = "limited"
    """It works, but less, or slower."""
    MISSING = "missing"
    """What it is for does not work without it."""
    UNKNOWN = "unknown"
    """It could not be checked; `found` says why."""


class Purpose(StrEnum):
    """What one wants to do."""

    REPLAY = "replay"
    """Read strace logs and recordings; make a good log."""
    TREE = "tree"
    """This machine's processes now: tree, and explain and whatif without a file."""
    LIVE = "live"
    """watch and record."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. The texts are raw: what came from outside is cleaned by the renderer."""

    name: str
    """Key that stays: `btf`, `bcc`, `strace`."""
    title: str
    status: Status
    found: str
    """What was found, in a few words."""
    loss: str = ""
    """What is lost; '' where nothing is."""
    mend: str = ""
    """The command for a shell that mends it; '' where there is none, or nothing to mend."""
    advice: str = ""
    """What to do where no command does it."""
    commands: tuple[tuple[str, str], ...] = ()
    """Commands that are recommended on this machine, each after what it is for."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A loader that was really tried: probes loaded, and one process of our own traced."""

    loader: str
    """`core` or `bcc`."""
    automatic: bool
    """It is the one that watch and record take by themselves."""
    works: bool
    load_ms: float = 0.0
    """From nothing to loaded programs."""
    start_ms: float = 0.0
    """From there to the first state of the whole machine."""
    event_ms: float = 0.0
    """From the fork to both of its events read."""
    error: str = ""
    hint: str = ""


@dataclass(slots=True)
class Section:
    """Everything about one purpose."""

    purpose: Purpose
    checks: list[Check]
    trials: list[Trial] = field(default_factory=list)
    """Of the loaders, for LIVE."""

    @property
    def verdict(self) -> Status:
        """OK and LIMITED: it works. MISSING: it does not. UNKNOWN: what decides was not tried."""
        found = {check.status for check in self.checks}
        if Status.MISSING in found:
            return Status.MISSING
        if any(check.name == PROBES and check.status is Status.UNKNOWN for check in self.checks):
            return Status.UNKNOWN
        return Status.LIMITED if Status.LIMITED in found else Status.OK

    @property
    def works(self) -> bool:
        """It can be done here, by this user."""
        return self.verdict in {Status.OK, Status.LIMITED}
