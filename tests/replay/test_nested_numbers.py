"""A container's log without --decode-pids=pidns: which call made which task, as runc's init has many.

Its threads seldom have lines of their own in the log, so the calls that made them wait for a task that could be theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tracer

from .literal import NESTED, SHOWN, edges

if TYPE_CHECKING:
    from pathlib import Path

THREAD = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM)"
RUNC_INIT = NESTED + f"101 {THREAD} = 2\n101 {THREAD} = 3\n"
EXEC = '101 execve("/bin/sh", ["sh"], 0x1) = 0\n'
CHILDREN = "101 fork() = 4\n101 fork() = 5\n101 fork() = 6\n"
RENAMED = '{} prctl(PR_SET_NAME, "job") = 0\n'
EXECED = '{0} execve("/bin/{0}", ["{0}"], 0x1) = 0\n'


def inside(folder: Path, log: str) -> dict[int, tuple[int | None, str, tuple[int, ...], int]]:
    """tgid -> (parent, evidence, numbers inside, threads) of who lives below 100."""
    path = folder / "strace.log"
    path.write_text(log)
    live = [p for p in tracer.replay(str(path)).live() if p.tgid > 101]
    return {p.tgid: (p.parent and p.parent.tgid, str(p.evidence), p.ns_pids, len(p.threads)) for p in live}


@pytest.mark.parametrize("shown", [EXECED, RENAMED])
def test_tasks_that_appear_after_an_exec_are_none_of_the_threads_before(tmp_path: Path, shown: str) -> None:
    """de_thread() ended those; the order in which the new ones show themselves says nothing, their numbers do."""
    log = RUNC_INIT + EXEC + CHILDREN + "".join(shown.format(tid) for tid in (106, 107, 105))
    assert inside(tmp_path, log) == {
        105: (101, "inferred", (4,), 1),
        106: (101, "inferred", (5,), 1),
        107: (101, "inferred", (6,), 1),
    }


def test_who_execs_under_its_own_number_is_no_thread(tmp_path: Path) -> None:
    log = RUNC_INIT + CHILDREN + "".join(EXECED.format(tid) for tid in (106, 107, 105))
    assert inside(tmp_path, log) == {tid: (101, "inferred", (tid - 101,), 1) for tid in (105, 106, 107)}


def test_a_task_before_the_exec_may_be_a_thread(tmp_path: Path) -> None:
    log = RUNC_INIT + RENAMED.format(102) + EXEC + CHILDREN
    assert inside(tmp_path, log).keys().isdisjoint({102})


def test_who_has_ended_had_called_unshare_before(tmp_path: Path) -> None:
    """Who created 13 is found at the end. 20, whose calls are read then, is gone: its children are below it."""
    log = (
        "14 +++ exited with 232 +++\n11 <... vfork resumed>) = 13\n"
        "13 clone(child_stack=0x1, flags=CLONE_VM|CLONE_VFORK|SIGCHLD <unfinished ...>\n"
        "20 unshare(CLONE_NEWPID) = 0\n20 fork() = 21\n20 exit(194) = ?\n20 +++ exited with 194 +++\n"
        "13 <... clone resumed>) = 20\n"
        "13 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=20, si_uid=0, si_status=194} ---\n"
        "21 fork() = 6\n21 wait4(-1, NULL, WNOHANG, NULL) = 0\n"
    )
    found = edges(tmp_path, log)
    assert (found[20], found[21]) == ((13, "inferred"), (1, "assumed"))
    assert 6 not in found


@pytest.mark.parametrize(("new", "creator"), [(28_100, 28_000), (5_000, 28_000), (27_900, None)])
def test_straces_numbers_begin_again_while_those_inside_go_on(tmp_path: Path, new: int, creator: int | None) -> None:
    """18000 and 28000 are 1 and 2 inside; who is 3 was born after both. With 5000 the counter has begun again, and that
    this is less than 18000 says nothing; with 27900 it has not."""
    log = (
        "17000 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 18000\n"
        '18000 fork() = 2\n28000 execve("/a", ["a"], 0x1) = 0\n'
        f'28000 fork( <unfinished ...>\n{new} execve("/b", ["b"], 0x1) = 0\n28000 <... fork resumed>) = 3\n'
    )
    assert edges(tmp_path, log)[new] == (creator, "inferred" if creator else "unknown")


def test_the_counter_may_have_been_set_back_where_namespaces_are_entered_too(tmp_path: Path) -> None:
    """110 is below all that was given, and only 205's call can have made it: nobody was told a number inside 101's."""
    log = (
        f'100 execve("/a", ["a"], 0x1) = 0\n{SHOWN}{NESTED}100 fork() = 205\n'
        "205 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD <unfinished ...>\n205 +++ killed by SIGKILL +++\n"
        '110 prctl(PR_SET_NAME, "a") = 0\n'
    )
    assert edges(tmp_path, log)[110] == (100, "inferred")
    inside = log.replace("205 clone", "101 fork() = 2\n205 clone")  # 110 may be 101's child
    assert edges(tmp_path, inside)[110][0] == 101


def test_what_a_call_returned_belongs_to_who_had_the_callers_number_then(tmp_path: Path) -> None:
    """103 lived in the nested namespace; 103 after it, and 4, do not."""
    log = """\
100 execve("/x", ["x"], 0x1) = -1 ENOENT (No such file or directory)
100 fork() = 101
101 getpid() = 101
100 unshare(CLONE_NEWPID) = 0
100 fork() = 102
100 fork() = 103
102 execve("/b", ["b"], 0x1) = 0
103 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = 4
100 kill(103, SIGKILL) = 0
100 wait4(103, NULL, 0, NULL) = 103
101 fork() = 103
103 execve("/b", ["b"], 0x1) = 0
102 fork() = 3
4 execve("/c", ["c"], 0x1) = 0
"""
    assert edges(tmp_path, log)[4] == (None, "unknown")


def test_namespaces_that_show_once_a_result_is_not_believed(tmp_path: Path) -> None:
    """212 was killed inside, and 195 is no result. Without it the number 247, which the outer counter could have given
    next, may be of a namespace that 206 lives in: it was entered unseen, and the log is read once more."""
    log = """\
5 execve("/a", ["a"], 0x1) = 0
5 fork() = 198
198 execve("/b", ["b"], 0x1) = 0
197 +++ exited with 0 +++
198 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 205
198 fork() = 206
206 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = 247
206 fork( <unfinished ...>
205 fork() = 211
212 fork() = 195
235 fork() = 296
212 +++ superseded by execve in pid 222 +++
246 +++ killed by SIGKILL +++
235 wait4(296, NULL, 0, NULL) = 296
"""
    found = edges(tmp_path, log)
    assert found[198] == (5, "observed")
    assert found[247] == (198, "inferred")
