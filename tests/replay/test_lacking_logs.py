"""What a log lacks makes doubtful what rests on it, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .literal import NESTED, SHOWN, SIGNALLED, edges

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = '100 execve("/a", ["a"], 0x1) = 0\n'
KILLED_INSIDE = "101 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>\n101 +++ killed by SIGKILL +++\n"


def _high(log: str) -> str:
    """With numbers that the kernel gives again."""
    return re.sub(r"\b10(\d)\b", r"70\1", log)


def test_what_is_left_over_may_be_one_whose_birth_is_missing(tmp_path: Path) -> None:
    """102 is all that is left for the call of 101. Where another task came out of nowhere, it may be a thread, too."""
    log = f"{BEGIN}100 fork() = 101\n{KILLED_INSIDE}102 fork() = 103\n"
    assert edges(tmp_path, log)[103] == (102, "observed")
    assert edges(tmp_path, f"{log}150 getpid() = 150\n")[103] == (102, "inferred")


def test_also_beside_results_that_are_none(tmp_path: Path) -> None:
    """202 is none of 104's, who has created 105. Nobody has created 150."""
    log = f"{BEGIN}100 fork() = 101\n{KILLED_INSIDE}102 fork() = 103\n100 fork() = 104\n104 fork( <unfinished ...>\n"
    log += "104 <... fork resumed>) = 202\n104 +++ killed by SIGKILL +++\n105 getpid() = 105\n100 fork() = 106\n"
    log += "106 exit_group(0) = ?\n106 +++ exited with 0 +++\n"
    assert edges(tmp_path, log)[103] == (102, "observed")
    assert edges(tmp_path, f"{log}150 getpid() = 150\n")[103] == (102, "inferred")


def test_a_number_of_a_living_task_is_no_new_one(tmp_path: Path) -> None:
    """-qq: ends are not shown, but calls of exit are. Nothing tells that 102 has ended."""
    log = f"{BEGIN}{SHOWN}{NESTED}100 fork() = 102\n100 fork() = 103\n{{}}103 fork() = 102\n103 getpid() = 103\n"
    left = log.format("102 exit_group(0) = ?\n100 wait4(-1, NULL, 0, NULL) = 102\n")
    assert edges(tmp_path, _high(left))[702] == (703, "observed")
    assert edges(tmp_path, _high(log.format("")))[702] == (703, "inferred")
    late = log.format("") + "100 wait4(-1, NULL, 0, NULL) = 102\n"  # the line of a wait may come late
    assert edges(tmp_path, _high(late))[702] == (703, "observed")


def test_nor_is_that_of_a_zombie_that_nobody_waited_for(tmp_path: Path) -> None:
    ended = "102 exit_group(0) = ?\n102 +++ exited with 0 +++\n"
    waited = "100 wait4(-1, NULL, 0, NULL) = 102\n"
    set_tid = "103 clone3({flags=0, exit_signal=SIGCHLD, set_tid=[102], set_tid_size=1}, 88) = 102\n"
    log = f"{BEGIN}{SHOWN}{NESTED}100 fork() = 102\n100 fork() = 103\n{ended}"
    assert edges(tmp_path, log + waited + set_tid)[102] == (103, "observed")
    assert edges(tmp_path, log + set_tid)[102] == (103, "inferred")
    assert edges(tmp_path, log.replace("CLONE_NEWPID|", "") + set_tid)[102] == (103, "observed")


def test_where_entering_is_not_traced_a_number_that_comes_back_may_be_a_nested_one(tmp_path: Path) -> None:
    log = (
        f"{BEGIN}{NESTED}100 fork() = 102\n100 fork() = 103\n102 exit_group(0) = ?\n102 +++ exited with 0 +++\n"
        "100 wait4(-1, NULL, 0, NULL) = 102\n"
        "103 clone3({flags=0, exit_signal=SIGCHLD, set_tid=[102], set_tid_size=1}, 88) = 102\n102 fork() = 104\n"
    )
    found = edges(tmp_path, log)
    assert (found[102], found[103]) == ((103, "inferred"), (100, "observed"))
    assert edges(tmp_path, log.replace(NESTED, SHOWN + NESTED))[102] == (103, "observed")
    assert edges(tmp_path, log.replace("CLONE_NEWPID|", ""))[102] == (103, "observed")


