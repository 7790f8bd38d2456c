"""A birth that was matched by guess weakens what is built on it, until something proves who the task is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .literal import NESTED, SHOWN, SIGNALLED, edges, edges_of

if TYPE_CHECKING:
    from pathlib import Path

THREAD = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM)"
WEAK = ("inferred", "assumed")

CUT_HEAD = "100 <... clone3 resumed>)               = 101\n"
"""101 is a process, or a thread of 100: the flags stood in the beginning of the call."""


def test_children_of_a_task_that_may_be_a_thread_are_inferred(tmp_path: Path) -> None:
    assert edges(tmp_path, CUT_HEAD + "101 fork() = 102\n")[102] == (101, "inferred")


def test_so_are_those_of_its_threads(tmp_path: Path) -> None:
    log = f"{CUT_HEAD}101 {THREAD} = 102\n102 fork() = 103\n"
    assert edges(tmp_path, log)[103] == (101, "inferred")


def test_its_exec_proves_that_it_leads_a_process(tmp_path: Path) -> None:
    log = CUT_HEAD + '101 fork() = 102\n101 execve("/a", ["a"], 0x1) = 0\n101 fork() = 103\n'
    found = edges(tmp_path, log)
    assert (found[102], found[103]) == ((101, "observed"), (101, "observed"))
    assert found[101] == (100, "inferred")  # with CLONE_PARENT it would be somebody else's child


def test_an_exec_under_another_number_proves_that_it_was_a_thread(tmp_path: Path) -> None:
    log = (
        f'{CUT_HEAD}101 fork() = 102\n101 execve("/a", ["a"], 0x1 <pid changed to 100 ...>\n'
        "100 +++ superseded by execve in pid 101 +++\n100 <... execve resumed>) = 0\n"
    )
    found = edges(tmp_path, log)
    assert found[102] == (100, "observed")
    assert 101 not in found


def test_a_guessed_child_of_a_proven_one_stays_a_guess(tmp_path: Path) -> None:
    log = (
        f'{CUT_HEAD}101 <... clone3 resumed>) = 102\n102 execve("/b", ["b"], 0x1) = 0\n'
        '101 execve("/a", ["a"], 0x1) = 0\n'
    )
    assert edges(tmp_path, log)[102] == (101, "inferred")


def test_what_the_kernel_told_a_guessed_task_is_inferred(tmp_path: Path) -> None:
    log = (
        "102 wait4(-1, NULL, 0, NULL) = -1 ECHILD (No child processes)\n102 +++ exited with 0 +++\n"
        f"{CUT_HEAD}101 {SIGNALLED.format(102)}\n"
    )
    assert edges(tmp_path, log)[102] == (101, "inferred")


def test_a_flag_that_a_guessed_task_set_counts_for_sure_once_it_is_proven(tmp_path: Path) -> None:
    flagged = f"{CUT_HEAD}101 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n"
    orphan = "101 fork() = 103\n103 fork() = 104\n103 +++ exited with 0 +++\n"
    assert edges(tmp_path, flagged + orphan)[104] == (101, "inferred")
    assert edges(tmp_path, flagged + '101 execve("/a", ["a"], 0x1) = 0\n' + orphan)[104] == (101, "derived")


def test_a_creator_that_was_killed_inside_its_call_has_no_other_child(tmp_path: Path) -> None:
    """By elimination: the birth is inferred, but what the child is, the call's flags say."""
    log = (
        "100 fork() = 101\n101 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>\n"
        "101 +++ killed by SIGKILL +++\n102 fork() = 103\n102 fork() = 104\n"
    )
    found = edges(tmp_path, log)
    assert found[102][1] in WEAK
    assert found[103] == (102, "observed")


def test_children_of_a_number_from_a_nested_namespace_are_inferred(tmp_path: Path) -> None:
    log = (
        "100 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 101\n"
        "101 fork( <unfinished ...>\n102 fork( <unfinished ...>\n101 <... fork resumed>) = 2\n"
        '103 getpid() = 3\n102 <... fork resumed>) = 3\n103 execve("/b", ["b"], 0x1) = 0\n103 exit_group(0) = ?\n'
    )
    assert edges(tmp_path, log)[103] == (102, "inferred")


def test_a_number_equal_to_one_outside_is_no_more_sure_inside(tmp_path: Path) -> None:
    """What a task in a nested namespace is told is a number of that namespace, whatever it happens to be."""
    log = (
        "100 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 101\n"
        "101 clone3({flags=0, exit_signal=SIGCHLD, set_tid=[102], set_tid_size=1}, 88 <unfinished ...>\n"
        "102 getpid() = 102\n101 <... clone3 resumed>) = 102\n"
    )
    assert edges(tmp_path, log)[102] == (101, "inferred")


