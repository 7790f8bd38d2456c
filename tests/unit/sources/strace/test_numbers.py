"""What a number means: of another pid namespace, given again, nobody's, or a task that only sleeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.sources.strace.logs import events_of, read
from tracer import replay

if TYPE_CHECKING:
    from pathlib import Path


def test_reused_number_without_exit_lines(tmp_path: Path) -> None:
    log = "1000 fork() = 1001\n1001 exit_group(0) = ?\n1000 fork() = 1001\n"
    assert events_of(tmp_path, log)[3:] == ["Exit(1001)", "Clone(1000, 1001, exit_signal=17)"]


def test_nested_namespace_numbers(tmp_path: Path) -> None:
    log = (
        "100 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 101\n"
        "101 fork( <unfinished ...>\n102 exit_group(0) = ?\n101 <... fork resumed>) = 2\n"
        "102 +++ exited with 0 +++\n101 wait4(2, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 2\n"
        "101 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=2, si_uid=0, si_status=0} ---\n"
    )
    why = "number 2 is of another pid namespace; no other call can have created 102"
    assert events_of(tmp_path, log)[1:] == [
        "Clone(100, 101, flags=536870912, exit_signal=17)",
        f"Clone(101, 102, exit_signal=17, ns_child=2, matched={why!r}, guessed=True)",
        "ExitBegin(102, group=True)",
        "Exit(102)",
        "Reap(0, 102)",  # who waited would be proof of the parent, which a match is not
    ]


def test_nested_numbers_that_strace_translates(tmp_path: Path) -> None:
    log = (
        "100 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 101\n"
        "101 fork() = 2 /* 102 in strace's PID NS */\n"
        "102 exit_group(0) = ?\n"
        "102 +++ exited with 0 +++\n101 wait4(2, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 2\n"
    )
    assert events_of(tmp_path, log)[2:] == [
        "Clone(101, 102, exit_signal=17, ns_child=2)",
        "ExitBegin(102, group=True)",
        "Exit(102)",
        "Reap(101, 102)",
    ]


def test_a_number_given_again_within_the_call(tmp_path: Path) -> None:
    """The call began before the number's last owner was gone: the birth comes after that one's end."""
    log = (
        "100 fork() = 101\n100 fork() = 102\n"
        "102 clone3({flags=0, exit_signal=SIGCHLD, set_tid=[101], set_tid_size=1}, 88 <unfinished ...>\n"
        "101 exit_group(0) = ?\n101 +++ exited with 0 +++\n"
        "100 wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 101\n"
        "102 <... clone3 resumed>) = 101\n102 exit_group(0) = ?\n102 +++ exited with 0 +++\n"
    )
    assert events_of(tmp_path, log)[3:7] == [
        "ExitBegin(101, group=True)",
        "Exit(101)",
        "Reap(100, 101)",
        "Clone(102, 101, exit_signal=17)",
    ]


def test_a_result_that_strace_says_twice_is_nobodys(tmp_path: Path) -> None:
    """strace 6.1: 12 was dead when it was asked for its registers, so the result before was printed once more."""
    path = tmp_path / "log"
    path.write_text(
        "9 fork() = 10\n9 fork() = 11\n"
        "11 clone(child_stack=0x7f1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 12\n"
        "10 vfork( <unfinished ...>\n12 fork( <unfinished ...>\n13 exit_group(3) = ?\n13 +++ exited with 3 +++\n"
        "10 <... vfork resumed>) = 13\n"
        "9 --- SIGWINCH {si_signo=SIGWINCH, si_code=SI_USER, si_pid=1, si_uid=0} ---\n"
        "12 <... fork resumed>) = 13\n12 +++ exited with 0 +++\n"
    )
    graph = replay(str(path))
    assert [(p.tgid, p.parent and p.parent.tgid, p.state) for p in graph.processes][1:] == [
        (10, 9, "running"),
        (11, 9, "running"),
        (13, 10, "zombie"),
    ]


def test_a_result_that_is_no_errno_is_missing(tmp_path: Path) -> None:
    """What strace 6.1 makes of another task's number of call: the child that shows next may be this call's."""
    log = (
        "9 clone3({flags=0, exit_signal=SIGCHLD}, 88 <unfinished ...>\n"
        "9 <... clone3 resumed>) = -1 (errno 18446744073709551557)\n9 +++ killed by SIGKILL +++\n10 exit(0) = ?\n"
    )
    assert [event for event in events_of(tmp_path, log) if event.startswith("Clone(9, 10")]


def test_a_task_that_only_sleeps_with_a_number_far_from_the_last(tmp_path: Path) -> None:
    """The counter was set, or has begun again: 8051 shows in no line of its own, and numbers go on from there."""
    path = tmp_path / "log"
    path.write_text("19600 fork() = 19601\n19601 fork() = 8051\n19600 fork() = 8052\n8052 exit_group(0) = ?\n")
    assert [p.tgid for p in replay(str(path)).processes] == [19600, 19601, 8051, 8052]


def test_a_last_child_that_only_sleeps_with_a_number_far_below_the_last_ones(tmp_path: Path) -> None:
    """pid_max is 32768: the counter has begun again, as nothing but this number shows (Python's fork does no exec)."""
    path = tmp_path / "log"
    path.write_text(
        '32608 execve("/bin/py", ["py"], 0x7ff /* 1 var */) = 0\n32608 fork() = 32739\n32608 fork() = 321\n'
    )
    graph = replay(str(path))
    assert [(p.tgid, p.parent and p.parent.tgid, str(p.evidence)) for p in graph.live()][1:] == [
        (32739, 32608, "observed"),
        (321, 32608, "inferred"),
    ]
    assert graph.find(321)[0].reason.startswith("number 321 is far below the last ones: the counter has begun again")


def test_a_wait_of_the_dead_that_returns_a_living_child(tmp_path: Path) -> None:
    """strace 6.1 prints the result before once more: 10, which an exec killed, has not reaped 12."""
    path = tmp_path / "log"
    path.write_text(
        "9 clone(child_stack=0x7f1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 10\n9 fork() = 11\n"
        "11 fork() = 13\n13 exit_group(0) = ?\n13 +++ exited with 0 +++\n"
        '10 wait4(-1,  <unfinished ...>\n11 fork() = 12\n9 execve("/bin/t", ["t"], 0x7ff /* 1 var */ <unfinished ...>\n'
        "10 <... wait4 resumed>NULL, 0, NULL) = 12\n10 +++ exited with 0 +++\n9 <... execve resumed>) = 0\n"
        "12 getppid() = 11\n12 exit_group(0) = ?\n12 +++ exited with 0 +++\n"
    )
    child = replay(str(path)).find(12)[0]
    assert (child.state, child.parent and child.parent.tgid, str(child.evidence)) == ("zombie", 11, "observed")


def test_a_signal_about_the_one_that_had_the_number_before(tmp_path: Path) -> None:
    """set_tid gives it again at once; the signal about the first one comes after that."""
    path = tmp_path / "log"
    path.write_text(
        "9 clone(child_stack=0x7f1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 10\n9 fork() = 11\n"
        "11 +++ killed by SIGKILL +++\n9 wait4(11, NULL, 0, NULL) = 11\n"
        "9 clone3({flags=0, exit_signal=SIGCHLD, set_tid=[11], set_tid_size=1}, 88) = 11\n"
        "10 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=11, si_uid=0, si_status=SIGKILL} ---\n"
    )
    assert [(p.tgid, p.state) for p in replay(str(path)).processes] == [(9, "running"), (11, "dead"), (11, "running")]


STRANGERS = """\
100 execve("/bin/sh", ["sh"], 0x1) = 0
100 clone(child_stack=NULL, flags=SIGCHLD) = 1101
1101 execve("/bin/true", ["true"], 0x1) = 0
900 exit_group(0) = ?
900 +++ exited with 0 +++
"""


def test_a_log_that_shows_nothing_of_namespaces_is_read_once(tmp_path: Path) -> None:
    """Somebody's creation is missing: where he lives is unknown, which matters only if there is a nested namespace."""
    path = tmp_path / "strace.log"
    path.write_text(STRANGERS)
    assert not read(path)[1].again
    path.write_text(STRANGERS + "1101 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 1102\n")
    assert read(path)[1].again
