"""Calls whose task was killed inside: what the log says of them is not always what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.sources.strace.logs import events_of
from tracer import replay

if TYPE_CHECKING:
    from pathlib import Path

    from tracer.graph import Process, ProcessGraph

THREAD = "clone(child_stack=0x7f1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD"


def graph_of(folder: Path, text: str) -> ProcessGraph:
    path = folder / "strace.log"
    path.write_text(text)
    return replay(str(path))


def edge(process: Process) -> tuple[int | None, str]:
    return process.parent and process.parent.tgid, str(process.evidence)


def test_a_number_that_strace_repeats_for_the_dying_is_not_their_childs(tmp_path: Path) -> None:
    """12 is 10's child. 9, which an exec killed, and 8, which a signal killed, got no result: strace repeats 10's."""
    graph = graph_of(
        tmp_path,
        "7 fork() = 8\n"
        "7 fork() = 9\n"
        f"9 {THREAD}) = 11\n"
        "7 fork() = 10\n"
        "8 fork( <unfinished ...>\n"
        "9 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD <unfinished ...>\n"
        "10 fork( <unfinished ...>\n"
        '11 execve("/bin/t", ["t"], 0x7ff /* 1 var */ <unfinished ...>\n'
        "10 <... fork resumed>) = 12\n"
        "8 <... fork resumed>) = 12\n"
        "9 <... clone resumed>) = 12\n"
        "8 +++ killed by SIGKILL +++\n"
        "9 +++ superseded by execve in pid 11 +++\n"
        "9 <... execve resumed>) = 0\n"
        "12 getppid() = 10\n",
    )
    assert edge(graph.find(12)[0]) == (10, "observed")
    assert [p.tgid for p in graph.live()] == [7, 8, 9, 10, 12]  # 8 is a zombie


def test_a_number_twice_in_a_row_is_two_tasks_where_the_callers_live_on(tmp_path: Path) -> None:
    """Two pid namespaces, whose numbers begin at 1 each."""
    got = events_of(
        tmp_path,
        "7 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 8\n"
        "7 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 9\n"
        "8 fork( <unfinished ...>\n"
        "9 fork( <unfinished ...>\n"
        "8 <... fork resumed>) = 2\n"
        "10 exit_group(0) = ?\n"
        "10 +++ exited with 0 +++\n"
        "9 <... fork resumed>) = 2\n"
        "11 exit_group(0) = ?\n"
        "8 wait4(-1, NULL, 0, NULL) = 2\n"
        "9 exit_group(0) = ?\n",
    )
    assert sum(line.startswith(("Clone(8, 10", "Clone(9, 11")) for line in got) == 2


def test_a_number_that_does_not_follow_is_not_a_dead_tasks_child(tmp_path: Path) -> None:
    """202 is the number of futex(2), which another task had entered."""
    text = (
        "7 fork() = 8\n"
        "8 fork( <unfinished ...>\n"
        "7 fork() = 9\n"
        "8 <... fork resumed>) = {}\n"
        "7 fork() = 11\n"
        "8 +++ killed by SIGKILL +++\n"
    )
    graph = graph_of(tmp_path, text.format(202))
    assert [p.tgid for p in graph.live()] == [7, 8, 9, 11]
    graph = graph_of(tmp_path, text.format(202) + "10 prctl(PR_SET_PDEATHSIG, SIGTERM) = 0\n")
    assert edge(graph.find(10)[0]) == (1, "assumed")  # 8 left it to whoever is above
    assert graph.find(10)[0].creator is graph.find(8)[0]
    graph = graph_of(tmp_path, text.format(202) + "202 prctl(PR_SET_PDEATHSIG, SIGTERM) = 0\n")
    assert graph.find(202)[0].creator is graph.find(8)[0]
    assert {p.tgid for p in graph_of(tmp_path, text.format(10)).live()} == {7, 8, 9, 10, 11}


def test_a_signal_that_is_told_before_it_kills_leaves_the_call_its_result(tmp_path: Path) -> None:
    end = "8 --- SIGTERM {si_signo=SIGTERM} ---\n8 +++ killed by SIGTERM +++\n"
    text = "7 fork() = 8\n7 fork() = 9\n8 fork() = 202\n" + end
    assert {p.tgid for p in graph_of(tmp_path, text).live()} == {7, 8, 9, 202}


@pytest.mark.parametrize("after", ["8 kill(9, SIGURG) = 0\n", '8 prctl(PR_SET_NAME, "x") = 0\n', ""])
def test_a_number_is_believed_of_who_goes_on(tmp_path: Path, after: str) -> None:
    """The counter was set: who lives has really got it."""
    text = "7 fork() = 8\n8 fork( <unfinished ...>\n7 fork() = 9\n8 <... fork resumed>) = 202\n" + after
    end = "8 exit_group(0) = ?\n8 +++ exited with 0 +++\n"
    assert {p.tgid for p in graph_of(tmp_path, text + end).live()} == {7, 8, 9, 202}


@pytest.mark.parametrize(
    "result",
    [
        *("-1 (errno 18446744073709551294)", "-1 ENOENT (No such file or directory)", "0", "? <unavailable>", "?"),
        *("654209024", "-1493274624", "4194305"),  # addresses, and what else is higher than PID_MAX_LIMIT
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_result_that_clone_cannot_have_says_nothing_of_the_child(tmp_path: Path, result: str, whole: bool) -> None:
    """9 was killed on the way out of clone, which had made 10."""
    call = "9 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD"
    graph = graph_of(
        tmp_path,
        "7 fork() = 8\n8 fork() = 9\n"
        + (f"{call}) = {result}\n" if whole else f"{call} <unfinished ...>\n9 <... clone resumed>) = {result}\n")
        + "9 +++ killed by SIGKILL +++\n10 getppid() = 8\n10 exit_group(0) = ?\n",
    )
    assert edge(graph.find(10)[0]) == (8, "inferred")


@pytest.mark.parametrize("result", ["-1 EAGAIN (Resource temporarily unavailable)", "-1 (errno 11)"])
def test_a_result_that_clone_can_have_is_believed(tmp_path: Path, result: str) -> None:
    graph = graph_of(
        tmp_path, f"7 fork() = 8\n8 fork() = {result}\n8 +++ killed by SIGKILL +++\n9 wait4(-1, NULL, 0, NULL) = 1\n"
    )
    assert edge(graph.find(9)[0]) == (None, "unknown")


def test_a_leader_that_its_threads_exec_killed_inside_clone(tmp_path: Path) -> None:
    """The flags of the call count though it has no second line: with CLONE_PARENT, 10 is 8's sister's."""
    graph = graph_of(
        tmp_path,
        "7 fork() = 8\n"
        f"8 {THREAD}) = 9\n"
        "8 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD <unfinished ...>\n"
        '9 execve("/bin/t", ["t"], 0x7ff /* 1 var */ <unfinished ...>\n'
        "8 +++ superseded by execve in pid 9 +++\n"
        "10 wait4(-1, NULL, 0, NULL) = -1 ECHILD (No child processes)\n"
        "8 <... execve resumed>) = 0\n",
    )
    assert edge(graph.find(10)[0]) == (7, "inferred")


def test_a_call_was_over_where_the_log_says_that_it_never_returned(tmp_path: Path) -> None:
    """Both 8 and 9 were killed inside fork. 8's call was over before 11 was born, which had its number before 12."""
    graph = graph_of(
        tmp_path,
        "7 fork() = 8\n7 fork() = 9\n7 fork() = 10\n"
        "8 fork( <unfinished ...>\n"
        "8 <... fork resumed>) = ?\n"
        "10 fork( <unfinished ...>\n"
        "10 <... fork resumed>) = 11\n"
        "9 fork( <unfinished ...>\n"
        "9 <... fork resumed>) = ?\n"
        "8 +++ killed by SIGKILL +++\n"
        "9 +++ killed by SIGKILL +++\n"
        "12 wait4(-1, NULL, 0, NULL) = -1 ECHILD (No child processes)\n",
    )
    assert graph.find(12)[0].creator is graph.find(9)[0]


