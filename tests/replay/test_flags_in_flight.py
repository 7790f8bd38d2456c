"""A subreaper flag that is set while a process dies: 101 is above 102, whose child is 103.

strace tells in each round of what has happened since the last one, in any order. So what decides is the first line that
is certain to be of a later round than the call's return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tracer

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
100 execve("/a", ["a"], 0x1 /* 0 vars */) = 0
100 fork() = 101
101 fork() = 102
102 fork() = 103
"""
SETS = "101 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0"
BEGINS = "101 prctl(PR_SET_CHILD_SUBREAPER, 1 <unfinished ...>"
RETURNS = "101 <... prctl resumed>) = 0"
CLEARS = SETS.replace("1)", "0)")
KILLED = "102 +++ killed by SIGKILL +++"
EXITED = "102 exit_group(0) = ?\n102 +++ exited with 0 +++"

Edge = tuple[int | None, str]


def adopter(path: Path) -> Edge:
    process = tracer.replay(str(path)).find(103)[0]
    return process.parent and process.parent.tgid, str(process.evidence)


def edge(folder: Path, *lines: str) -> Edge:
    path = folder / "strace.log"
    path.write_text(HEAD + "\n".join(lines) + "\n")
    return adopter(path)


@pytest.mark.parametrize("end", [KILLED, EXITED])
def test_before_the_call_began(tmp_path: Path, end: str) -> None:
    assert edge(tmp_path, end, SETS) == (1, "assumed")
    assert edge(tmp_path, end, BEGINS, RETURNS) == (1, "assumed")


def test_while_the_call_is_open_the_flag_is_most_likely_what_it_was(tmp_path: Path) -> None:
    """The kernel sets it right before the call's end, which strace then tells in its next round."""
    assert edge(tmp_path, BEGINS, KILLED, RETURNS) == (1, "assumed")
    assert edge(tmp_path, BEGINS, KILLED) == (1, "assumed")
    cleared = BEGINS.replace("1 <", "0 <")
    assert edge(tmp_path, SETS, "101 getpid() = 101", "101 fork() = 104", cleared, KILLED, RETURNS) == (101, "inferred")


def test_in_the_round_of_the_return_it_may_have_died_before(tmp_path: Path) -> None:
    assert edge(tmp_path, BEGINS, RETURNS, KILLED) == (101, "inferred")
    assert edge(tmp_path, SETS, KILLED) == (101, "inferred")
    assert edge(tmp_path, BEGINS, RETURNS, "100 +++ exited with 0 +++", KILLED) == (101, "inferred")


@pytest.mark.parametrize(
    "lines",
    [
        [SETS, "101 fork( <unfinished ...>", KILLED],  # the caller itself has gone on
        [SETS, EXITED],  # who dies has called exit after it
        [SETS, '100 execve("/b", ["b"], 0x1) = 0', "100 fork( <unfinished ...>", KILLED],  # another task has gone on
        [SETS, "100 fork() = 104", KILLED],  # two stops on one line
        [BEGINS, "102 exit_group(0 <unfinished ...>", RETURNS, "101 fork( <unfinished ...>", KILLED],
    ],
)
def test_in_a_later_round_it_died_afterwards(tmp_path: Path, lines: list[str]) -> None:
    assert edge(tmp_path, *lines) == (101, "derived")


def test_who_is_killed_while_waiting_to_be_written_of_ends_the_round(tmp_path: Path) -> None:
    """100's second line is its death, which strace met when it asked who else had stopped: 102 may have been next."""
    signal = "100 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=99, si_uid=0, si_status=0} ---"
    dies = "100 +++ killed by SIGKILL +++"
    assert edge(tmp_path, SETS, signal, dies, KILLED) == (101, "inferred")
    assert edge(tmp_path, SETS, signal, dies, "101 fork( <unfinished ...>", KILLED) == (101, "inferred")
    assert edge(tmp_path, SETS, signal, dies, "101 fork() = 104", KILLED) == (101, "derived")


