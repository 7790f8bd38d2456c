"""What a number means that a call has returned, where several counters run, or one was set back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

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


TRANSLATED = (
    '400 execve("/a", ["a"], 0x1) = 0\n400 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 401\n'
    "401 fork() = 2 /* 402 in strace's PID NS */\n401 fork() = 3 /* 403 in strace's PID NS */\n400 fork() = 404\n"
    '402 execve("/b", ["b"], 0x1) = 0\n404 fork() = 405\n403 fork() = 4 /* 406 in strace\'s PID NS */\n'
)


def test_nor_is_a_translated_number_that_a_living_task_has_a_new_one(tmp_path: Path) -> None:
    """403 is killed inside fork by an execve of a thread: what strace prints is the number that it read before."""
    thread = "CLONE_VM|CLONE_SIGHAND|CLONE_THREAD"
    log = (
        f"{TRANSLATED}403 clone(child_stack=0x1, flags={thread}) = 5 /* 407 in strace's PID NS */\n"
        '403 fork( <unfinished ...>\n407 execve("/c", ["c"], 0x1 <unfinished ...>\n'
        "403 <... fork resumed>) = 2 /* 402 in strace's PID NS */\n403 +++ superseded by execve in pid 407 +++\n"
        "403 <... execve resumed>) = 0\n402 fork() = 6 /* 409 in strace's PID NS */\n"
    )
    found = edges(tmp_path, log)
    assert (found[402], found[409], found[406]) == ((401, "observed"), (402, "observed"), (403, "observed"))


@pytest.mark.parametrize("translated", [True, False])
def test_a_small_number_of_one_that_is_killed_makes_no_namespace(tmp_path: Path, translated: bool) -> None:
    """405, of strace's namespace, is killed inside fork: 39 is nobody's number there."""
    before = TRANSLATED if translated else TRANSLATED.partition("400 clone")[0] + "400 fork() = 404\n404 fork() = 405\n"
    log = f'{before}405 fork( <unfinished ...>\n408 prctl(PR_SET_NAME, "x") = 0\n405 <... fork resumed>) = 39\n'
    log += "405 +++ killed by SIGKILL +++\n408 fork() = 410\n404 fork() = 411\n"
    found = {tid - 29_000: edge for tid, edge in edges(tmp_path, re.sub(r"\b4(\d\d)\b", r"294\1", log)).items()}
    assert (found[405], found[411]) == ((29404, "observed"), (29404, "observed"))
    assert (found[408], found[410]) == ((1, "assumed"), (29408, "observed"))


def test_who_has_created_before_its_own_birth_is_told_knows_its_children_by_their_numbers(tmp_path: Path) -> None:
    """404 has waited for its child 406, which it calls 4."""
    path = tmp_path / "strace.log"
    path.write_text(
        "400 clone(child_stack=0x1, flags=CLONE_VM|CLONE_VFORK|SIGURG <unfinished ...>\n"
        '403 execve("/a", ["a"], 0x1 <unfinished ...>\n404 <... fork resumed>) = 4 /* 406 in strace\'s PID NS */\n'
        "402 <... vfork resumed>) = 3 /* 405 in strace's PID NS */\n406 +++ exited with 0 +++\n"
        "404 <... wait4 resumed>NULL, 0, NULL) = 4\n400 <... clone resumed>) = 3 /* 404 in strace's PID NS */\n"
    )
    assert [process.state for process in tracer.replay(str(path)).find(406)] == ["dead"]


def test_a_wait_for_the_next_owner_of_a_number_whose_last_one_went_during_the_call(tmp_path: Path) -> None:
    """101 was waited for before 103's vfork gave its number again; that is told behind the beginning of the vfork."""
    log = (
        '100 execve("/a", ["a"], 0x1) = 0\n100 fork() = 101\n100 fork() = 103\n101 exit_group(0) = ?\n'
        "100 wait4(101,  <unfinished ...>\n101 +++ exited with 0 +++\n103 vfork( <unfinished ...>\n"
        "100 <... wait4 resumed>NULL, 0, NULL) = 101\n101 exit_group(3) = ?\n101 +++ exited with 3 +++\n"
        "103 <... vfork resumed>) = 101\n"
    )
    assert edges(tmp_path, log)[101] == (103, "observed")
    assert 101 not in edges(tmp_path, log + "103 wait4(101, NULL, 0, NULL) = 101\n")


@pytest.mark.parametrize("begin", ["", " <unfinished ...>\n101 <... wait4 resumed>"])
def test_a_wait_returned_who_was_waited_for(tmp_path: Path, begin: str) -> None:
    """strace translates the number that is asked for, and not the one that is returned, which the next child has."""
    log = (
        '99 fork( <unfinished ...>\n98 execve("/a", ["a"], 0x1 <unfinished ...>\n'
        "100 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 101\n"
        "101 fork( <unfinished ...>\n101 <... fork resumed>) = 2 /* 102 in strace's PID NS */\n"
        "102 +++ killed by SIGKILL +++\n"
        f"101 wait4(2 /* 102 in strace's PID NS */, {begin}NULL, 0, NULL) = 2\n"
        "101 clone3({flags=0, exit_signal=SIGCHLD, set_tid=[2], set_tid_size=1}, 88) = 2 /* 103 in strace's PID NS */\n"
    )
    assert 102 not in edges(tmp_path, log)


def test_a_signal_that_comes_after_the_wait_may_be_of_the_numbers_last_owner(tmp_path: Path) -> None:
    """101 has waited for the first 103. 103 is then a child of 102, and with the others that it has left, of init."""
    told = "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=103, si_uid=0, si_status=0} ---"
    log = (
        '100 execve("/a", ["a"], 0x1) = 0\n100 fork() = 101\n101 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n'
        "101 fork() = 103\n100 fork() = 102\n103 exit_group(0) = ?\n103 +++ exited with 0 +++\n"
        "101 wait4(103, NULL, 0, NULL) = 103\n102 fork() = 104\n102 fork() = 103\n102 +++ killed by SIGKILL +++\n"
        "103 exit_group(7) = ?\n103 +++ exited with 7 +++\n"
    )
    assert edges(tmp_path, f"{log}101 {told}\n")[104] == (1, "assumed")


def test_a_number_that_the_caller_wanted_was_free(tmp_path: Path) -> None:
    """alloc_pid(): so it shows no nested namespace, whoever seems to have it."""
    log = (
        "125 <... clone resumed>) = ?\n153 fork( <unfinished ...>\n128 fork( <unfinished ...>\n"
        "153 <... fork resumed>) = 125\n125 +++ exited with 229 +++\n128 <... fork resumed>) = 127\n"
        "153 clone3({flags=0, exit_signal=SIGCHLD, set_tid=[125], set_tid_size=1}, 88 <unfinished ...>\n"
        "153 <... clone3 resumed>) = 125\n128 fork() = 130\n130 fork() = 131\n"
    )
    assert edges(tmp_path, log)[131] == (130, "observed")
