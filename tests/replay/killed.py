"""Logs in which callers of clone are killed inside the call, as the tests write them out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Turn = Callable[[Any], Any]
"""Turns a pair round, or does not."""
THREAD = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM"
FORK = "fork("
BESIDE = "clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD"
FLAG = "prctl(PR_SET_CHILD_SUBREAPER, 1) = 0"
ALIVE = "prctl(PR_SET_PDEATHSIG, SIGTERM) = 0"
"""Any call that says no more than that its task lives."""
KILLED = "+++ killed by SIGKILL +++"
ENDED = "104 +++ exited with 0 +++\n"
"""The log tells of ordinary ends, so no end is missing."""
TOLD = "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=106, si_uid=0} ---"
"""To the parent of 106."""

START = (
    '100 execve("/a", ["a"], 0x1) = 0\n'
    f"100 wait4(-1, NULL, WNOHANG, NULL) = 0\n100 fork() = 101\n101 {FLAG}\n100 fork() = 102\n102 {FLAG}\n"
    "101 fork() = 103\n101 fork() = 104\n102 fork() = 105\n"
)
"""103 and 104 below one subreaper, 105 below another."""


def race(one: int, other: int, call: str = FORK, other_call: str = FORK, ends: tuple[int, ...] = ()) -> str:
    """Both begin a call, somebody appears, and both are killed inside."""
    begun = f"{one} {call} <unfinished ...>\n{other} {other_call} <unfinished ...>\n106 {ALIVE}\n"
    return START + begun + "".join(f"{tid} {KILLED}\n" for tid in ends or (one, other)) + f"106 {ALIVE}\n"


BOTH_WAYS = pytest.mark.parametrize(
    "turn", [lambda pair: pair, lambda pair: pair[::-1]], ids=["in turn", "turned round"]
)