def test_the_children_of_a_killed_thread_may_have_left_before_its_process_was_dead(tmp_path: Path) -> None:
    """102 has a thread, 105. Where both were exiting when 105 died, its children did not go to 102 first."""
    thread = "102 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 105"
    dies = "105 +++ killed by SIGKILL +++"
    later = "101 fork() = 106"
    assert edge(tmp_path, thread, dies, SETS, later, KILLED) == (101, "inferred")
    assert edge(tmp_path, thread, SETS, later, dies, KILLED) == (101, "derived")
    left = "105 exit(0) = ?\n105 +++ exited with 0 +++"
    assert edge(tmp_path, thread, left, SETS, later, KILLED) == (101, "derived")
    becomes = f'{thread}\n102 execve("/b", ["b"], 0x1 <unfinished ...>\n{dies}\n102 <... execve resumed>) = 0'
    assert edge(tmp_path, becomes, SETS, later, KILLED) == (101, "derived")


def test_a_flag_in_doubt_above_who_can_adopt_nobody_matters_not(tmp_path: Path) -> None:
    above = "100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n100 fork() = 104\n"
    assert edge(tmp_path, above + "101 exit_group(0) = ?", BEGINS, KILLED) == (100, "derived")


def folder_of(folder: Path, sets: str, dies: str, goes_on: str) -> Path:
    """A `-ff` set, in which the time of a line is that of the call's beginning."""
    files = {
        100: '10.000100 execve("/a", ["a"], 0x1 /* 0 vars */) = 0\n10.000200 fork() = 101\n',
        101: f"10.000300 fork() = 102\n{sets} prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n",
        102: f"10.000400 fork() = 103\n{dies} +++ killed by SIGKILL +++\n",
        103: "10.000500 wait4(-1, NULL, WNOHANG, NULL) = -1 ECHILD (No child processes)\n",
    }
    if goes_on:
        files[101] += f"{goes_on} getpid() = 101\n"
    for tid, text in files.items():
        (folder / f"log.{tid}").write_text(text.replace("10.000", "1795444286.000").replace("11.", "1795444287."))
    return folder


@pytest.mark.parametrize(
    ("sets", "dies", "goes_on", "edge"),
    [
        ("10.000700", "10.000600", "", (1, "assumed")),
        ("10.000600", "10.000700", "", (1, "assumed")),  # told at once, it came before
        ("10.000600", "10.000950", "", (101, "inferred")),
        ("10.000600", "10.000700", "10.000800", (1, "assumed")),
        ("10.000600", "10.000950", "10.000980", (101, "inferred")),
        ("10.000600", "10.000700", "10.000700", (101, "inferred")),  # the same time is no order
        ("10.000600", "10.000800", "10.000700", (101, "derived")),
        ("10.000600", "11.000600", "", (101, "inferred")),
        ("10.000600", "11.000601", "", (101, "derived")),  # no prctl takes a second
    ],
)
def test_a_folder_tells_when_calls_began(tmp_path: Path, sets: str, dies: str, goes_on: str, edge: Edge) -> None:
    assert adopter(folder_of(tmp_path, sets, dies, goes_on)) == edge


@pytest.mark.parametrize(
    ("clears", "goes_on", "edge"),
    [
        ("10.000600", "10.000800", (101, "inferred")),  # 101 may have been inside prctl until then
        ("10.000600", "10.000650", (101, "derived")),
        ("10.000750", "10.000800", (1, "assumed")),
    ],
)
def test_two_threads_set_the_flag_at_once(tmp_path: Path, clears: str, goes_on: str, edge: Edge) -> None:
    """The flag was off before: a call that leaves it so counts all the same, if it comes last."""
    folder_of(tmp_path, clears, "10.000900", goes_on)
    thread = "1795444286.000510 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 105\n"
    first, second = (tmp_path / "log.101").read_text().replace("SUBREAPER, 1", "SUBREAPER, 0").split("\n", 1)
    (tmp_path / "log.101").write_text(f"{first}\n{thread}{second}")
    sets = "1795444286.000700 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n1795444286.000850 getpid() = 101\n"
    (tmp_path / "log.105").write_text(sets)
    assert adopter(tmp_path) == edge


