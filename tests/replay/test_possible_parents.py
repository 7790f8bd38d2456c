"""Who is killed inside clone may have created a task: all that can be its parent are followed until one is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tracer

from .killed import ALIVE, BESIDE, BOTH_WAYS, FLAG, FORK, KILLED, START, TOLD, Turn, race
from .literal import edges

if TYPE_CHECKING:
    from pathlib import Path


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


@BOTH_WAYS
def test_what_a_sibling_shows_holds_for_who_made_it(tmp_path: Path, turn: Turn) -> None:
    """102 is told of the end of 107, a sibling of 106 (CLONE_PARENT): so 106 is 105's child."""
    log = f"{race(*turn((103, 105)))}106 {BESIDE}) = 107\n106 {BESIDE}) = 108\n105 {KILLED}\n107 {KILLED}\n"
    log += f"102 {TOLD.replace('106, si', '107, si')}\n"
    found = edges(tmp_path, log)
    assert (found[106], found[107], found[108]) == ((102, "inferred"), (102, "observed"), (102, "inferred"))


@BOTH_WAYS
def test_a_zombie_that_was_nobodys_is_somebodys_once_its_father_is(tmp_path: Path, turn: Turn) -> None:
    """106 left a zombie, 107, and a child to whoever is above it: of that, 102 is told."""
    log = (
        f"{race(*turn((103, 105)))}106 fork() = 107\n106 fork() = 108\n107 exit_group(0) = ?\n"
        f"107 +++ exited with 0 +++\n106 {KILLED}\n108 {KILLED}\n102 {TOLD.replace('106, si', '108, si')}\n"
    )
    found = edges(tmp_path, log)
    assert (found[106], found[107], found[108]) == ((102, "inferred"), (102, "inferred"), (102, "observed"))
