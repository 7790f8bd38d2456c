"""The first line of a recording: what the recorder says of itself."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import NamedTuple

from tracer.version import __version__

FORMAT = 1
MAGIC = b'{"schema":"ctrace.recording/'
"""How the expanded content begins."""


class Header(NamedTuple):
    """What the recorder says of itself."""

    schema: str
    clock: str
    """What the events' `time` counts from: `boot`."""
    boot_epoch: int
    """ns since the epoch when `time` was 0, as the recorder's clock had it at the start."""
    host: str
    kernel: str
    boot_id: str
    """Of the machine's start: times of recordings with the same one are comparable."""
    ctrace: str
    """Version of the program."""
    target: str
    """What was asked for, for people."""


def header_here(target: str) -> Header:
    """The header of a recording that begins now on this machine."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot_id = ""
    boot_epoch = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Header(
        f"ctrace.recording/{FORMAT}",
        "boot",
        boot_epoch,
        platform.node(),
        platform.release(),
        boot_id,
        __version__,
        target,
    )