def test_a_leader_dies_unseen_before_its_line_is_told(tmp_path: Path) -> None:
    """delay_group_leader(): 102 had called exit, and gives its children away when it dies, before or after 105."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM)"
    before = [SETS, "101 getpid() = 101", "101 fork() = 104", f"102 {thread} = 105", "102 exit_group(0) = ?"]
    gone = "102 +++ exited with 0 +++"
    assert edge(tmp_path, *before, "105 +++ exited with 0 +++", gone, CLEARS) == (101, "derived")
    assert edge(tmp_path, *before, "105 +++ exited with 0 +++", CLEARS, gone) == (101, "inferred")


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((SETS.replace("= 0", "= 31"),), id="on one line"),
        pytest.param((BEGINS, RETURNS.replace("= 0", "= 31")), id="on two"),
    ],
)
def test_a_number_that_is_another_calls_result_tells_of_a_return_as_well(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    """strace before 6.12: an exec of 105 kills the thread 101 when it has returned from prctl, which cannot fail."""
    thread = "101 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 105"
    begun = '105 execve("/b", ["b"], 0x1 /* 0 vars */ <unfinished ...>'
    taken = ("101 +++ superseded by execve in pid 105 +++", "101 <... execve resumed>) = 0", "101 getpid() = 101")
    assert edge(tmp_path, thread, begun, *lines, *taken, "101 fork() = 106", KILLED) == (101, "derived")


def test_where_ends_are_not_told_a_flag_may_be_set_between_the_call_of_exit_and_the_signal(tmp_path: Path) -> None:
    """-qq. What is known: 102 died behind its call of exit, and before its parent was told."""
    signal = "101 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=102, si_uid=0, si_status=0} ---"
    sets = [BEGINS, RETURNS, "101 getpid() = 101", "101 fork() = 104"]
    assert edge(tmp_path, *sets, "102 exit_group(0) = ?", signal) == (101, "derived")
    assert edge(tmp_path, "102 exit_group(0) = ?", *sets, signal) == (101, "inferred")
    told = "100 fork() = 105\n105 exit_group(0) = ?"  # another end that nothing tells
    assert edge(tmp_path, "102 exit_group(0) = ?", *sets, signal, told)[1] in ("inferred", "assumed")


def test_of_the_task_without_a_number(tmp_path: Path) -> None:
    """In a log from a terminal no line may name the first task."""
    path = tmp_path / "strace.log"
    path.write_text("""\
execve("/a", ["a"], 0x1 /* 0 vars */) = 0
prctl(PR_SET_CHILD_SUBREAPER, 1) = 0
fork() = 102
strace: Process 102 attached
[pid 102] fork() = 103
strace: Process 103 attached
[pid 102] exit_group(0) = ?
[pid 102] +++ exited with 0 +++
""")
    assert adopter(path) == (0, "derived")


def told(child: int, parent: int) -> str:
    """The end of `child`, told to `parent`."""
    signal = f"{{si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid={child}, si_uid=0, si_status=SIGKILL}}"
    return f"{child} +++ killed by SIGKILL +++\n{parent} --- SIGCHLD {signal} ---"


def test_what_one_child_shows_when_it_ends_holds_for_all_that_were_left(tmp_path: Path) -> None:
    """The guess would be that 102 died before 101 had the flag."""
    other = "102 fork() = 104"
    assert edge(tmp_path, other, BEGINS, KILLED, RETURNS, told(104, 101)) == (101, "inferred")
    sibling = "103 clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = 104"
    assert edge(tmp_path, BEGINS, KILLED, RETURNS, sibling, told(104, 101)) == (101, "inferred")
    before = edge(tmp_path, sibling, BEGINS, KILLED, RETURNS, told(104, 101))
    assert before == (101, "inferred")


def test_but_not_what_a_younger_child_shows(tmp_path: Path) -> None:
    """103's own child goes to 101, which has the flag by then; 103 was not asked."""
    own = "103 fork() = 104\n101 getpid() = 101"
    moved = edge(tmp_path, own, BEGINS, KILLED, RETURNS, told(104, 103))
    assert moved == (1, "assumed")


def test_nor_where_two_children_contradict_each_other(tmp_path: Path) -> None:
    """The threads of 102 have died one after the other: each leaves its own children."""
    more = "101 prctl(PR_SET_CHILD_SUBREAPER, 0) = 0\n100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n100 getpid() = 100"
    others = "102 fork() = 104\n102 fork() = 105"
    lines = (more, others, BEGINS, KILLED, RETURNS)
    assert edge(tmp_path, *lines, told(104, 101)) == (101, "inferred")
    assert edge(tmp_path, *lines, told(104, 101), told(105, 100)) == (100, "inferred")