def test_what_the_kernel_tells_by_a_number_may_be_of_a_nested_one_then(tmp_path: Path) -> None:
    log = f"{BEGIN}{NESTED}100 fork() = 102\n100 fork() = 103\n102 +++ exited with 0 +++\n103 {SIGNALLED.format(102)}\n"
    assert edges(tmp_path, log)[102] == (100, "observed")
    assert edges(tmp_path, log.replace(NESTED, SHOWN + NESTED))[102] == (103, "observed")


def test_the_first_task_of_a_log_without_its_beginning_may_live_anywhere(tmp_path: Path) -> None:
    log = f"100 fork() = 101\n101 fork() = 102\n{SHOWN}{NESTED.replace('101', '103')}102 fork() = 104\n"
    assert edges(tmp_path, log)[104] == (102, "observed")
    assert edges(tmp_path, f"esumed>) = 0\n{log}")[104] == (102, "inferred")


def test_also_before_the_log_shows_that_there_are_namespaces(tmp_path: Path) -> None:
    log = "esumed>) = 0\n150 getpid() = 150\n100 fork() = 101\n101 fork() = 102\n"
    assert edges(tmp_path, log)[102] == (101, "observed")
    assert edges(tmp_path, f"{log}{SHOWN}{NESTED.replace('101', '103')}")[102] == (101, "inferred")
    assert edges(tmp_path, _high(f"{log}{SHOWN}{NESTED.replace('101', '103')}"))[702] == (701, "observed")


def test_so_may_a_task_that_was_found_by_leaving_out(tmp_path: Path) -> None:
    found = f"{BEGIN}100 fork() = 101\n{KILLED_INSIDE}102 getpid() = 102\n102 fork() = 103\n"
    log = f"{found}{SHOWN}{NESTED.replace('101', '104')}103 fork() = 105\n"
    assert edges(tmp_path, log)[105] == (103, "inferred")
    assert edges(tmp_path, log.replace("CLONE_NEWPID|", ""))[105] == (103, "observed")


def test_a_notice_behind_the_end_of_a_line_is_of_somebodys_child(tmp_path: Path) -> None:
    """The call that created 101 began before the log, and may have made a thread."""
    log = (
        "stack_size=0xfbc0}, 88strace: Process 101 attached\n) = 101\n"
        "[pid   101] fork() = 102\n[pid   102] fork() = 103\n"
    )
    found = edges(tmp_path, log)
    assert (found[102], found[103]) == ((101, "inferred"), (102, "observed"))
    first = log.partition("88")[2].replace(") = 101\n", "")
    assert edges(tmp_path, first)[102] == (101, "observed")
    assert edges(tmp_path, f"{first}[pid   150] fork() = 151\n")[102] == (101, "inferred")  # 150 has no notice
    several = first.replace("attached", "attached with 2 threads")
    assert edges(tmp_path, f"{several}[pid   150] fork() = 151\n")[102] == (101, "observed")
    assert edges(tmp_path, f"lone(flags={log}")[102] == (101, "inferred")


def test_without_prefix_the_other_one_that_lived_is_the_leader(tmp_path: Path) -> None:
    log = (
        "esumed>) = 0\nstrace: Process 103 attached\n"
        '[pid   101] execve("/a", ["a"], 0x1 <unfinished ...>\n'
        "[pid   100] wait4(-1, NULL, WNOHANG, NULL) = -1 ECHILD (No child processes)\n"
        "[pid   103] +++ exited with 0 +++\n+++ superseded by execve in pid 101 +++\n"
        "<... execve resumed>) = 0\nfork() = 104\n"
    )
    assert edges(tmp_path, log)[104] == (100, "observed")


def test_the_number_of_a_thread_is_free_before_its_execve_returns(tmp_path: Path) -> None:
    """de_thread() has given it up where "superseded" is written."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM"
    log = (
        f'{BEGIN}100 fork() = 101\n101 {thread}) = 102\n102 execve("/b", ["b"], 0x1 <unfinished ...>\n'
        f"101 +++ superseded by execve in pid 102 +++\n100 {thread} <unfinished ...>\n100 <... clone resumed>) = 102\n"
        "102 fork() = 103\n101 <... execve resumed>) = 0\n101 fork() = 104\n102 fork() = 105\n"
    )
    found = edges(tmp_path, _high(log))
    assert (found[703], found[704], found[705]) == ((700, "observed"), (701, "observed"), (700, "observed"))


def test_what_becomes_of_an_untraced_child_is_not_in_the_log(tmp_path: Path) -> None:
    """It may have ended, and the number of a zombie whose parent ignores SIGCHLD may be one of its children's."""
    log = (
        f"{BEGIN}100 clone(child_stack=NULL, flags=CLONE_UNTRACED|SIGCHLD) = 101\n100 fork() = 102\n100 fork() = 103\n"
    )
    log += "103 exit_group(0) = ?\n103 +++ exited with 0 +++\n"
    assert edges(tmp_path, f"{log}100 {SIGNALLED.format(103)}\n")[103] == (100, "observed")
    assert edges(tmp_path, log) == {
        100: (None, "unknown"),
        101: (100, "inferred"),
        102: (100, "observed"),
        103: (100, "inferred"),
    }