def test_a_file_that_was_written_over_is_of_the_last_task_with_its_number(tmp_path: Path) -> None:
    """strace -ff opens NAME.TID anew for a task whose number is used again: the end that is told is the first one's."""
    files = {
        100: (
            '10:00:00.000000 execve("/a", ["a"], 0x1) = 0\n'
            "10:00:00.000001 fork() = 101\n"
            f"10:00:00.000002 {SIGNALLED.format(101)}\n"
            "10:00:00.000003 wait4(101, NULL, 0, NULL) = 101\n"
            "10:00:00.000004 fork() = 101\n"
            "10:00:00.900000 wait4(-1, NULL, WNOHANG, NULL) = 0\n"
        ),
        101: '10:00:00.000005 execve("/b", ["b"], 0x1) = 0\n10:00:00.000006 fork() = 102\n',
        102: "10:00:00.000007 +++ exited with 0 +++\n",
    }
    for tid, text in files.items():
        (tmp_path / f"log.{tid}").write_text(text)
    assert edges_of(tmp_path) == {
        100: (None, "unknown"),
        101: (100, "observed"),
        102: (101, "observed"),
    }


def test_what_a_stranger_is_told_may_be_a_number_of_a_nested_namespace(tmp_path: Path) -> None:
    log = f'{NESTED}150 fork( <unfinished ...>\n151 prctl(PR_SET_NAME, "x") = 0\n150 <... fork resumed>) = 151\n'
    assert edges(tmp_path, log)[151] == (150, "inferred")
    flat = log.replace("CLONE_NEWPID|", "")
    assert edges(tmp_path, flat + '150 execve("/a", ["a"], 0x1) = 0\n')[151] == (150, "observed")


def test_so_may_what_its_children_are_told(tmp_path: Path) -> None:
    log = f'{NESTED}150 fork() = 151\n151 execve("/a", ["a"], 0x1) = 0\n151 fork() = 152\n152 fork() = 153\n'
    assert edges(tmp_path, log)[152] == (151, "inferred")
    late = (
        log.replace(NESTED, '100 execve("/a", ["a"], 0x1) = 0\n') + NESTED.replace("101", "154") + "152 fork() = 155\n"
    )
    assert edges(tmp_path, late)[155] == (152, "inferred")


def test_what_the_first_task_of_the_log_is_told_is_a_number_of_its_namespace(tmp_path: Path) -> None:
    log = f'100 execve("/a", ["a"], 0x1) = 0\n{SHOWN}{NESTED}100 fork() = 102\n102 fork() = 103\n'
    assert edges(tmp_path, log)[103] == (102, "observed")


def test_a_high_number_near_the_last_one_is_no_coincidence(tmp_path: Path) -> None:
    """Above RESERVED_PIDS the counters of two namespaces seldom meet."""
    log = (
        '1000 execve("/a", ["a"], 0x1) = 0\n1000 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 1001\n'
        '1050 execve("/a", ["a"], 0x1) = 0\n1050 fork() = 1051\n1051 fork() = 1052\n'
    )
    found = edges(tmp_path, log)
    assert (found[1051], found[1052]) == ((1050, "observed"), (1051, "observed"))


def test_a_number_in_use_that_a_stranger_is_told_means_another_task(tmp_path: Path) -> None:
    log = (
        f'100 execve("/a", ["a"], 0x1) = 0\n{SHOWN}{NESTED}100 fork() = 102\n102 fork() = 103\n'
        '104 execve("/b", ["b"], 0x1) = 0\n150 fork() = 103\n'
    )
    found = edges(tmp_path, log)
    assert found[103] == (102, "observed")


def test_setns_that_says_no_kind_may_enter_a_pid_namespace(tmp_path: Path) -> None:
    log = '100 execve("/a", ["a"], 0x1) = 0\n100 setns(3, {}) = 0\n100 fork() = 101\n101 fork() = 102\n'
    assert edges(tmp_path, log.format("CLONE_NEWNET"))[102] == (101, "observed")
    assert edges(tmp_path, log.format("0"))[102] == (101, "inferred")
    assert edges(tmp_path, log.replace("setns(3,", "setns(3<net:[4026531840]>,").format("0"))[102] == (101, "observed")


def test_threads_that_were_attached_to_with_the_first_task_live_where_it_does(tmp_path: Path) -> None:
    log = (
        "strace: Process 100 attached with 2 threads\n[pid   100] unshare(CLONE_FS) = 0\n"
        "[pid   100] clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 102\n"
        "[pid   101] fork() = 103\n[pid   103] fork() = 104\n"
    )
    assert edges(tmp_path, log)[104] == (103, "observed")
    assert edges(tmp_path, log.replace(" with 2 threads", ""))[104] == (103, "inferred")


def test_where_numbers_are_nested_elimination_is_a_guess(tmp_path: Path) -> None:
    log = (
        f'100 execve("/a", ["a"], 0x1) = 0\n{NESTED}100 fork() = 102\n'
        "102 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>\n102 +++ killed by SIGKILL +++\n103 fork() = 104\n"
    )
    assert edges(tmp_path, log)[104] == (103, "inferred")
    assert edges(tmp_path, log.replace("CLONE_NEWPID|", ""))[104] == (103, "observed")
