"""Tasks whose creator was killed inside clone: what the log decides all the same, and where it does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tracer

from .killed import ALIVE, BOTH_WAYS, ENDED, FORK, KILLED, START, THREAD, TOLD, Turn, race
from .literal import edges

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_number_that_was_set_back_does_not_hide_who_was_killed(tmp_path: Path) -> None:
    """No pid namespace is told of: 3 is a child that does nothing, and 103 has created 106."""
    log = f"{START}104 fork() = 3\n104 fork() = 150\n103 fork( <unfinished ...>\n103 {KILLED}\n106 {ALIVE}\n{ENDED}"
    found = edges(tmp_path, log)
    assert found[106] == (101, "inferred")
    assert 3 in found


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