def test_the_children_of_who_has_called_exit_may_have_moved(tmp_path: Path) -> None:
    log = f"{BEGIN}100 fork() = 101\n101 fork() = 102\n101 fork() = 103\n103 +++ exited with 0 +++\n"
    assert edges(tmp_path, log)[102] == (101, "observed")
    assert edges(tmp_path, f"{log}101 exit_group(0) = ?\n")[102] == (101, "inferred")
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM)"
    assert edges(tmp_path, f"{log}101 {thread} = 104\n101 exit(0) = ?\n")[102] == (101, "observed")  # 104 has them
    assert edges(tmp_path, f"{log}101 {thread} = 104\n104 exit_group(0) = ?\n")[102] == (101, "inferred")


def test_a_signal_tells_the_parent_of_an_end_whose_line_is_lost(tmp_path: Path) -> None:
    log = f"{BEGIN}100 fork() = 101\n101 fork() = 102\n100 fork() = 103\n103 +++ exited with 0 +++\n"
    found = edges(tmp_path, f"{log}100 {SIGNALLED.format(101)}\n")
    assert (found[101], found[102]) == ((100, "observed"), (1, "assumed"))
    assert edges(tmp_path, f"{log}103 {SIGNALLED.format(101)}\n")[102] == (101, "observed")  # not his child


def test_a_task_that_was_there_before_the_call_is_not_its_child(tmp_path: Path) -> None:
    """104 has shown itself before 103 calls fork: the 104 that 103 is told is a number of a nested namespace."""
    log = (
        f"{BEGIN}{SHOWN}{NESTED}100 fork() = 102\n100 fork() = 103\n102 fork( <unfinished ...>\n"
        "104 prctl(PR_SET_PDEATHSIG, 0) = 0\n103 fork( <unfinished ...>\n103 <... fork resumed>) = 104\n"
        "102 +++ killed by SIGKILL +++\n"
    )
    assert edges(tmp_path, _high(log))[704] == (1, "assumed")


def test_an_exec_proves_of_the_caller_alone_whose_thread_it_is(tmp_path: Path) -> None:
    """A log that begins late. That 202 is a thread of 230's is a guess still, and a wrong one: it goes on."""
    log = (
        "140 fork() = 300\n230 fork() = 301\n"
        "202 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=301, si_uid=0, si_status=SIGKILL} ---\n"
        '230 execve("/b", ["b"], 0x1 <unfinished ...>\n202 fork() = 302\n'
        "140 +++ superseded by execve in pid 230 +++\n140 <... execve resumed>) = 0\n202 fork() = 303\n"
    )
    found = edges(tmp_path, log)
    assert (found[300], found[302], found[303]) == ((140, "observed"), (140, "inferred"), (202, "inferred"))


def test_the_dead_do_nothing(tmp_path: Path) -> None:
    """Waits are not traced. 102 was a zombie: who shows itself under that number now is another task."""
    log = f"{BEGIN}100 fork() = 101\n101 fork() = 102\n102 +++ exited with 0 +++\n"
    assert edges(tmp_path, log)[102] == (101, "observed")
    assert edges(tmp_path, f"{log}102 prctl(PR_SET_PDEATHSIG, 0) = 0\n")[102] == (None, "unknown")


def test_a_stranger_may_have_called_setns_before_the_log(tmp_path: Path) -> None:
    """700 lives in strace's namespace, for it is told 701. Where 701 lives, and so what its numbers mean, is open."""
    log = f"esumed>) = 0\n{SHOWN}{NESTED}700 fork() = 701\n"
    assert edges(tmp_path, f"{log}701 fork() = 202\n")[202] == (701, "inferred")
    assert edges(tmp_path, f"{log}701 fork() = 702\n702 fork() = 703\n")[703] == (702, "observed")
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM)"
    assert edges(tmp_path, f"{log}700 {thread} = 703\n703 fork() = 704\n704 fork() = 202\n")[202] == (704, "inferred")


