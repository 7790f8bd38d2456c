"""The judge of what a complete log tells, on logs whose answer is plain. All are of one shape: 6 and 7, each with a
subreaper (4, 5) above it, are killed inside a call; 8 and 9 appear."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import alternatives, facts
from tests.fuzz.alternatives import DECIDABLE, UNDECIDABLE
from tests.fuzz.judge import Problem, Verdict
from tests.fuzz.truth import TrueProcess, Truth
from tracer.graph import ZOMBIE

BEGIN = """\
3 execve("/p", ["p"], 0x1 /* 0 vars */) = 0
3 fork() = 4
4 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0
3 fork() = 5
5 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0
4 fork() = 6
5 fork() = 7
"""
BOTH_KILLED = """\
6 +++ killed by SIGKILL +++
7 +++ killed by SIGKILL +++
"""


def judged(tmp_path: Path, log: str, pid: int = 8, parent: int = 4) -> alternatives.Found:
    """The judge's word on `pid`, whose parent really is `parent`."""
    (tmp_path / "log").write_text(BEGIN + log)
    truth = Truth(0, 1, (2,), {pid: TrueProcess(pid, parent, False, (pid,), (), 0)})
    [found] = alternatives.judge(facts.read(tmp_path / "log"), truth, [pid])
    return found


def answers(found: alternatives.Found) -> set[alternatives.Answer]:
    return set(found.answers)


def test_two_killed_inside(tmp_path: Path) -> None:
    log = "6 vfork( <unfinished ...>\n7 vfork( <unfinished ...>\n" + BOTH_KILLED
    found = judged(tmp_path, log + '8 prctl(PR_SET_NAME, "x") = 0\n9 prctl(PR_SET_NAME, "x") = 0\n')
    assert answers(found) == {4, 5}
    assert found.verdict == UNDECIDABLE


def test_one_killed_inside(tmp_path: Path) -> None:
    log = "6 vfork( <unfinished ...>\n6 +++ killed by SIGKILL +++\n"
    found = judged(tmp_path, log + '8 prctl(PR_SET_NAME, "x") = 0\n')
    assert answers(found) == {4}
    assert found.verdict == DECIDABLE


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("5 wait4(9, NULL, WNOHANG, NULL) = 0\n", id="the other one waits for the other child"),
        pytest.param("4 wait4(8, NULL, WNOHANG, NULL) = 0\n", id="its parent waits for it"),
        pytest.param(
            "9 +++ killed by SIGKILL +++\n"
            "5 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=9, si_uid=0, si_status=SIGKILL} ---\n",
            id="the other parent is told of the other child's end",
        ),
        pytest.param("8 getppid() = 4\n", id="it asks who its parent is"),
    ],
)
def test_what_comes_later_tells(tmp_path: Path, after: str) -> None:
    log = "6 vfork( <unfinished ...>\n7 vfork( <unfinished ...>\n" + BOTH_KILLED
    found = judged(tmp_path, log + '8 prctl(PR_SET_NAME, "x") = 0\n9 prctl(PR_SET_NAME, "x") = 0\n' + after)
    assert answers(found) == {4}
    assert found.refuted


def test_the_other_one_has_no_child(tmp_path: Path) -> None:
    log = "6 vfork( <unfinished ...>\n7 vfork( <unfinished ...>\n" + BOTH_KILLED + '8 prctl(PR_SET_NAME, "x") = 0\n'
    assert answers(judged(tmp_path, log)) == {4, 5}
    log += "5 wait4(-1, NULL, WNOHANG, NULL) = 7\n5 wait4(-1, NULL, WNOHANG, NULL) = -1 ECHILD (No child processes)\n"
    assert answers(judged(tmp_path, log)) == {4}


def test_numbers_go_up(tmp_path: Path) -> None:
    """10 was given when 7 had not begun: a call that returned 11 had come back."""
    log = "6 vfork( <unfinished ...>\n3 fork() = 8\n3 fork() = 9\n3 fork() = 11\n7 vfork( <unfinished ...>\n"
    found = judged(tmp_path, log + BOTH_KILLED + '10 prctl(PR_SET_NAME, "x") = 0\n', 10)
    assert answers(found) == {4}
    assert set(found.rare) == {5}