def test_who_inherits_has_the_flag_from_then_on(tmp_path: Path) -> None:
    """100 was killed inside prctl by its thread's execve; that its flag is set shows later."""
    lines = ["100 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 104"]
    lines += [BEGINS.replace("101", "100"), '104 execve("/b", ["b"], 0x1 /* 0 vars */ <pid changed to 100 ...>']
    lines += ["100 +++ superseded by execve in pid 104 +++", "100 <... execve resumed>) = 0"]
    lines += ["101 +++ killed by SIGKILL +++", told(102, 100)]
    assert edge(tmp_path, *lines) == (100, "inferred")


def test_who_inherited_just_before_the_flag_was_cleared_does_not_have_it_afterwards(tmp_path: Path) -> None:
    """102 died in the round of the clearing, before it, as its child 103 shows; 104, the father of 105, much later."""
    lines = ["101 fork() = 104", "104 fork() = 105", SETS, "101 getpid() = 101", "101 getppid() = 100"]
    lines += [BEGINS.replace("1 <", "0 <"), RETURNS, KILLED, told(103, 101), "101 getpid() = 101", told(104, 101)]
    path = tmp_path / "strace.log"
    path.write_text(HEAD + "\n".join(lines) + "\n")
    orphan = tracer.replay(str(path)).find(105)[0]
    assert orphan.parent is not None
    assert (orphan.parent.tgid, str(orphan.evidence)) == (1, "assumed")


def test_a_zombie_is_announced_to_who_inherits_before_the_end_of_its_parent_is_told(tmp_path: Path) -> None:
    """Both in one round, in any order. 101 was killed inside prctl by its thread's execve: was the flag set?"""
    lines = ["102 fork() = 104", "101 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 105"]
    lines += [BEGINS, '105 execve("/b", ["b"], 0x1 /* 0 vars */ <pid changed to 101 ...>']
    lines += ["101 +++ superseded by execve in pid 105 +++", "101 <... execve resumed>) = 0"]
    lines.append(told(104, 102))
    again = told(104, 101).splitlines()[1]
    assert edge(tmp_path, *lines, again, KILLED) == (101, "inferred")
    assert edge(tmp_path, *lines, KILLED) == (1, "assumed")


def test_who_inherited_is_told_by_a_childs_child(tmp_path: Path) -> None:
    """104, which 102 left as well, leaves 105: 101 is told of that one's end, so it has 104, and 103, too."""
    log = ("102 fork() = 104", BEGINS, KILLED, RETURNS, "104 fork() = 105")
    ends = ("104 exit_group(0) = ?", "104 +++ exited with 0 +++", "105 exit_group(0) = ?", "105 +++ exited with 0 +++")
    told = "101 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=105, si_uid=0, si_status=0} ---"
    assert edge(tmp_path, *log, *ends) == (1, "assumed")
    assert edge(tmp_path, *log, *ends, told) == (101, "inferred")


def test_who_was_left_by_the_same_has_inherited_before(tmp_path: Path) -> None:
    """102, a subreaper, leaves 104 to 101; 104's flag was set while 105 died. What 105 left was not 102's to leave."""
    log = ("102 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0", "102 fork() = 104", "104 fork() = 105", "105 fork() = 106")
    race = ("104 prctl(PR_SET_CHILD_SUBREAPER, 1 <unfinished ...>", "105 +++ killed by SIGKILL +++")
    over = ("104 <... prctl resumed>) = 0", KILLED, "106 +++ killed by SIGKILL +++")
    told = "104 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=106, si_uid=0, si_status=SIGKILL} ---"
    path = tmp_path / "strace.log"
    path.write_text(HEAD + "\n".join(("101 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0", *log, *race, *over, told)) + "\n")
    [child] = tracer.replay(str(path)).find(106)
    assert [(step.old.tgid, step.new and step.new.tgid) for step in child.reparentings or ()] == [(105, 104)]


def test_who_inherited_from_a_child_was_above_its_parent_then(tmp_path: Path) -> None:
    """101 has inherited 105 from 104, a child of 102. When 102 ends, it is no subreaper any more."""
    log = ("102 fork() = 104", "104 fork() = 105", BEGINS, RETURNS, KILLED.replace("102", "104"))
    cleared = (CLEARS, "101 getpid() = 101", "100 getpid() = 100", "101 getpid() = 101", "100 getpid() = 100", KILLED)
    ends = ("105 exit_group(0) = ?", "105 +++ exited with 0 +++")
    told = "101 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=105, si_uid=0, si_status=0} ---"
    assert edge(tmp_path, *log, *cleared, *ends, told) == (1, "assumed")
