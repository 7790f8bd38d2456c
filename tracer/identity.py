"""Who a task is, and how it ended.

A tid can be reused, so it is never a key over time: offline a task is (tid, serial), where the serial
counts the earlier tasks of the trace that had the same number; live it is (tid, start time).
"""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import NamedTuple


class Evidence(StrEnum):
    """How a parent edge is known (docs/glossary.md), from the strongest to the weakest."""

    OBSERVED = "observed"
    DERIVED = "derived"
    INFERRED = "inferred"
    ASSUMED = "assumed"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return _RANK[self]

    @staticmethod
    def weakest(*evidence: Evidence) -> Evidence:
        """What a conclusion from all of these is worth."""
        return max(evidence, key=_RANK.__getitem__)


_RANK = {e: i for i, e in enumerate(Evidence)}


class TaskUid(NamedTuple):
    """A task over the whole of one trace; prints as `1224727#0`."""

    tid: int
    serial: int

    def __str__(self) -> str:
        return f"{self.tid}#{self.serial}"


class Moment(NamedTuple):
    """A place in a trace: a line (or record) number, or a time in ns by the source's clock.

    One of them is set where a user asks for a moment.
    """

    line: int | None = None
    time: int | None = None


class WaitStatus(NamedTuple):
    """How a task ended, as wait(2) tells it. Exactly one of `code` and `signal` is set."""

    code: int | None
    signal: str | None
    core: bool

    def __str__(self) -> str:
        if self.signal is None:
            return f"exited with {self.code}"
        return f"killed by {self.signal}" + (" (core dumped)" if self.core else "")


_CORE_FLAG = 0x80


def wait_status(raw: int) -> WaitStatus:
    """Decode the number that wait(2) fills in: `code << 8`, or signal number | 0x80 for a core."""
    if raw & 0x7F:
        return WaitStatus(None, signal_name(raw & 0x7F), bool(raw & _CORE_FLAG))
    return WaitStatus((raw >> 8) & 0xFF, None, False)


def signal_name(number: int) -> str:
    """`SIGKILL` for 9. Real-time signals are `SIGRT_n`, counted from the kernel's SIGRTMIN (32), as strace does."""
    if number >= 32:
        return f"SIGRT_{number - 32}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def signal_number(name: str) -> int | None:
    """9 for `SIGKILL`, 34 for `SIGRT_2`; None for a name that Linux does not have."""
    if name.startswith("SIGRT_") and name[6:].isdigit():
        return 32 + int(name[6:])
    try:
        return signal.Signals[name].value
    except KeyError:
        return None
