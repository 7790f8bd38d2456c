"""strace --seccomp-bpf: the first call after a thread's execve is not told of, but for its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tracer

from .literal import edges

if TYPE_CHECKING:
    from pathlib import Path

THREAD = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM)"
START = (
    '100 execve("/a", ["a"], 0x1) = 0\n100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n100 fork() = 101\n'
    f"101 {THREAD} = 102\n"
    '102 execve("/b", ["b"], 0x1 <unfinished ...>\n101 +++ superseded by execve in pid 102 +++\n'
    "101 <... execve resumed>) = {}\n"
)
CLONE, CLONE_OF_THREAD, ANY = "-1 (errno 18446744073709551560)", "56", "-1 ENOSYS (Function not implemented)"
PRCTL, WAIT = "-1 (errno 18446744073709551459)", "-1 (errno 18446744073709551555)"


@pytest.mark.parametrize("result", [CLONE, ANY])
def test_who_appears_is_the_child_of_that_call(tmp_path: Path, result: str) -> None:
    log = START.format(result) + "103 fork() = 104\n101 fork() = 105\n"
    assert edges(tmp_path, log) == {
        100: (None, "unknown"), 101: (100, "observed"), 103: (101, "inferred"), 104: (103, "inferred"),
        105: (101, "observed"),
    }  # fmt: skip
    assert [p.comm for p in tracer.replay(str(tmp_path / "strace.log")).find(101)] == ["b"]


@pytest.mark.parametrize("result", [CLONE, ANY])
def test_the_call_has_lasted_until_the_next_line(tmp_path: Path, result: str) -> None:
    """So a number that was given at that time is that of its child, and not of one that was killed inside before."""
    log = '100 execve("/a", ["a"], 0x1) = 0\n100 fork() = 98\n98 fork( <unfinished ...>\n98 +++ killed by SIGKILL +++\n'
    log += (
        "100 fork() = 99\n99 exit_group(0) = ?\n99 +++ exited with 0 +++\n"
        + START.partition("\n")[2].format(result)
        + "100 fork() = 104\n"
    )
    assert edges(tmp_path, log + "103 fork() = 105\n")[103] == (101, "inferred")


def test_not_of_one_that_was_over(tmp_path: Path) -> None:
    log = START.format(CLONE) + "101 fork() = 103\n104 fork() = 105\n"
    assert edges(tmp_path, log)[104] == (None, "unknown")


def test_a_low_byte_of_0_is_a_thread(tmp_path: Path) -> None:
    log = START.format(CLONE_OF_THREAD) + "103 fork() = 104\n"
    assert edges(tmp_path, log)[104] == (101, "inferred")


def test_a_call_that_creates_nobody(tmp_path: Path) -> None:
    assert edges(tmp_path, START.format(WAIT) + "103 fork() = 104\n")[103] == (None, "unknown")


@pytest.mark.parametrize(("result", "evidence"), [(WAIT, "derived"), (PRCTL, "inferred"), (ANY, "inferred")])
def test_it_may_have_set_the_subreaper_flag(tmp_path: Path, result: str, evidence: str) -> None:
    log = START.format(result) + "101 fork() = 103\n103 fork() = 104\n103 +++ exited with 0 +++\n104 getpid() = 104\n"
    assert edges(tmp_path, log)[104] == (100, evidence)


ALARM = "{} --- SIGALRM {{si_signo=SIGALRM, si_code=SI_KERNEL}} ---\n"
CHILD = "{} --- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=98, si_uid=0, si_status=0}} ---\n"


@pytest.mark.parametrize("signal", [ALARM, CHILD])
@pytest.mark.parametrize("result", [CLONE, PRCTL, ANY, "12"])
def test_after_a_signal_nothing_is_hidden(tmp_path: Path, result: str, signal: str) -> None:
    """strace has stopped at the next call of any kind; if that is traced, it tells of it as of any other."""
    signalled = START.format(result).replace("101 <... execve", signal.format(101) + "101 <... execve")
    signalled = signalled.replace("102 execve", signal.format(100) + "102 execve")
    log = signalled + "101 fork() = 103\n103 fork() = 104\n103 +++ exited with 0 +++\n104 fork() = 105\n"
    assert edges(tmp_path, log)[104] == (100, "derived")
    assert edges(tmp_path, signalled + "103 fork() = 104\n")[103] == (None, "unknown")


EXECVE = "-1 (errno 18446744073709551557)"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(EXECVE, f"101 execve(0x47a025, 0x7fff04da3310, 0x7fff04da3308) = {CLONE}\n", id="6.1"),
        pytest.param(ANY, f"101 execve(0, 0, 0) = {ANY}\n", id="6.12"),
        pytest.param(
            EXECVE,
            "101 execve(0x47a025, 0x7fff04da3310, 0x7fff04da3308 <unfinished ...>\n100 getpid() = 100\n"
            f"101 <... execve resumed>) = {CLONE}\n",
            id="on two lines",
        ),
    ],
)
def test_a_hidden_execve_hides_another_call(tmp_path: Path, first: str, second: str) -> None:
    log = START.format(first) + second
    assert edges(tmp_path, log + "103 fork() = 104\n101 fork() = 105\n")[103] == (101, "inferred")


def test_behind_a_hidden_execve_any_call_may_be_hidden(tmp_path: Path) -> None:
    """strace before 6.12 says nothing of it where it takes it for a call that is not traced."""
    assert edges(tmp_path, START.format(EXECVE) + "103 fork() = 104\n")[103] == (101, "inferred")


def test_what_was_an_execve_has_set_no_flag(tmp_path: Path) -> None:
    log = START.format(ANY) + f"101 execve(0, 0, 0) = {WAIT}\n"
    log += "101 fork() = 103\n103 fork() = 104\n103 +++ exited with 0 +++\n104 getpid() = 104\n"
    assert edges(tmp_path, log)[104] == (100, "derived")


def test_who_took_over_is_inside_no_call_of_the_leader(tmp_path: Path) -> None:
    """strace 5.10 has printed another call's result for the leader, which was being killed; of the execve no end."""
    log = (
        f'100 execve("/a", ["a"], 0x1) = 0\n100 fork() = 101\n101 {THREAD} = 102\n'
        "100 fork( <unfinished ...>\n101 fork( <unfinished ...>\n"
        '102 execve("/b", ["b"], 0x1 <unfinished ...>\n103 getpid() = 103\n'
        "100 <... fork resumed>) = 103\n101 <... fork resumed>) = 103\n101 +++ superseded by execve in pid 102 +++\n"
        "103 +++ exited with 0 +++\n"
    )
    assert edges(tmp_path, log)[103] == (100, "observed")


