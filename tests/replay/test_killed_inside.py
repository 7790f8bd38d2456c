"""Tasks whose creator was killed inside clone: what the log decides all the same, and where it does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import tracer

if TYPE_CHECKING:
    from pathlib import Path

Turn = Callable[[Any], Any]
Edge = tuple[int | None, str]
THREAD = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM"
FORK = "fork("
BESIDE = "clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD"
FLAG = "prctl(PR_SET_CHILD_SUBREAPER, 1) = 0"
ALIVE = "prctl(PR_SET_PDEATHSIG, SIGTERM) = 0"
KILLED = "+++ killed by SIGKILL +++"
ENDED = "104 +++ exited with 0 +++\n"
"""The log tells of ordinary ends, so no end is missing."""

START = (
    '100 execve("/a", ["a"], 0x1) = 0\n'
    f"100 wait4(-1, NULL, WNOHANG, NULL) = 0\n100 fork() = 101\n101 {FLAG}\n100 fork() = 102\n102 {FLAG}\n"
    "101 fork() = 103\n101 fork() = 104\n102 fork() = 105\n"
)
"""103 and 104 below one subreaper, 105 below another."""


def edges(folder: Path, log: str) -> dict[int, Edge]:
    """tgid -> (parent's tgid, evidence) of all that live, zombies included."""
    path = folder / "strace.log"
    path.write_text(log)
    live = tracer.replay(str(path)).live()
    return {p.tgid: (p.parent and p.parent.tgid, str(p.evidence)) for p in live}


def race(one: int, other: int, call: str = FORK, other_call: str = FORK, ends: tuple[int, ...] = ()) -> str:
    """Both begin a call, somebody appears, and both are killed inside."""
    begun = f"{one} {call} <unfinished ...>\n{other} {other_call} <unfinished ...>\n106 {ALIVE}\n"
    return START + begun + "".join(f"{tid} {KILLED}\n" for tid in ends or (one, other)) + f"106 {ALIVE}\n"


BOTH_WAYS = pytest.mark.parametrize(
    "turn", [lambda pair: pair, lambda pair: pair[::-1]], ids=["in turn", "turned round"]
)


@BOTH_WAYS
def test_whichever_call_it_was_the_reaper_is_the_same(tmp_path: Path, turn: Turn) -> None:
    """Both creators are dead, and both left their children to 101."""
    found = edges(tmp_path, race(*turn((103, 104)), ends=turn((104, 103))))
    assert found[106] == (101, "inferred")


@BOTH_WAYS
def test_where_the_reapers_differ_the_parent_is_unknown(tmp_path: Path, turn: Turn) -> None:
    path = tmp_path / "log"
    path.write_text(race(*turn((103, 105)), ends=turn((103, 105))))
    [child] = tracer.replay(str(path)).find(106)
    assert child.parent is None
    assert child.reason == "it was created by one of these, which were killed inside the call: " + (
        ", ".join(map(str, turn((103, 105))))
    )


@BOTH_WAYS
def test_until_one_has_all(tmp_path: Path, turn: Turn) -> None:
    """Once both subreapers are gone, PID 1 has what either left."""
    log = race(*turn((103, 105)))
    one, other = turn((101, 102))
    assert edges(tmp_path, f"{log}{one} {KILLED}\n")[106] == (None, "unknown")
    assert edges(tmp_path, f"{log}{one} {KILLED}\n{other} {KILLED}\n")[106] == (1, "assumed")


@BOTH_WAYS
def test_its_children_are_followed_as_well(tmp_path: Path, turn: Turn) -> None:
    log = f"{race(*turn((103, 105)))}106 fork() = 107\n106 {KILLED}\n"
    one, other = turn((101, 102))
    assert edges(tmp_path, log)[107] == (None, "unknown")
    assert edges(tmp_path, f"{log}{one} {KILLED}\n{other} {KILLED}\n")[107] == (1, "assumed")
    same = f"{race(*turn((103, 104)))}106 fork() = 107\n106 {KILLED}\n"
    assert edges(tmp_path, same)[107] == (101, "inferred")


@BOTH_WAYS
def test_a_subreaper_between_decides_for_what_is_below(tmp_path: Path, turn: Turn) -> None:
    log = f"{race(*turn((103, 105)))}106 {FLAG}\n106 fork() = 107\n107 fork() = 108\n107 {KILLED}\n"
    assert edges(tmp_path, log)[108] == (106, "derived")


@BOTH_WAYS
def test_siblings_of_one_that_is_not_known_follow_it(tmp_path: Path, turn: Turn) -> None:
    """CLONE_PARENT: the parent of the caller, whoever that is."""
    log = f"{race(*turn((103, 105)))}106 {BESIDE}) = 107\n"
    assert edges(tmp_path, log)[107] == (None, "unknown")
    assert edges(tmp_path, f"{log}101 {KILLED}\n102 {KILLED}\n")[107] == (1, "assumed")


@BOTH_WAYS
def test_a_sibling_and_a_child_of_it_can_have_the_same_parent(tmp_path: Path, turn: Turn) -> None:
    """103 with CLONE_PARENT makes a child of 101; what 104 leaves, 101 adopts."""
    calls = dict(zip(("call", "other_call"), turn((BESIDE, FORK)), strict=True))
    assert edges(tmp_path, race(103, 104, **calls))[106] == (101, "inferred")


@BOTH_WAYS
def test_a_sibling_of_the_first_task_is_a_child_of_the_tracer(tmp_path: Path, turn: Turn) -> None:
    """Whom the log does not name: it may be the parent, too."""
    calls = dict(zip(("call", "other_call"), turn((BESIDE, FORK)), strict=True))
    one, other = turn((100, 103))
    assert edges(tmp_path, race(one, other, **calls))[106] == (None, "unknown")


@BOTH_WAYS
def test_the_kernels_word_settles_it(tmp_path: Path, turn: Turn) -> None:
    log = race(*turn((103, 105))) + (
        f"106 {KILLED}\n102 --- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=106, si_uid=0}} ---\n"
    )
    assert edges(tmp_path, log)[106] == (102, "observed")
    assert edges(tmp_path, f"{log}101 {KILLED}\n")[106] == (102, "observed")


@BOTH_WAYS
def test_who_ends_without_a_call_of_exit_is_a_thread(tmp_path: Path, turn: Turn) -> None:
    """106's exit_group has killed 107, which did not call it."""
    begun = turn((f"103 {THREAD} <unfinished ...>\n", "105 fork( <unfinished ...>\n"))
    log = f"{START}103 {THREAD}) = 106\n" + "".join(begun) + "106 exit_group(0 <unfinished ...>\n"
    log += "".join(f"{tid} +++ exited with 0 +++\n" for tid in (107, 106, 103)) + f"105 {KILLED}\n108 {ALIVE}\n"
    path = tmp_path / "log"
    path.write_text(log)
    graph = tracer.replay(str(path))
    assert not graph.find(107)
    [child] = graph.find(108)
    assert (child.parent and child.parent.tgid, str(child.evidence)) == (102, "inferred")


def test_whose_own_number_is_higher_came_later(tmp_path: Path) -> None:
    """The counter has been set back, and goes up again: 51 was given before 52, who so did not create it."""
    log = (
        f"{START}100 fork( <unfinished ...>\n50 {ALIVE}\n100 <... fork resumed>) = 50\n"
        f"103 fork( <unfinished ...>\n105 fork() = 52\n52 fork( <unfinished ...>\n51 fork( <unfinished ...>\n"
        f"103 {KILLED}\n52 {KILLED}\n51 <... fork resumed>) = 54\n{ENDED}"
    )
    assert edges(tmp_path, log)[51] == (101, "inferred")


def test_a_number_below_all_others_is_somebodys_child_as_well(tmp_path: Path) -> None:
    """The counter has been set back there."""
    log = f"{START}103 fork( <unfinished ...>\n6 {ALIVE}\n103 {KILLED}\n6 {ALIVE}\n"
    assert edges(tmp_path, log)[6] == (101, "inferred")
    attached = log.partition("\n")[2]  # the log does not begin with the program: 6 may be older
    assert edges(tmp_path, attached)[6] == (None, "unknown")


TOLD = "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=106, si_uid=0} ---"


@BOTH_WAYS
def test_each_call_creates_one(tmp_path: Path, turn: Turn) -> None:
    """106 was 105's child, as 102 is told; so 105 is not the one that created 107."""
    log = race(*turn((103, 105))).replace(f"106 {ALIVE}\n", f"106 {ALIVE}\n107 {ALIVE}\n", 1) + f"107 {ALIVE}\n"
    assert edges(tmp_path, log)[107] == (None, "unknown")
    log += f"106 {KILLED}\n102 {TOLD}\n"
    assert edges(tmp_path, log)[107] == (101, "inferred")
    assert edges(tmp_path, f"{log}101 {KILLED}\n")[107] == (1, "assumed")


@BOTH_WAYS
def test_whom_such_a_child_has_left_goes_with_it(tmp_path: Path, turn: Turn) -> None:
    log = f"{race(*turn((103, 105)))}106 fork() = 108\n106 fork() = 109\n108 fork() = 110\n"
    log += f"106 {KILLED}\n108 {KILLED}\n"
    assert edges(tmp_path, log)[109] == (None, "unknown")
    found = edges(tmp_path, f"{log}102 {TOLD}\n")
    assert (found[106], found[109], found[110]) == ((102, "observed"), (102, "inferred"), (102, "inferred"))
    found = edges(tmp_path, f"{log}102 {TOLD}\n107 {ALIVE}\n".replace("106, si", "108, si"))
    assert (found[106], found[108], found[109]) == ((102, "inferred"), (102, "observed"), (102, "inferred"))
    assert (found[110], found[107]) == ((102, "inferred"), (101, "inferred"))


def test_nor_one_that_shows_itself_later(tmp_path: Path) -> None:
    log = f"{race(103, 105)}106 {KILLED}\n102 {TOLD}\n107 {ALIVE}\n"
    assert edges(tmp_path, log)[107] == (101, "inferred")


@BOTH_WAYS
def test_the_reapers_of_each_are_followed(tmp_path: Path, turn: Turn) -> None:
    """102 ends, so PID 1 has what 105 left; and 101 is told of 106."""
    log = race(*turn((103, 105))).replace(f"106 {ALIVE}\n", f"106 {ALIVE}\n107 {ALIVE}\n", 1)
    log += f"102 {KILLED}\n106 {KILLED}\n101 {TOLD}\n"
    assert edges(tmp_path, log)[107] == (1, "assumed")


@BOTH_WAYS
def test_who_goes_on_is_no_thread_of_one_that_was_killed(tmp_path: Path, turn: Turn) -> None:
    """A signal that kills a thread inside clone kills the whole process."""
    calls = dict(zip(("call", "other_call"), turn((THREAD, FORK)), strict=True))
    one, other = turn((103, 105))
    assert edges(tmp_path, race(one, other, **calls))[106] == (102, "inferred")


def test_who_runs_a_program_under_its_own_number_is_no_thread(tmp_path: Path) -> None:
    log = (
        f"{START}103 {THREAD} <unfinished ...>\n105 fork( <unfinished ...>\n"
        f'106 execve("/b", ["b"], 0x1) = 0\n105 {KILLED}\n103 {KILLED}\n'
    )
    assert edges(tmp_path, log)[106] == (102, "inferred")


def test_no_task_created_itself(tmp_path: Path) -> None:
    """106 is first seen in a clone call of its own."""
    log = race(103, 104).replace(f"106 {ALIVE}\n", "106 fork( <unfinished ...>\n", 1)
    found = edges(tmp_path, log.replace(f"106 {ALIVE}\n", "106 <... fork resumed>) = 107\n"))
    assert (found[106][0], found[107][0]) == (101, 106)


def test_the_creator_is_who_had_the_number_then(tmp_path: Path) -> None:
    """103 is killed inside fork, reaped, and its number is given again before the child shows itself."""
    log = (
        f"{START}103 fork( <unfinished ...>\n103 {KILLED}\n"
        "101 wait4(103, NULL, 0, NULL) = 103\n"
        "102 clone3({flags=0, exit_signal=SIGCHLD, set_tid=[103], set_tid_size=1}, 88) = 103\n"
        f"106 {ALIVE}\n"
    )
    assert edges(tmp_path, log)[106] == (101, "inferred")


def test_the_same_with_several_creators(tmp_path: Path) -> None:
    log = (
        race(103, 104, ends=(103, 104)).replace(f"106 {ALIVE}\n", "") + "101 wait4(103, NULL, 0, NULL) = 103\n"
        f"102 clone3({{flags=0, exit_signal=SIGCHLD, set_tid=[103], set_tid_size=1}}, 88) = 103\n106 {ALIVE}\n"
    )
    assert edges(tmp_path, log)[106] == (101, "inferred")


def test_a_flag_that_was_set_since_does_not_count(tmp_path: Path) -> None:
    """The child of 103 went to 101 when 103 was killed; 107, between them, became a subreaper later."""
    begun = f"{START}101 fork() = 107\n107 fork() = 108\n108 fork( <unfinished ...>\n"
    log = f"{begun}108 {KILLED}\n107 {FLAG}\n109 {ALIVE}\n"
    assert edges(tmp_path, log)[109] == (101, "inferred")
    before = log.replace(f"108 {KILLED}\n107 {FLAG}\n", f"107 {FLAG}\n108 {KILLED}\n")
    assert edges(tmp_path, before)[109] == (107, "inferred")


def test_a_subreaper_that_ended_since_had_it_first(tmp_path: Path) -> None:
    """107 inherited from 108, and 101 from 107 - which had become a subreaper only after that."""
    log = (
        '100 execve("/a", ["a"], 0x1) = 0\n100 fork() = 101\n'
        f"101 fork() = 107\n107 {FLAG}\n107 fork() = 108\n108 fork( <unfinished ...>\n"
        f"108 {KILLED}\n{{}}107 {KILLED}\n{{}}109 {ALIVE}\n"
    )
    assert edges(tmp_path, log.format("", f"101 {FLAG}\n"))[109] == (1, "assumed")
    assert edges(tmp_path, log.format(f"101 {FLAG}\n", ""))[109] == (101, "inferred")


def test_a_number_that_is_said_again_on_the_next_line_is_the_first_calls(tmp_path: Path) -> None:
    """strace before 6.12 prints for a task that is killed what it has read last of another: see creating.REFUSALS. 106,
    whom the number belongs to, is itself one of whom it is not known yet who created it."""
    log = race(103, 104) + (
        f"105 fork( <unfinished ...>\n107 {ALIVE}\n106 fork( <unfinished ...>\n108 {ALIVE}\n"
        f"106 <... fork resumed>) = 108\n105 <... fork resumed>) = 108\n105 {KILLED}\n"
    )
    found = edges(tmp_path, log)
    assert found[108][0] == 106


def test_output_of_the_tracee_before_a_notice_and_the_line_after_it(tmp_path: Path) -> None:
    """`2>&1`: what is written without a newline stands in front of strace's own words, also twice in a row."""
    log = (
        '[pid   100] execve("/a", ["a"], 0x1) = 0\n[pid   100] fork() = 101\n[pid   101] fork( <unfinished ...>\n'
        "workingstrace: Process 102 attached\n{}[pid   101] <... fork resumed>) = 102\n"
        "[pid   102] prctl(PR_SET_PDEATHSIG, SIGTERM) = 0\n"
    )
    assert edges(tmp_path, log.format(""))[102] == (101, "observed")
    assert edges(tmp_path, log.format("working"))[102] == (101, "observed")


def test_a_number_that_is_the_callers_own_is_no_result(tmp_path: Path) -> None:
    """strace 6.1 printed it for a thread that another one's execve killed inside fork."""
    log = (
        START + f"103 {THREAD}) = 107\n107 {FORK} <unfinished ...>\n"
        '103 execve("/b", ["b"], 0x1 <unfinished ...>\n'
        f"107 <... fork resumed>) = 107\n108 {ALIVE}\n107 +++ exited with 0 +++\n"
        f"103 <... execve resumed>) = 0\n108 {ALIVE}\n"
    )
    assert edges(tmp_path, log)[108] == (103, "inferred")


def test_whose_end_a_parent_is_told_is_no_thread(tmp_path: Path) -> None:
    """106 calls exit_group while 105 is inside it, with the same code."""
    log = race(103, 104).replace("106 ", "105 exit_group(3 <unfinished ...>\n106 ", 1)
    ends = "{0} <... exit_group resumed>) = ?\n{0} +++ exited with 3 +++\n"
    told = "101 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=106, si_uid=0, si_status=3} ---\n"
    log += "106 exit_group(3 <unfinished ...>\n" + ends.format(105) + ends.format(106) + told
    assert edges(tmp_path, log)[106] == (101, "observed")


@BOTH_WAYS
def test_who_has_only_one_call_leaves_the_others_to_the_rest(tmp_path: Path, turn: Turn) -> None:
    """106 shows itself before 105's call begins, so that has created the other one, whose number does not say it."""
    begun = f"103 fork( <unfinished ...>\n106 {ALIVE}\n105 fork( <unfinished ...>\n"
    ends = "".join(f"{tid} {KILLED}\n" for tid in turn((103, 105)))
    found = edges(tmp_path, f"{START}{begun}{ends}107 {ALIVE}\n")
    assert (found[106], found[107]) == ((101, "inferred"), (102, "inferred"))


def test_who_outlives_the_process_is_no_thread_of_it(tmp_path: Path) -> None:
    """A leader's end is told after those of all its threads: 106, of which nothing more is told, is 105's child."""
    begun = f"103 {THREAD} <unfinished ...>\n105 fork( <unfinished ...>\n106 {ALIVE}\n"
    log = f"{START}103 {THREAD}) = 107\n" + begun.replace("103 clone", "107 clone")
    killed = f"105 {KILLED}\n107 {KILLED}\n"
    assert edges(tmp_path, f"{log}{killed}")[106] == (None, "unknown")
    assert edges(tmp_path, f"{log}{killed}103 {KILLED}\n")[106] == (102, "inferred")


def test_who_goes_on_under_a_leaders_number_was_its_thread(tmp_path: Path) -> None:
    """So the other one that shows itself is 105's child."""
    begun = f'103 {THREAD} <unfinished ...>\n105 fork( <unfinished ...>\n106 {ALIVE}\n107 execve("/b", ["b"], 0x1'
    exec_ = " <unfinished ...>\n103 +++ superseded by execve in pid 107 +++\n103 <... execve resumed>) = 0\n"
    found = edges(tmp_path, f"{START}{begun}{exec_}105 {KILLED}\n106 {ALIVE}\n")
    assert found[106] == (102, "inferred")
    assert found[103] == (101, "observed")


def test_a_number_was_given_before_its_task_was_seen(tmp_path: Path) -> None:
    """The counter was set back once: 105 is killed inside before, 103 after. 106 shows itself late, and was given
    when 103 was inside."""
    before = f"100 fork() = 150\n105 fork( <unfinished ...>\n100 fork() = 151\n105 {KILLED}\n100 fork() = 152\n"
    after = f"100 fork() = 105\n103 fork( <unfinished ...>\n100 fork() = 107\n103 {KILLED}\n106 {ALIVE}\n"
    assert edges(tmp_path, START + before + after + ENDED)[106] == (101, "inferred")
    assert edges(tmp_path, START + before + after)[106] == (None, "unknown")


def test_a_zombie_is_one_though_no_wait_is_in_the_log(tmp_path: Path) -> None:
    """Who was created by one of several killed callers does not show that the log leaves calls out."""
    log = (
        '100 execve("/a", ["a"], 0x1 /* 0 vars */) = 0\n100 fork() = 101\n100 fork() = 102\n'
        "101 fork( <unfinished ...>\n102 fork( <unfinished ...>\n103 fork() = 104\n"
        "101 <... fork resumed>) = ?\n102 <... fork resumed>) = ?\n"
        "101 +++ killed by SIGKILL +++\n102 +++ killed by SIGKILL +++\n"
        "104 exit_group(0) = ?\n104 +++ exited with 0 +++\n"
    )
    assert edges(tmp_path, log)[104] == (103, "observed")


@BOTH_WAYS
def test_what_a_sibling_shows_holds_for_who_made_it(tmp_path: Path, turn: Turn) -> None:
    """102 is told of the end of 107, a sibling of 106 (CLONE_PARENT): so 106 is 105's child."""
    log = f"{race(*turn((103, 105)))}106 {BESIDE}) = 107\n106 {BESIDE}) = 108\n105 {KILLED}\n107 {KILLED}\n"
    log += f"102 {TOLD.replace('106, si', '107, si')}\n"
    found = edges(tmp_path, log)
    assert (found[106], found[107], found[108]) == ((102, "inferred"), (102, "observed"), (102, "inferred"))


def test_what_a_wait_has_returned_is_not_given_again(tmp_path: Path) -> None:
    """strace before 6.12 prints for who is killed on the way out what it has read last. 103 has created 107."""
    log = (
        f"{START}101 fork() = 106\n106 {KILLED}\n103 fork( <unfinished ...>\n101 wait4(106, NULL, __WALL, NULL) = 106\n"
        f"103 <... fork resumed>) = 106\n103 {KILLED}\n107 {ALIVE}\n"
    )
    found = edges(tmp_path, log + ENDED)
    assert found[107] == (101, "inferred")
    assert 106 not in found


def test_a_result_that_leaves_somebody_unexplained_is_none(tmp_path: Path) -> None:
    """106 may well have been given, but then nobody has created 107."""
    log = f"{START}103 fork( <unfinished ...>\n103 <... fork resumed>) = 106\n103 {KILLED}\n"
    assert edges(tmp_path, log + ENDED)[106] == (101, "derived")
    found = edges(tmp_path, f"{log}107 {ALIVE}\n{ENDED}")
    assert found[107] == (101, "inferred")
    assert 106 not in found


def test_who_is_ended_by_another_threads_exit_was_killed_as_well(tmp_path: Path) -> None:
    """103 has called no exit itself: its thread 106 has, and 103 was on its way out of fork."""
    log = (
        f"{START}103 {THREAD}) = 106\n103 fork( <unfinished ...>\n106 exit_group(0) = ?\n"
        "103 <... fork resumed>) = 107\n106 +++ exited with 0 +++\n103 +++ exited with 0 +++\n"
    )
    assert edges(tmp_path, log)[107] == (101, "derived")
    found = edges(tmp_path, f"{log}108 {ALIVE}\n")
    assert found[108] == (101, "inferred")
    assert 107 not in found


@pytest.mark.parametrize("ends", ["", ENDED], ids=["no end is told", "an end is told later"])
def test_a_wait_by_who_was_killed_returns_nobody_who_lives(tmp_path: Path, ends: str) -> None:
    """What strace prints for 102's wait it has read for 103's fork. Only with -qq, which hides ends, may it be true."""
    log = (
        f"{START}102 wait4(-1, <unfinished ...>\n103 fork() = 106\n"
        f"102 <... wait4 resumed>NULL, WNOHANG, NULL) = 106\n102 {KILLED}\n{ends}"
    )
    assert edges(tmp_path, log).get(106) == ((103, "observed") if ends else None)


@pytest.mark.parametrize(
    ("number", "believed"),
    [pytest.param(202, False, id="of a system call"), pytest.param(106, True, id="that fits, though nobody shows")],
)
def test_a_number_that_the_counter_cannot_have_had_is_no_result(tmp_path: Path, number: int, believed: bool) -> None:
    """What others are given later counts as well."""
    log = f"{START}103 fork( <unfinished ...>\n103 <... fork resumed>) = {number}\n103 {KILLED}\n"
    later = "".join(f"100 fork() = {n}\n" for n in range(107, 110))
    assert (number in edges(tmp_path, log + later + ENDED)) is believed


def test_nor_one_that_was_passed_and_leaves_somebody_unexplained(tmp_path: Path) -> None:
    """The counter was set back to the numbers around 202, which is that of a system call."""
    log = (
        '100 execve("/a", ["a"], 0x1) = 0\n231 fork( <unfinished ...>\n145 fork( <unfinished ...>\n'
        f"145 <... fork resumed>) = 234\n107 {THREAD} <unfinished ...>\n145 fork( <unfinished ...>\n"
        "231 <... fork resumed>) = 238\n234 fork( <unfinished ...>\n107 <... clone resumed>) = 241\n"
        "241 fork( <unfinished ...>\n234 <... fork resumed>) = 192\n145 <... fork resumed>) = 202\n"
        "241 <... fork resumed>) = 193\n145 +++ superseded by execve in pid 231 +++\n193 vfork( <unfinished ...>\n"
        f"191 {ALIVE}\n193 <... vfork resumed>) = 195\n"
    )
    found = edges(tmp_path, log)
    assert found[191] == (145, "inferred")
    assert 202 not in found


GIVEN_AGAIN = (
    "clone3({{flags=0, exit_signal=SIGCHLD, stack=NULL, stack_size=0, set_tid=[{}], set_tid_size=1}}, 88) = {}\n"
)


OPEN = (
    f"{START}103 fork() = 106\n106 fork( <unfinished ...>\n105 {THREAD} <unfinished ...>\n"
    f"106 <... fork resumed>) = ?\n106 {KILLED}\n107 {ALIVE}\n"
)
"""Who has created 107, 105 or 106?"""
DECIDED = f"105 <... clone resumed>) = ?\n105 {KILLED}\n107 {ALIVE}\n"
"""It was no thread of 105."""


def test_the_creator_of_one_that_is_explained_late_has_a_successor_already(tmp_path: Path) -> None:
    path = tmp_path / "log"
    again = f"103 wait4(106, NULL, 0, NULL) = 106\n103 {TOLD}\n103 {GIVEN_AGAIN.format(106, 106)}106 {ALIVE}\n"
    path.write_text(OPEN + again + DECIDED + ENDED)
    graph = tracer.replay(str(path))
    assert [(p.tgid, p.parent and p.parent.tgid) for p in graph.live()][-2:] == [(107, 101), (106, 103)]


def test_a_number_lives_twice_while_another_birth_is_open(tmp_path: Path) -> None:
    """The first 108 is dead before it is announced. The second one is the child of 104, who was killed inside."""
    twice = (
        "104 fork() = 108\n108 exit_group(0) = ?\n108 +++ exited with 0 +++\n104 wait4(108, NULL, 0, NULL) = 108\n"
        f"104 fork( <unfinished ...>\n104 <... fork resumed>) = ?\n104 {KILLED}\n108 {ALIVE}\n"
    )
    found = edges(tmp_path, f"{OPEN}{twice}{DECIDED}108 {ALIVE}\n")
    assert found[107] == (101, "inferred")
    assert found[108] == (101, "inferred")


@BOTH_WAYS
def test_a_zombie_that_was_nobodys_is_somebodys_once_its_father_is(tmp_path: Path, turn: Turn) -> None:
    """106 left a zombie, 107, and a child to whoever is above it: of that, 102 is told."""
    log = (
        f"{race(*turn((103, 105)))}106 fork() = 107\n106 fork() = 108\n107 exit_group(0) = ?\n"
        f"107 +++ exited with 0 +++\n106 {KILLED}\n108 {KILLED}\n102 {TOLD.replace('106, si', '108, si')}\n"
    )
    found = edges(tmp_path, log)
    assert (found[106], found[107], found[108]) == ((102, "inferred"), (102, "inferred"), (102, "observed"))


def test_a_creator_was_a_thread_whose_number_a_process_has_since(tmp_path: Path) -> None:
    """And a thread of that has taken its number over: that is no end of a thread called 106."""
    log = (
        f"{START}103 {THREAD}) = 106\n106 fork( <unfinished ...>\n104 fork( <unfinished ...>\n103 exit_group(0) = ?\n"
        "106 <... fork resumed>) = ?\n106 +++ exited with 0 +++\n103 +++ exited with 0 +++\n"
        f"104 <... fork resumed>) = ?\n104 {KILLED}\n"
        f"102 {GIVEN_AGAIN.format(106, 106)}106 {THREAD}) = 108\n"
        '108 execve("/b", ["b"], 0x1 <unfinished ...>\n'
        f"106 +++ superseded by execve in pid 108 +++\n106 <... execve resumed>) = 0\n109 {ALIVE}\n"
    )
    assert edges(tmp_path, log)[109] == (101, "inferred")


def test_a_number_among_those_of_that_time_is_no_sign_of_a_namespace(tmp_path: Path) -> None:
    """The counter was set back to 207. Nobody knows who has created 58; 209 does nothing."""
    log = (
        f"{START}103 fork() = 228\n228 {ALIVE}\n104 fork( <unfinished ...>\n105 fork( <unfinished ...>\n207 {ALIVE}\n"
        "105 <... fork resumed>) = 207\n105 fork() = 208\n104 <... fork resumed>) = 209\n105 fork() = 210\n"
        f"58 {ALIVE}\n104 exit_group(0) = ?\n{ENDED}"
    )
    found = edges(tmp_path, log)
    assert [found[tid] for tid in (103, 207, 208, 210)] == [(n, "observed") for n in (101, 105, 105, 105)]
    assert found[209] == (101, "derived")
    assert found[58] == (None, "unknown")


def test_a_task_that_is_attached_had_its_number_by_then(tmp_path: Path) -> None:
    """312 before 103 was killed inside fork, and 313 after that: if 553 were its child, the counter would have been set
    back between those."""
    log = (
        f"{START}104 exit_group(0) = ?\n{ENDED}102 fork() = 106\n106 fork() = 905\n905 {ALIVE}\n106 fork() = 320\n"
        f"106 fork( <unfinished ...>\nstrace: Process 312 attached\n103 fork( <unfinished ...>\n"
        f"103 <... fork resumed>) = ?\n103 {KILLED}\n106 <... fork resumed>) = 312\n106 fork() = 313\n"
        "106 fork() = 552\n105 fork( <unfinished ...>\nstrace: Process 553 attached\n105 <... fork resumed>) = ?\n"
        f"105 {KILLED}\n553 {ALIVE}\n"
    )
    assert edges(tmp_path, re.sub(r"(?m)^(\d+) (?!execve)", r"[pid \1] ", log))[553] == (102, "inferred")


def test_who_wants_a_number_creates_no_other(tmp_path: Path) -> None:
    """alloc_pid() gives that one (set_tid), or fails."""
    wants = "clone3({flags=0, exit_signal=SIGCHLD, stack=NULL, stack_size=0, set_tid=[99], set_tid_size=1}, 88"
    assert edges(tmp_path, race(103, 105, other_call=wants))[106] == (101, "inferred")
    wanted = wants.replace("99", "106")
    assert edges(tmp_path, race(103, 105, other_call=wanted))[106] == (None, "unknown")


def test_a_number_said_twice_is_not_given_when_its_owner_ends_later(tmp_path: Path) -> None:
    """105 is killed on the way out, so the result is what strace has read for 104; 107 is the thread that it made."""
    log = (
        f"{START}104 fork( <unfinished ...>\n105 {THREAD} <unfinished ...>\n106 exit(0) = ?\n"
        '107 execve("/b", ["b"], 0x1 <unfinished ...>\n104 <... fork resumed>) = 106\n105 <... clone resumed>) = 106\n'
        "106 +++ exited with 0 +++\n105 +++ superseded by execve in pid 107 +++\n105 <... execve resumed>) = 0\n"
    )
    found = edges(tmp_path, log)
    assert found[105] == (102, "observed")
    assert found[106] == (104, "observed")
    assert 107 not in found


def test_a_number_that_was_set_back_does_not_hide_who_was_killed(tmp_path: Path) -> None:
    """No pid namespace is told of: 3 is a child that does nothing, and 103 has created 106."""
    log = f"{START}104 fork() = 3\n104 fork() = 150\n103 fork( <unfinished ...>\n103 {KILLED}\n106 {ALIVE}\n{ENDED}"
    found = edges(tmp_path, log)
    assert found[106] == (101, "inferred")
    assert 3 in found


def test_a_thread_that_execs_has_been_created_already(tmp_path: Path) -> None:
    """105 is killed by its thread's execve on the way out of a call, of which strace prints 104's: 108 is its child."""
    log = (
        f"{START}105 {THREAD}) = 106\n104 fork( <unfinished ...>\n105 fork( <unfinished ...>\n"
        '106 execve("/b", ["b"], 0x1 <unfinished ...>\n104 <... fork resumed>) = 107\n105 <... fork resumed>) = 107\n'
        f"105 +++ superseded by execve in pid 106 +++\n105 <... execve resumed>) = 0\n108 {ALIVE}\n{ENDED}"
    )
    assert edges(tmp_path, log)[108] == (105, "inferred")


def test_threads_that_any_of_several_has_made_are_no_sign_that_waits_are_left_out(tmp_path: Path) -> None:
    """100 does not wait for 104, so that is a zombie."""
    log = (
        f'100 execve("/a", ["a"], 0x1 /* 0 vars */) = 0\n100 {THREAD}) = 101\n100 {THREAD}) = 102\n'
        "100 fork() = 104\n104 exit_group(0) = ?\n104 +++ exited with 0 +++\n"
        f"101 {THREAD} <unfinished ...>\n102 {THREAD} <unfinished ...>\n"
        '105 prctl(PR_SET_NAME, "x") = 0\n106 prctl(PR_SET_NAME, "x") = 0\n'
        '100 execve("/b", ["b"], 0x1 <unfinished ...>\n'
        + "".join(f"{tid} +++ exited with 0 +++\n" for tid in (106, 105, 102, 101))
        + "100 <... execve resumed>) = 0\n"
    )
    assert edges(tmp_path, log)[104] == (100, "observed")


def test_nor_is_one_that_shows_itself_before_the_first_ordinary_end(tmp_path: Path) -> None:
    """104 may be a thread of 102, or 101's child, and is dead: 100 does not wait, so 101 and 103 are zombies."""
    log = (
        f'100 execve("/a", ["a"], 0x1) = 0\n100 fork() = 101\n101 {THREAD}) = 102\n100 fork() = 103\n'
        f"102 {THREAD} <unfinished ...>\n101 fork( <unfinished ...>\n102 <... clone resumed>) = ?\n"
        f"101 <... fork resumed>) = ?\n102 {KILLED}\n104 {KILLED}\n101 {KILLED}\n"
    )
    found = edges(tmp_path, f"{log}103 exit_group(0) = ?\n103 +++ exited with 0 +++\n")
    assert (found[101], found[103]) == ((100, "observed"), (100, "observed"))


def test_who_goes_on_is_no_thread_of_one_whose_end_the_log_does_not_reach(tmp_path: Path) -> None:
    """107 is inside clone when it is killed; of its end no line is left, but 108 is at work later."""
    log = (
        f"{START}105 {THREAD}) = 107\n107 {THREAD} <unfinished ...>\n104 {FORK} <unfinished ...>\n108 {ALIVE}\n"
        f"107 <... clone resumed>) = ?\n104 {KILLED}\n108 {ALIVE}\n"
    )
    assert edges(tmp_path, log)[108] == (101, "inferred")


def test_who_showed_itself_before_a_call_is_not_its_child_wherever_the_caller_lives(tmp_path: Path) -> None:
    """There is a nested namespace, and nobody knows who created 111, so where that lives. 112 is used again."""
    log = (
        f"{START}100 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD) = 106\n106 {ALIVE}\n106 fork() = 2\n"
        f"107 {ALIVE}\n105 {THREAD}) = 110\n103 {FORK} <unfinished ...>\n104 {FORK} <unfinished ...>\n111 {ALIVE}\n"
        f"103 {KILLED}\n104 {KILLED}\n110 {THREAD} <unfinished ...>\n112 exit_group(3) = ?\n112 +++ exited with 3 +++\n"
        f"111 {FORK} <unfinished ...>\n111 <... fork resumed>) = 112\n112 {ALIVE}\n"
    )
    assert edges(tmp_path, log)[112] == (111, "inferred")