def test_who_ends_without_exit_is_a_thread(tmp_path: Path) -> None:
    """8 cannot end like that by itself; so it is the thread, and the other one is the process."""
    log = (
        "7 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 8\n"
        "6 vfork( <unfinished ...>\n"
        "7 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD <unfinished ...>\n"
        "8 exit_group(0 <unfinished ...>\n9 +++ exited with 0 +++\n8 +++ exited with 0 +++\n7 +++ exited with 0 +++\n"
        "6 +++ killed by SIGKILL +++\n"
    )
    found = judged(tmp_path, log + '10 prctl(PR_SET_NAME, "x") = 0\n', 10)
    assert answers(found) == {4}


def test_a_result_that_is_nobodys(tmp_path: Path) -> None:
    """strace before 6.12 prints for a task that is dead already what it has read last."""
    log = "6 fork( <unfinished ...>\n3 fork() = 9\n6 <... fork resumed>) = 202\n6 +++ killed by SIGKILL +++\n"
    found = judged(tmp_path, log + '3 fork() = 10\n8 prctl(PR_SET_NAME, "x") = 0\n')
    assert answers(found) == {4}
    (tmp_path / "log").write_text(BEGIN + log + "3 fork() = 10\n")
    [ghost] = alternatives.judge(facts.read(tmp_path / "log"), Truth(0, 1, (2,), {}), [202])
    assert (answers(ghost), ghost.verdict) == ({alternatives.GONE}, DECIDABLE)


TAKEN_OVER = (
    "6 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 8\n"
    '8 execve("/q", ["q"], 0x1 /* 0 vars */ <unfinished ...>\n'
    "6 +++ superseded by execve in pid 8 +++\n"
)
CLONE, PRCTL = "6 <... execve resumed>) = -1 (errno 18446744073709551560)\n", "6 <... execve resumed>) = 157\n"


def test_a_hidden_call_may_have_made_a_child_or_a_sibling(tmp_path: Path) -> None:
    log = TAKEN_OVER + CLONE + '9 prctl(PR_SET_NAME, "x") = 0\n'
    assert answers(judged(tmp_path, log, 9, 6)) == {6, 4}
    assert judged(tmp_path, log + "9 getppid() = 6\n", 9, 6).verdict == DECIDABLE


def test_none_is_hidden_where_a_signal_came(tmp_path: Path) -> None:
    """strace has then stopped at the next call, whatever it is, and tells of it if it is traced."""
    signal = "6 --- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---\n"
    log = TAKEN_OVER + signal + CLONE + "6 clone(child_stack=NULL, flags=SIGCHLD) = 9\n"
    assert answers(judged(tmp_path, log, 9, 6)) == {6}
    assert not [call for call in facts.read(tmp_path / "log").calls if call.kinds]


def test_one_hidden_behind_the_other(tmp_path: Path) -> None:
    """The hidden call is an execve that has succeeded: strace prints what it finds in the registers for it."""
    log = TAKEN_OVER + "6 <... execve resumed>) = -1 (errno 18446744073709551557)\n"
    log += "6 execve(0x47a025, 0x7fff04da3310, 0x7fff04da3308) = -1 (errno 18446744073709551559)\n"
    assert answers(judged(tmp_path, log + '9 prctl(PR_SET_NAME, "x") = 0\n', 9, 6)) == {6}


def test_a_hidden_prctl_may_have_cleared_the_flag(tmp_path: Path) -> None:
    log = "6 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n" + TAKEN_OVER + PRCTL
    log += "6 fork() = 9\n9 fork() = 10\n9 +++ killed by SIGKILL +++\n10 getpid() = 10\n"
    assert answers(judged(tmp_path, log, 10, 6)) == {6, 4}


def test_two_threads_set_the_flag_at_once(tmp_path: Path) -> None:
    thread = "6 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 8\n6 fork() = 9\n9 fork() = 10\n"
    on, off = "prctl(PR_SET_CHILD_SUBREAPER, 1", "prctl(PR_SET_CHILD_SUBREAPER, 0"
    end = "6 getpid() = 6\n8 getpid() = 6\n6 getpid() = 6\n9 +++ killed by SIGKILL +++\n10 getpid() = 10\n"
    one_after_the_other = f"6 {off}) = 0\n8 {on}) = 0\n"
    assert answers(judged(tmp_path, thread + one_after_the_other + end, 10, 6)) == {6}
    at_once = f"6 {off} <unfinished ...>\n8 {on}) = 0\n6 <... prctl resumed>) = 0\n"
    assert answers(judged(tmp_path, thread + at_once + end, 10, 6)) == {6, 4}


