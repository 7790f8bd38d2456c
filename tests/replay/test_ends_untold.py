"""strace -qq does not tell of ordinary ends: what a task has called, and what becomes of its number, must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .literal import NESTED, SIGNALLED, edges

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = '100 execve("/a", ["a"], 0x1) = 0\n'
THREAD = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM"


@pytest.mark.parametrize("left", ["exit_group(3) = ?", "exit_group(3 <unfinished ...>", "exit(3) = ?"])
def test_who_has_called_exit_does_nothing_more(tmp_path: Path, left: str) -> None:
    """The numbers have begun again: the second 703 lives in the namespace of 101, who calls it 2."""
    log = (
        f"{BEGIN}{NESTED}100 fork() = 102\n102 vfork( <unfinished ...>\n703 {left}\n102 <... vfork resumed>) = 703\n"
        f"102 {SIGNALLED.format(703)}\n102 fork() = 30000\n30000 getpid() = 30000\n101 fork( <unfinished ...>\n"
    )
    end = "101 <... fork resumed>) = 2\n"
    assert edges(tmp_path, log + end)[703] == (102, "observed")
    assert edges(tmp_path, f"{log}703 prctl(PR_SET_PDEATHSIG, 0) = 0\n{end}")[703] == (101, "inferred")
    assert edges(tmp_path, f"{log}703 {left}\n{end}")[703] == (101, "inferred")


def test_also_where_all_their_numbers_are_used_again(tmp_path: Path) -> None:
    log = f"{BEGIN}100 fork() = 701\n701 {THREAD}) = 702\n701 fork() = 703\n{{}}100 {THREAD}) = 702\n"
    assert edges(tmp_path, log.format("702 exit_group(1) = ?\n"))[703] == (1, "assumed")
    assert edges(tmp_path, log.format("702 exit(1) = ?\n"))[703] == (701, "observed")


def test_that_a_number_is_given_again_may_be_a_mistake(tmp_path: Path) -> None:
    """704 is 105's, or a number of the namespace that 105 may live in."""
    log = (
        f"{BEGIN}100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n100 fork() = 704\n704 fork() = 705\n705 exit_group(0) = ?\n"
        f"100 fork() = 706\n{{}}706 fork() = 704\n706 getpid() = 706\n"
    )
    assert edges(tmp_path, log.format(""))[705] == (100, "inferred")
    assert edges(tmp_path, log.format("704 exit_group(0) = ?\n"))[705] == (100, "derived")


def test_a_thread_goes_on_under_the_number_of_a_leader_that_has_left(tmp_path: Path) -> None:
    """-qqq: nothing says that 103's execve goes on as 101's."""
    log = (
        f"{BEGIN}100 fork() = 101\n101 fork() = 102\n101 {THREAD}) = 103\n101 exit(0) = ?\n"
        '103 execve("/b", ["b"], 0x1 <unfinished ...>\n101 <... execve resumed>) = 0\n101 fork() = 104\n'
    )
    found = edges(tmp_path, log)
    assert (found[101], found[102], found[104]) == ((100, "observed"), (101, "observed"), (101, "observed"))


@pytest.mark.parametrize(("call", "weak"), [("= ?", True), ("= ? ERESTARTNOINTR (To be restarted)", False)])
def test_who_is_killed_inside_a_call_has_ended(tmp_path: Path, call: str, weak: bool) -> None:
    """PTRACE_EVENT_EXIT: 101 and its thread are killed, 102 and the number of 101 are another's."""
    log = (
        f"{BEGIN}100 fork() = 101\n101 fork() = 102\n101 {THREAD}) = 103\n101 wait4(-1,  <unfinished ...>\n"
        f"103 wait4(-1,  <unfinished ...>\n100 exit_group(0) = ?\n101 <... wait4 resumed>0x1, 0, NULL) {call}\n"
        f"103 <... wait4 resumed>0x1, 0, NULL) {call}\n"
    )
    assert edges(tmp_path, log)[102] == ((1, "assumed") if weak else (101, "observed"))


def test_who_loses_a_thread_so_has_ended_or_runs_a_program(tmp_path: Path) -> None:
    """A thread is killed by the end of its process, or by an execve of another thread (de_thread())."""
    log = (
        f"{BEGIN}100 fork() = 101\n101 fork() = 102\n101 {THREAD}) = 103\n103 wait4(-1,  <unfinished ...>\n"
        "100 exit_group(0) = ?\n103 <... wait4 resumed>0x1, 0, NULL) = ?\n"
    )
    assert edges(tmp_path, log)[102] == (101, "inferred")
    assert edges(tmp_path, f'{log}101 execve("/b", ["b"], 0x1) = 0\n')[102] == (101, "observed")


@pytest.mark.parametrize(("number", "evidence"), [(109, "observed"), (9, "inferred")])
def test_who_returned_a_number_that_was_passed_may_be_dead(tmp_path: Path, number: int, evidence: str) -> None:
    """strace before 6.12 prints that for who is killed on the way out (9 is mmap); 107 has done nothing since."""
    log = (
        f"{BEGIN}100 fork() = 105\n100 fork() = 106\n106 exit_group(0) = ?\n"
        f"100 fork() = 107\n107 fork() = 108\n107 fork() = {number}\n100 fork() = 110\n"
    )
    assert edges(tmp_path, log)[108] == (107, evidence)