CLONE3 = "-1 (errno 18446744073709551181)"
KILLED_INSIDE = "100 fork() = 98\n98 fork( <unfinished ...>\n98 +++ killed by SIGKILL +++\n"
TWO = START.replace("100 fork() = 101\n", KILLED_INSIDE + "100 fork() = 101\n")


def test_what_may_be_a_thread_has_no_children_for_sure(tmp_path: Path) -> None:
    """103 is a child of 101 or of 98, or a thread of 101: then 104 is a child of 101."""
    found = edges(tmp_path, TWO.format(CLONE3) + "103 fork() = 104\n104 getpid() = 104\n")
    assert found[104][1] not in ("observed", "derived")


@pytest.mark.parametrize(
    "after",
    [
        pytest.param('103 execve("/c", ["c"], 0x1) = 0\n', id="it runs a program under its own number"),
        pytest.param("101 +++ exited with 0 +++\n", id="its process would have ended without it"),
    ],
)
def test_what_leads_a_process_is_no_thread(tmp_path: Path, after: str) -> None:
    log = TWO.format(CLONE3).replace("100 fork() = 98", "100 fork() = 97\n97 +++ exited with 0 +++\n100 fork() = 98")
    log += "103 fork() = 104\n101 exit_group(0) = ?\n" + after + "104 getpid() = 104\n"
    assert edges(tmp_path, log)[104][0] == 103


@pytest.mark.parametrize("result", [CLONE3, ANY, CLONE_OF_THREAD])
@pytest.mark.parametrize(
    "shows",
    [
        pytest.param("101 fork() = 105\n103 wait4(105, NULL, 0, NULL) = 105\n", id="it waits for the other's child"),
        pytest.param(
            '101 execve("/c", ["c"], 0x1 <unfinished ...>\n103 +++ exited with 0 +++\n101 <... execve resumed>) = 0\n',
            id="the other's execve ends it",
        ),
    ],
)
def test_who_is_shown_to_be_a_thread(tmp_path: Path, result: str, shows: str) -> None:
    """103 is the only one that the hidden call can have created. What it does later says of which kind it is."""
    ends = "105 exit(0) = ?\n105 +++ exited with 0 +++\n103 wait4"
    log = START.format(result) + "103 fork() = 104\n" + shows.replace("103 wait4", ends) + "104 getpid() = 104\n"
    found = edges(tmp_path, log)
    assert 103 not in found
    assert found[104] == (101, "inferred")


def test_whom_it_has_not_created_where_it_has_made_a_thread(tmp_path: Path) -> None:
    """103 waits for a child of 101, so it is a thread of that. 104 is then of the other call that was open."""
    two = START.replace("101 fork() = 101\n", "").replace("102 execve", "98 fork( <unfinished ...>\n102 execve")
    log = two.replace("100 fork() = 101\n", "100 fork() = 98\n100 fork() = 101\n").format(CLONE3)
    log += "103 getpid() = 103\n104 getpid() = 104\n98 +++ killed by SIGKILL +++\n101 fork() = 105\n"
    assert edges(tmp_path, log)[104] == (None, "unknown")
    log += "105 exit(0) = ?\n105 +++ exited with 0 +++\n103 wait4(105, NULL, 0, NULL) = 105\n"
    assert edges(tmp_path, log)[104] == (100, "inferred")