def test_who_is_told_of_an_end_that_no_line_tells_may_live_elsewhere(tmp_path: Path) -> None:
    """100 had called setns before the log: 101 calls 105 so that has ended, and somebody else 102."""
    began = "100 fork() = 101\n101 fork() = 102\n101 fork() = 103\n105 exit_group(3) = ?\n105 +++ exited with 3 +++\n"
    rest = (
        f"101 {SIGNALLED.format(103)}\n104 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 4\n106 fork() = 107\n"
    )
    told = "103 exit_group(3) = ?\n103 +++ exited with 3 +++\n"
    assert edges(tmp_path, began + rest)[102] == (101, "inferred")
    assert edges(tmp_path, began + told + rest)[102] == (101, "observed")


def test_setns_into_what_is_not_told_shows_that_there_may_be_namespaces(tmp_path: Path) -> None:
    log = "esumed>) = 0\n{}100 fork() = 101\n101 fork() = 102\n102 fork() = 103\n"
    assert edges(tmp_path, log.format(""))[103] == (102, "observed")
    assert edges(tmp_path, log.format("100 setns(3, 0) = 0\n"))[103] == (102, "inferred")


def test_the_number_of_the_first_line_can_be_torn(tmp_path: Path) -> None:
    """strace pads numbers to five characters."""
    log = "{}fork()                            = 702\n702   fork()                            = 703\n"
    assert edges(tmp_path, log.format("701   "))[702] == (701, "inferred")
    assert edges(tmp_path, log.format("1   ")) == {702: (None, "unknown"), 703: (702, "inferred")}
    assert edges(tmp_path, log.format("1   ").replace("702   f", "702 f")) == {
        1: (None, "unknown"),
        702: (1, "observed"),
        703: (702, "observed"),
    }


def test_a_signal_and_a_wait_tell_an_end_whose_line_is_lost(tmp_path: Path) -> None:
    """strace -z drops what it keeps back of a call that does not return, a line of the end included."""
    log = (
        f"{BEGIN}100 fork() = 101\n100 fork() = 102\n101 fork() = 103\n103 +++ exited with 0 +++\n"
        f"100 {SIGNALLED.format(102)}\n100 wait4(102, NULL, 0, NULL) = 102\n"
        "102 fork() = 104\n101 vfork() = 102\n"
    )
    assert edges(tmp_path, _high(log))[702] == (701, "observed")


def test_a_thread_may_have_been_doing_anything_when_another_ran_a_program(tmp_path: Path) -> None:
    """strace -z: 101 was killed inside prctl, or was not."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM)"
    log = (
        f"{BEGIN}100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n100 fork() = 101\n{{}}101 fork() = 104\n104 fork() = 105\n"
        "{}104 +++ exited with 0 +++\n100 getpid() = 100\n"
    )
    taken = f'101 {thread} = 102\n101 +++ superseded by execve in pid 102 +++\n101 execve("/b", ["b"], 0x1) = 0\n'
    flag = "101 prctl(PR_SET_CHILD_SUBREAPER, 0) = 0\n"
    left = "104 exit_group(0) = ?\n"
    assert edges(tmp_path, log.format(taken, ""))[105] == (100, "inferred")
    assert edges(tmp_path, log.format(taken + flag, ""))[105] == (100, "derived")
    assert edges(tmp_path, log.format("", ""))[105] == (100, "derived")
    assert edges(tmp_path, log.format(taken, left))[105] == (100, "derived")


def test_threads_that_end_alike_end_all(tmp_path: Path) -> None:
    """strace -z: calls of exit are not shown, and the line of an end can be lost."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM)"
    log = f"{BEGIN}100 fork() = 101\n101 {thread} = 102\n101 {thread} = 103\n101 fork() = 104\n"
    log += "103 +++ exited with 7 +++\n{}102 +++ exited with 7 +++\n"
    assert edges(tmp_path, log.format(""))[104] == (101, "inferred")
    assert edges(tmp_path, log.format("").replace("7", "8", 1))[104] == (101, "observed")
    assert edges(tmp_path, log.format("100 exit_group(7) = ?\n"))[104] == (101, "observed")
    assert edges(tmp_path, f"{log.format('')}101 fork() = 105\n")[104] == (101, "observed")
    killed = log.format("").replace("exited with 7", "killed by SIGTERM", 1)
    assert edges(tmp_path, killed.rpartition("102 +++")[0])[104] == (101, "inferred")


