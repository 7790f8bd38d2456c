"""What strace prints as the result of a clone call (a wait) whose caller is killed inside may be no result of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .killed import ALIVE, ENDED, FORK, KILLED, START, THREAD, race
from .literal import edges

if TYPE_CHECKING:
    from pathlib import Path


def test_a_number_that_is_said_again_on_the_next_line_is_the_first_calls(tmp_path: Path) -> None:
    """strace before 6.12 prints for a task that is killed what it has read last of another: see creating.REFUSALS. 106,
    whom the number belongs to, is itself one of whom it is not known yet who created it."""
    log = race(103, 104) + (
        f"105 fork( <unfinished ...>\n107 {ALIVE}\n106 fork( <unfinished ...>\n108 {ALIVE}\n"
        f"106 <... fork resumed>) = 108\n105 <... fork resumed>) = 108\n105 {KILLED}\n"
    )
    found = edges(tmp_path, log)
    assert found[108][0] == 106


def test_a_number_that_is_the_callers_own_is_no_result(tmp_path: Path) -> None:
    """strace 6.1 printed it for a thread that another one's execve killed inside fork."""
    log = (
        START + f"103 {THREAD}) = 107\n107 {FORK} <unfinished ...>\n"
        '103 execve("/b", ["b"], 0x1 <unfinished ...>\n'
        f"107 <... fork resumed>) = 107\n108 {ALIVE}\n107 +++ exited with 0 +++\n"
        f"103 <... execve resumed>) = 0\n108 {ALIVE}\n"
    )
    assert edges(tmp_path, log)[108] == (103, "inferred")


def test_what_a_wait_has_returned_is_not_given_again(tmp_path: Path) -> None:
    """strace before 6.12 prints for who is killed on the way out what it has read last. 103 has created 107."""
    log = (
        f"{START}101 fork() = 106\n106 {KILLED}\n103 fork( <unfinished ...>\n101 wait4(106, NULL, __WALL, NULL) = 106\n"
        f"103 <... fork resumed>) = 106\n103 {KILLED}\n107 {ALIVE}\n"
    )
    found = edges(tmp_path, log + ENDED)
    assert found[107] == (101, "inferred")
    assert 106 not in found


def test_a_result_that_leaves_somebody_unexplained_is_none(tmp_path: Path) -> None:
    """106 may well have been given, but then nobody has created 107."""
    log = f"{START}103 fork( <unfinished ...>\n103 <... fork resumed>) = 106\n103 {KILLED}\n"
    assert edges(tmp_path, log + ENDED)[106] == (101, "derived")
    found = edges(tmp_path, f"{log}107 {ALIVE}\n{ENDED}")
    assert found[107] == (101, "inferred")
    assert 106 not in found


def test_who_is_ended_by_another_threads_exit_was_killed_as_well(tmp_path: Path) -> None:
    """103 has called no exit itself: its thread 106 has, and 103 was on its way out of fork."""
    log = (
        f"{START}103 {THREAD}) = 106\n103 fork( <unfinished ...>\n106 exit_group(0) = ?\n"
        "103 <... fork resumed>) = 107\n106 +++ exited with 0 +++\n103 +++ exited with 0 +++\n"
    )
    assert edges(tmp_path, log)[107] == (101, "derived")
    found = edges(tmp_path, f"{log}108 {ALIVE}\n")
    assert found[108] == (101, "inferred")
    assert 107 not in found


@pytest.mark.parametrize("ends", ["", ENDED], ids=["no end is told", "an end is told later"])
def test_a_wait_by_who_was_killed_returns_nobody_who_lives(tmp_path: Path, ends: str) -> None:
    """What strace prints for 102's wait it has read for 103's fork. Only with -qq, which hides ends, may it be true."""
    log = (
        f"{START}102 wait4(-1, <unfinished ...>\n103 fork() = 106\n"
        f"102 <... wait4 resumed>NULL, WNOHANG, NULL) = 106\n102 {KILLED}\n{ends}"
    )
    assert edges(tmp_path, log).get(106) == ((103, "observed") if ends else None)


@pytest.mark.parametrize(
    ("number", "believed"),
    [pytest.param(202, False, id="of a system call"), pytest.param(106, True, id="that fits, though nobody shows")],
)
def test_a_number_that_the_counter_cannot_have_had_is_no_result(tmp_path: Path, number: int, believed: bool) -> None:
    """What others are given later counts as well."""
    log = f"{START}103 fork( <unfinished ...>\n103 <... fork resumed>) = {number}\n103 {KILLED}\n"
    later = "".join(f"100 fork() = {n}\n" for n in range(107, 110))
    assert (number in edges(tmp_path, log + later + ENDED)) is believed