def test_a_thread_that_execs_to_the_end_has_no_end_of_its_own(tmp_path: Path) -> None:
    log = "6 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 9\n6 fork() = 8\n6 getpid() = 6\n"
    log += '9 execve("/q", ["q"], 0x1 /* 0 vars */ <unfinished ...>\n6 +++ killed by SIGKILL +++\n4 getpid() = 4\n'
    assert answers(judged(tmp_path, log)) == {4}


def test_a_name_in_which_a_result_stands(tmp_path: Path) -> None:
    log = "6<a> clone(child_stack=NULL, flags=SIGCHLD) = 8<fork() = 9>\n8<fork() = 9> getpid() = 8\n"
    assert answers(judged(tmp_path, log, 8, 6)) == {6}


def test_no_line_yet_of_what_a_killed_caller_has_created(tmp_path: Path) -> None:
    found = judged(tmp_path, "6 vfork( <unfinished ...>\n6 +++ killed by SIGKILL +++\n4 getpid() = 4\n")
    assert (answers(found), found.verdict) == ({alternatives.GONE, 4}, UNDECIDABLE)


def test_a_line_that_names_nobody_began_before_the_child_was_there(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(
        'execve("/p", ["p"], 0x1 /* 0 vars */) = 0\nfork(strace: Process 4 attached\n <unfinished ...>\n'
        "[pid     3] <... fork resumed>) = 4\n[pid     3] +++ killed by SIGKILL +++\n"
        "vfork(strace: Process 5 attached\n <unfinished ...>\n[pid     4] <... vfork resumed>) = 5\n"
    )
    log = facts.read(tmp_path / "log")
    assert [(call.task.tid, call.number) for call in log.calls] == [(3, 4), (4, 5)]


@pytest.mark.parametrize("who", ["P_PID, 9", "0x1, 9", "0x1 /* P_PID */, 9"])
def test_who_was_waited_for(tmp_path: Path, who: str) -> None:
    log = f"4 waitid({who}, NULL, WNOHANG|WEXITED, NULL) = -1 ECHILD (No child processes)\n"
    assert answers(judged(tmp_path, log, 6, 4)) == {4}


def test_nobody_is_born_in_a_pid_namespace_whose_init_has_ended(tmp_path: Path) -> None:
    begun = "6 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD <unfinished ...>\n7 vfork( <unfinished ...>\n"
    shown = '8 fork() = 10\n9 prctl(PR_SET_NAME, "x") = 0\n'
    log = begun + BOTH_KILLED + shown + "8 exit_group(0) = ?\n8 +++ exited with 0 +++\n"
    assert answers(judged(tmp_path, log, pid=9)) == {4, 5}
    beside = "10 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = 11\n"
    assert answers(judged(tmp_path, log + beside, pid=9)) == {4}


def test_a_notice_in_a_line_came_after_its_beginning(tmp_path: Path) -> None:
    """7 began its call when it had no child yet, and both are told of in its line: 6 may have created the second."""
    (tmp_path / "log").write_text(
        "[pid 3] fork() = 4\n[pid 4] prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n[pid 3] fork() = 5\n"
        "[pid 5] prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n[pid 4] fork() = 6\n[pid 5] fork() = 7\n"
        "[pid 6] fork( <unfinished ...>\n[pid 7] fork(strace: Process 8 attached\nstrace: Process 9 attached\n"
        " <unfinished ...>\n[pid 6] +++ killed by SIGKILL +++\n[pid 7] +++ killed by SIGKILL +++\n"
    )
    truth = Truth(0, 1, (2,), {9: TrueProcess(9, 4, False, (9,), (), 0)})
    [found] = alternatives.judge(facts.read(tmp_path / "log"), truth, [9])
    assert answers(found) == {4, 5}


def test_who_was_waited_for_by_a_number_of_its_namespace(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(
        '3 execve("/p", ["p"], 0x1 /* 0 vars */) = 0\n3 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 4\n'
        "4 fork() = 2 /* 5 in strace's PID NS */\n5 +++ killed by SIGKILL +++\n"
        "4 wait4(2 /* 5 in strace's PID NS */, NULL, 0, NULL) = 2\n"
    )
    [found] = alternatives.judge(facts.read(tmp_path / "log"), Truth(0, 1, (2,), {}), [5])
    assert (answers(found), found.verdict) == ({alternatives.GONE}, DECIDABLE)


def test_a_zombie_that_the_kernel_has_not_is_asked_about() -> None:
    verdict = Verdict(problems=[Problem("ghost", 5, "gone", ZOMBIE)])
    assert list(alternatives.asked_of(verdict)) == [5]
