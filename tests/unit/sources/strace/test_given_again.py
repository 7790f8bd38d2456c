"""Numbers that are given again while calls overlap: which line is about which owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.sources.strace.logs import read, short
from tracer.event import ChildSignal, Clone, Exit, Reap

if TYPE_CHECKING:
    from pathlib import Path

KINDS = (Clone, Exit, Reap, ChildSignal)


def story(folder: Path, log: str) -> list[str]:
    (folder / "log").write_text(log)
    return [f"{e.at} {short(e)}" for e in read(folder / "log")[0] if isinstance(e, KINDS)]


def test_a_call_that_began_earlier_returns_the_number_again(tmp_path: Path) -> None:
    """The first owner is the child of the call that returned first, wherever that began."""
    log = (
        "100 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>\n"
        "200 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>\n"
        "310 exit_group(0 <unfinished ...>\n"
        "200 <... clone resumed>) = 310\n"
        "310 <... exit_group resumed>) = ?\n"
        "310 +++ exited with 0 +++\n"
        "200 wait4(310, NULL, 0, NULL) = 310\n"
        "100 <... clone resumed>) = 310\n"
        '310 execve("/a", ["a"], 0x7 /* 0 vars */) = 0\n'
    )
    assert story(tmp_path, log) == [
        "2 Clone(200, 310, exit_signal=17)",
        "6 Exit(310)",
        "7 Reap(200, 310)",
        "1 Clone(100, 310, exit_signal=17)",
    ]


def test_a_wait_and_a_signal_of_the_last_owner_come_late(tmp_path: Path) -> None:
    """The number is given again when its last owner is reaped, before strace has printed that, and the signal."""
    for ended in ("310 +++ killed by SIGKILL +++\n", "310 +++ exited with 0 +++\n"):
        log = (
            "200 clone(child_stack=NULL, flags=SIGCHLD) = 310\n"
            f"200 wait4(310 <unfinished ...>\n{ended}"
            "100 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>\n"
            "200 <... wait4 resumed>, NULL, 0, NULL) = 310\n"
            "200 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=310, si_uid=0, si_status=SIGKILL} ---\n"
            "200 fork() = 311\n100 <... clone resumed>) = 310\n"
        )
        assert [line for line in story(tmp_path, log) if not line.startswith("3 Exit")] == [
            "1 Clone(200, 310, exit_signal=17)",
            "4 Clone(100, 310, exit_signal=17)",
            "7 Clone(200, 311, exit_signal=17)",
        ]


def test_a_signal_of_the_last_owner_comes_after_the_next_birth(tmp_path: Path) -> None:
    """What lives has not ended: the tracer sees an end before the parent is told."""
    log = (
        "200 clone(child_stack=NULL, flags=SIGCHLD) = 310\n"
        "310 +++ exited with 0 +++\n"
        "200 wait4(310, NULL, 0, NULL) = 310\n"
        "100 clone(child_stack=NULL, flags=SIGCHLD) = 310\n"
        "200 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=310, si_uid=0, si_status=0} ---\n"
    )
    assert story(tmp_path, log)[-1] == "4 Clone(100, 310, exit_signal=17)"
