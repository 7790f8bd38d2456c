"""What a number means that a call has returned, where several counters run, or one was set back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .literal import edges

if TYPE_CHECKING:
    from pathlib import Path


def test_a_number_that_strace_did_not_translate_is_its_own(tmp_path: Path) -> None:
    """ns_last_pid was written in the nested namespace: both counters are at 104, though the inner one was above."""
    log = (
        '100 execve("/a", ["a"], 0x1) = 0\n'
        "100 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 101\n"
        "101 fork() = 2 /* 102 in strace's PID NS */\n101 fork() = 150 /* 103 in strace's PID NS */\n"
        "101 fork( <unfinished ...>\n{}101 <... fork resumed>) = 104\n103 fork() = 151 /* 105 in strace's PID NS */\n"
    )
    shown = edges(tmp_path, log.format("104 prctl(PR_SET_PDEATHSIG, SIGTERM) = 0\n"))
    silent = edges(tmp_path, log.format(""))
    assert shown[104] == silent[104] == (101, "observed")