@pytest.mark.parametrize("result", ["-1 (errno 18446744073709551560)", "-1 ENOENT (No such file or directory)"])
def test_an_exec_that_fails_after_its_thread_became_the_leader(tmp_path: Path, result: str) -> None:
    """The thread's number is free, also where the error is one that no call has: 9 is another task then."""
    graph = graph_of(
        tmp_path,
        f"7 fork() = 8\n8 {THREAD}) = 9\n"
        '9 execve("/bin/t", ["t"], 0x7ff /* 1 var */ <unfinished ...>\n'
        "8 +++ superseded by execve in pid 9 +++\n"
        f"8 <... execve resumed>) = {result}\n"
        "7 fork() = 9\n9 wait4(-1, NULL, 0, NULL) = -1 ECHILD (No child processes)\n8 exit_group(0) = ?\n",
    )
    assert edge(graph.find(9)[0]) == (7, "inferred")  # the counter was set back


@pytest.mark.parametrize("form", ["{} ", "[pid {}] "])
@pytest.mark.parametrize("after", ["kill(8, SIGKILL) = ?", "wait4(-1, NULL, WNOHANG, NULL) = 0", "getpid() = 8"])
def test_a_number_is_believed_of_who_has_gone_on_before_it_was_killed(tmp_path: Path, form: str, after: str) -> None:
    lines = ["7 fork() = 8", "8 fork( <unfinished ...>", "7 fork() = 9", "8 <... fork resumed>) = 202"]
    lines += ["7 fork() = 11", f"8 {after}", "8 +++ killed by SIGKILL +++"]
    text = "".join(f"{form.format(tid)}{rest}\n" for tid, _, rest in (line.partition(" ") for line in lines))
    assert {p.tgid for p in graph_of(tmp_path, text).live()} == {7, 8, 9, 11, 202}
    without = "".join(line for line in text.splitlines(True) if after not in line)
    assert {p.tgid for p in graph_of(tmp_path, without).live()} == {7, 8, 9, 11}