@pytest.mark.parametrize(("receiver", "believed"), [(103, False), (106, True)])
def test_nor_is_it_of_a_thread_that_a_signal_to_another_one_killed(
    tmp_path: Path, receiver: int, believed: bool
) -> None:
    """complete_signal() kills the other threads at once; who is given the signal has come out of its call."""
    log = (
        f"{START}103 {THREAD}) = 106\n106 fork( <unfinished ...>\n106 <... fork resumed>) = 202\n"
        f"{receiver} --- SIGTERM {{si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0}} ---\n"
        "106 +++ killed by SIGTERM +++\n103 +++ killed by SIGTERM +++\n"
    )
    later = "".join(f"100 fork() = {n}\n" for n in range(107, 110))
    assert (202 in edges(tmp_path, log + later + ENDED)) is believed


def test_nor_one_that_was_passed_and_leaves_somebody_unexplained(tmp_path: Path) -> None:
    """The counter was set back to the numbers around 202, which is that of a system call."""
    log = (
        '100 execve("/a", ["a"], 0x1) = 0\n231 fork( <unfinished ...>\n145 fork( <unfinished ...>\n'
        f"145 <... fork resumed>) = 234\n107 {THREAD} <unfinished ...>\n145 fork( <unfinished ...>\n"
        "231 <... fork resumed>) = 238\n234 fork( <unfinished ...>\n107 <... clone resumed>) = 241\n"
        "241 fork( <unfinished ...>\n234 <... fork resumed>) = 192\n145 <... fork resumed>) = 202\n"
        "241 <... fork resumed>) = 193\n145 +++ superseded by execve in pid 231 +++\n193 vfork( <unfinished ...>\n"
        f"191 {ALIVE}\n193 <... vfork resumed>) = 195\n"
    )
    found = edges(tmp_path, log)
    assert found[191] == (145, "inferred")
    assert 202 not in found


def test_a_number_said_twice_is_not_given_when_its_owner_ends_later(tmp_path: Path) -> None:
    """105 is killed on the way out, so the result is what strace has read for 104; 107 is the thread that it made."""
    log = (
        f"{START}104 fork( <unfinished ...>\n105 {THREAD} <unfinished ...>\n106 exit(0) = ?\n"
        '107 execve("/b", ["b"], 0x1 <unfinished ...>\n104 <... fork resumed>) = 106\n105 <... clone resumed>) = 106\n'
        "106 +++ exited with 0 +++\n105 +++ superseded by execve in pid 107 +++\n105 <... execve resumed>) = 0\n"
    )
    found = edges(tmp_path, log)
    assert found[105] == (102, "observed")
    assert found[106] == (104, "observed")
    assert 107 not in found


def test_a_thread_that_execs_has_been_created_already(tmp_path: Path) -> None:
    """105 is killed by its thread's execve on the way out of a call, of which strace prints 104's: 108 is its child."""
    log = (
        f"{START}105 {THREAD}) = 106\n104 fork( <unfinished ...>\n105 fork( <unfinished ...>\n"
        '106 execve("/b", ["b"], 0x1 <unfinished ...>\n104 <... fork resumed>) = 107\n105 <... fork resumed>) = 107\n'
        f"105 +++ superseded by execve in pid 106 +++\n105 <... execve resumed>) = 0\n108 {ALIVE}\n{ENDED}"
    )
    assert edges(tmp_path, log)[108] == (105, "inferred")


def test_a_wait_that_returned_anothers_child(tmp_path: Path) -> None:
    """101 was killed on the way out of its wait: 102, who lives on, is told of the end of 103."""
    log = (
        '100 execve("/a", ["a"], 0x1) = 0\n100 fork() = 101\n100 fork() = 102\n102 fork() = 103\n'
        "101 wait4(-1,  <unfinished ...>\n103 +++ killed by SIGTERM +++\n"
        "101 <... wait4 resumed>NULL, 0, NULL) = 103\n101 +++ killed by SIGKILL +++\n"
    )
    told = "102 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=103, si_uid=0, si_status=SIGTERM} ---\n"
    assert 103 not in edges(tmp_path, log)
    assert edges(tmp_path, log + told)[103] == (102, "observed")


@pytest.mark.parametrize("begin", ["", " <unfinished ...>\n101 <... wait4 resumed>"])
def test_a_wait_for_one_child_returns_no_other(tmp_path: Path, begin: str) -> None:
    """do_wait(): 101 was killed on the way out, as by another thread's execve."""
    log = f"{START}105 {KILLED}\n101 wait4(104, {begin}NULL, 0, NULL) = 105\n"
    assert edges(tmp_path, log)[105] == (102, "observed")