def test_a_thread_that_a_killed_caller_left_may_have_ended_all(tmp_path: Path) -> None:
    """-qq: 104 and 105 are of two calls whose callers were killed inside; if one is a thread, it has ended 101."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM"
    log = (
        f"{BEGIN}100 fork() = 101\n100 fork() = 102\n101 fork() = 103\n101 {thread} <unfinished ...>\n"
        "102 fork( <unfinished ...>\n104 exit_group(1 <unfinished ...>\n"
        "102 <... fork resumed>) = ?\n105 getpid() = 105\n104 <... exit_group resumed>) = ?\n"
        "102 +++ killed by SIGKILL +++\n"
    )
    assert edges(tmp_path, log)[103] == (101, "inferred")
    log = log.replace(thread, "fork(").replace("<... clone", "<... fork")
    assert edges(tmp_path, log)[103] == (101, "observed")


def test_a_number_that_never_shows_itself_may_be_no_result(tmp_path: Path) -> None:
    """-qq: 202 is what strace had read of another task (SYS_futex), and 104 the thread that ends 101."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM"
    log = (
        f"{BEGIN}100 fork() = 101\n101 fork() = 103\n101 {thread} <unfinished ...>\n"
        "104 exit_group(1 <unfinished ...>\n101 <... clone resumed>) = 202\n104 <... exit_group resumed>) = ?\n"
    )
    assert edges(tmp_path, log)[103] == (101, "inferred")
    assert edges(tmp_path, f"{log}101 fork() = 105\n")[103] == (101, "observed")


def test_of_late_told_calls_one_may_be_of_the_next_with_the_number(tmp_path: Path) -> None:
    """strace -z: 102 spoke and ended before 101's call was told. That may have created another 102."""
    log = (
        f"{BEGIN}100 fork() = 101\n102 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = 103\n{{}}"
        "101 {} = 102\n103 fork() = 104\n104 +++ exited with 0 +++\n"
    )
    ended = "102 +++ exited with 7 +++\n"
    assert edges(tmp_path, log.format("", "fork()"))[103] == (101, "derived")
    assert edges(tmp_path, log.format(ended, "fork()"))[103] == (101, "inferred")
    assert edges(tmp_path, log.format(ended, "vfork()"))[103] == (101, "derived")


def test_who_is_not_named_may_be_any_that_is_named_later(tmp_path: Path) -> None:
    """2>&1, without its beginning: one of 100 and 101 has created 102."""
    log = (
        'esumed>) = 0\nexecve("/a", ["a"], 0x1) = 0\nclone(child_stack=NULL, flags=SIGCHLD) = 102\n'
        "fork( <unfinished ...>\n[pid   100] prctl(PR_SET_PDEATHSIG, 0) = 0\n"
        "[pid   101] prctl(PR_SET_PDEATHSIG, 0) = 0\n"
    )
    assert edges(tmp_path, log)[102] == (0, "inferred")


ENDED = "100 fork() = 103\n103 exit_group(0) = ?\n103 +++ exited with 0 +++\n"
ENTERED = '102 fork() = 101\n102 prctl(PR_SET_NAME, "b") = 0\n'
"""101 lives, so 102 was told a number of a nested namespace; and no line says how it came into one."""


def test_where_somebody_has_entered_unseen_all_but_the_first_may_have(tmp_path: Path) -> None:
    log = f'{BEGIN}100 fork() = 101\n100 fork() = 102\n{ENDED}101 fork() = 150\n{{}}150 prctl(PR_SET_NAME, "a") = 0\n'
    assert edges(tmp_path, log.format(""))[150] == (101, "observed")
    found = edges(tmp_path, log.format(ENTERED))
    assert (found[101], found[150]) == ((100, "observed"), (101, "inferred"))
    high = _high(log.format(ENTERED)).replace("150", "750")  # too high for a counter that has begun at 1
    assert edges(tmp_path, high)[750] == (701, "observed")


def test_nor_are_they_told_of_ends_for_sure(tmp_path: Path) -> None:
    ended = f"102 fork() = 104\n104 exit_group(0) = ?\n104 +++ exited with 0 +++\n101 {SIGNALLED.format(104)}\n"
    log = f"{BEGIN}100 fork() = 101\n100 fork() = 102\n{ENDED}{ended}"
    assert edges(tmp_path, log)[104] == (101, "observed")
    assert edges(tmp_path, log + ENTERED)[104] == (102, "inferred")
    assert edges(tmp_path, _high(log + ENTERED))[704] == (701, "observed")


