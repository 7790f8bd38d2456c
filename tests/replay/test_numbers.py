"""What a number means that a call has returned, where several counters run, or one was set back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tracer

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


def test_who_has_ended_is_not_the_child_of_a_call_that_began_later(tmp_path: Path) -> None:
    """The first 704 is of one of two that were killed inside fork; which, does not matter."""
    log = (
        '700 execve("/a", ["a"], 0x1) = 0\n700 fork() = 701\n700 fork() = 702\n700 fork() = 703\n'
        "701 fork( <unfinished ...>\n702 fork( <unfinished ...>\n704 +++ exited with 0 +++\n"
        "701 +++ killed by SIGKILL +++\n702 +++ killed by SIGKILL +++\n"
        "703 fork( <unfinished ...>\n700 fork() = 705\n703 <... fork resumed>) = 704\n"
    )
    path = tmp_path / "strace.log"
    path.write_text(log)
    assert [(p.state, p.parent and p.parent.tgid) for p in tracer.replay(str(path)).find(704)] == [
        ("dead", None),
        ("running", 703),
    ]
