"""Logs that are written out in a test, and what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tracer

if TYPE_CHECKING:
    from pathlib import Path

SIGNALLED = "--- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid={}, si_uid=0, si_status=0}} ---"
NESTED = "100 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 101\n"
"""There is a nested namespace, and a task whose creation the log lacks may live in it."""
SHOWN = "100 unshare(CLONE_FS) = 0\n"
"""Calls that can enter one are traced."""


def edges(folder: Path, log: str) -> dict[int, tuple[int | None, str]]:
    """tgid -> (parent's tgid, evidence) of all that live, zombies included."""
    path = folder / "strace.log"
    path.write_text(log)
    return edges_of(path)


def edges_of(path: Path) -> dict[int, tuple[int | None, str]]:
    """The same of a log, or of a folder of `-ff`."""
    live = tracer.replay(str(path)).live()
    return {p.tgid: (p.parent and p.parent.tgid, str(p.evidence)) for p in live}