def test_a_thread_that_nobody_knows_may_have_made_a_subreaper(tmp_path: Path) -> None:
    """110 may be one of 101, which was passed over when 102 ended."""
    log = (
        f"{BEGIN}100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n100 fork() = 101\n101 fork() = 102\n102 fork() = 104\n{{}}"
        "102 exit_group(0) = ?\n102 +++ exited with 0 +++\n"
    )
    assert edges(tmp_path, log.format(""))[104] == (100, "derived")
    setter = "110 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n"
    assert edges(tmp_path, log.format(setter))[104] == (100, "inferred")
    beside = log.format(setter).replace("101 fork() = 102", "100 fork() = 102")  # nobody is passed over
    assert edges(tmp_path, beside)[104] == (100, "derived")


def test_or_have_cleared_the_flag_of_who_inherited(tmp_path: Path) -> None:
    """And 105, a sibling of 102, is where that one is."""
    sibling = "102 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD <unfinished ...>\n105 getpid() = 105\n"
    log = (
        f"{BEGIN}100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n100 fork() = 101\n101 fork() = 102\n{{}}"
        f"101 exit_group(0) = ?\n101 +++ exited with 0 +++\n{sibling}102 <... clone resumed>) = 105\n"
    )
    found = edges(tmp_path, log.format(""))
    assert (found[102], found[105]) == ((100, "derived"), (100, "derived"))
    found = edges(tmp_path, log.format("110 prctl(PR_SET_CHILD_SUBREAPER, 0) = 0\n"))
    assert (found[102], found[105]) == ((100, "inferred"), (100, "inferred"))


def test_also_where_it_has_set_its_flag_back(tmp_path: Path) -> None:
    log = (
        f"{BEGIN}100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n100 fork() = 101\n101 fork() = 102\n102 fork() = 104\n"
        "110 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n102 exit_group(0) = ?\n102 +++ exited with 0 +++\n{}"
    )
    assert edges(tmp_path, log.format("110 prctl(PR_SET_CHILD_SUBREAPER, 0) = 0\n"))[104] == (100, "inferred")


def test_who_says_a_living_number_before_anything_is_known_of_it_lives_elsewhere(tmp_path: Path) -> None:
    """103 was born before the log begins. That it was told 102 shows a nested namespace, in which 105 may be, too."""
    log = (
        "100 getpid() = 100\n99 exit_group(0) = ?\n99 +++ exited with 0 +++\n102 getpid() = 102\n"
        "102 fork( <unfinished ...>\n"
        "103 fork( <unfinished ...>\n103 <... fork resumed>) = {}\n103 getpid() = 103\n102 <... fork resumed>) = 106\n"
        "100 fork() = 105\n105 fork() = 107\n"
    )
    assert edges(tmp_path, log.format(104))[107] == (105, "observed")
    assert edges(tmp_path, log.format(102))[107] == (105, "inferred")


def test_a_small_number_that_comes_back_may_be_a_nested_one_where_its_first_birth_is_not_told_either(
    tmp_path: Path,
) -> None:
    """Calls that enter a namespace are not traced, nor is a wait for 104."""
    ended = "104 exit_group(3) = ?\n104 +++ exited with 3 +++\n"
    log = f"{BEGIN}{NESTED}150 getpid() = 150\n{ended}100 fork() = 105\n105 fork() = 104\n105 getpid() = 105\n"
    assert edges(tmp_path, log)[104] == (105, "inferred")
    assert edges(tmp_path, _high(log).replace("150", "750"))[704] == (705, "observed")


def test_who_may_have_chosen_another_namespace_is_told_of_ends_by_guess(tmp_path: Path) -> None:
    """The child of 104 may live in a nested one, where 106 is somebody else."""
    log = BEGIN + NESTED + "100 fork() = 104\n{}104 fork() = 105\n105 fork() = 106\n"
    told = SIGNALLED.format(106)
    log += "106 exit_group(0) = ?\n106 +++ exited with 0 +++\n105 {}\n"
    assert edges(tmp_path, log.format("104 unshare(CLONE_FS) = 0\n", told))[106] == (105, "observed")
    assert edges(tmp_path, log.format("104 setns(3, 0) = 0\n", told))[106] == (105, "inferred")
