"""The kernel's own answer, from /proc alone: the truth that ctrace is compared with, and what cleaning up needs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Process:
    """A thread group as /proc shows it, numbered in this pid namespace."""

    pid: int
    ppid: int
    comm: str
    state: str
    """R, S, D, Z, ..."""
    ns_pids: tuple[int, ...]
    """Outermost first, `pid` itself included."""


def read(pid: int) -> Process | None:
    """None when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="surrogateescape")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    ns_pids = tuple(int(n) for n in fields["NSpid"].split())
    return Process(pid, int(fields["PPid"]), fields["Name"].strip(), fields["State"].split()[0], ns_pids)


def snapshot() -> dict[int, Process]:
    """Every process now."""
    found = (read(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {process.pid: process for process in found if process is not None}


def children(pid: int) -> list[Process]:
    """In the order of their numbers."""
    return sorted((p for p in snapshot().values() if p.ppid == pid), key=lambda p: p.pid)


def descendants(*roots: int) -> list[int]:
    """The living ones below the roots, without the roots."""
    below: dict[int, list[int]] = {}
    for process in snapshot().values():
        below.setdefault(process.ppid, []).append(process.pid)
    found: list[int] = []
    queue = list(roots)
    while queue:
        for child in below.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    process = read(pid)
    return process is not None and process.state != "Z"


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Look every 20 ms. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.02)


def wait_for_workers(app: int, timeout: float = 10) -> None:
    """A container's start returns before its program (programs/app.c) has started its workers."""
    wait_until(lambda: [c.comm for c in children(app)] == ["app-worker"] * 2, timeout, f"workers of {app}")


def kill(pids: Iterable[int], timeout: float = 5) -> None:
    """SIGKILL, and wait until they are gone or zombies of somebody else."""
    pids = list(pids)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not any(alive(pid) for pid in pids), timeout, "killed processes")
