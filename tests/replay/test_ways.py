"""Several callers were killed inside clone: what is told later refutes some of the ways in which it may have been."""

from __future__ import annotations

from pathlib import Path

import tracer
from tracer.reconstruct.ways import MAX_WAYS, ways_to_share

from .killed import ALIVE, BESIDE, BOTH_WAYS, FORK, KILLED, Turn, race
from .literal import edges


def signal(receiver: int, child: int) -> str:
    """The kernel tells the parent of an end."""
    return (
        f"{receiver} --- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid={child}, si_uid=0, si_status=SIGKILL}}"
        " ---\n"
    )


@BOTH_WAYS
def test_a_siblings_end_refutes_a_creator(tmp_path: Path, turn: Turn) -> None:
    """106 made 107 beside itself, so its parent is 107's."""
    log = f"{race(*turn((103, 105)))}106 {BESIDE}) = 107\n107 {KILLED}\n"
    assert edges(tmp_path, log)[106] == (None, "unknown")
    for told in (101, 102):
        assert edges(tmp_path, log + signal(told, 107))[106] == (told, "inferred")


OUTSIDE = (
    '100 execve("/a", ["a"], 0x1) = 0\n100 wait4(-1, NULL, WNOHANG, NULL) = 0\n'
    "100 fork() = 101\n101 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n101 fork() = 102\n"
    f"100 {BESIDE}) = 103\n102 {FORK} <unfinished ...>\n103 {BESIDE} <unfinished ...>\n104 {ALIVE}\n"
    f"102 {KILLED}\n103 {KILLED}\n104 {BESIDE}) = 105\n105 {KILLED}\n"
)
"""103 is a child of who started strace, and so would be what it has created; what 102 left is 101's."""


def test_one_whose_parent_would_be_outside_the_log(tmp_path: Path) -> None:
    assert edges(tmp_path, OUTSIDE)[104] == (None, "unknown")
    assert edges(tmp_path, OUTSIDE + signal(101, 105))[104] == (101, "inferred")


def test_the_steps_of_the_story_are_those_of_the_way_that_is_left(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(OUTSIDE + signal(101, 105))
    [child] = tracer.replay(str(path)).find(104)
    assert child.creator is not None
    assert child.creator.tgid == 102
    assert [(step.old.tgid, step.new and step.new.tgid) for step in child.reparentings or ()] == [(102, 101)]


def test_who_else_was_created_follows_from_it(tmp_path: Path) -> None:
    """Two tasks and two calls: who is refuted for the one has created the other."""
    log = (
        f"{race(103, 105)}".replace(f"106 {ALIVE}\n", f"106 {ALIVE}\n107 {ALIVE}\n")
        + f"106 {BESIDE}) = 108\n108 {KILLED}\n"
    )
    both = edges(tmp_path, log)
    assert both[106] == both[107] == (None, "unknown")
    told = edges(tmp_path, log + signal(102, 108))
    assert told[106] == (102, "inferred")
    assert told[107] == (101, "inferred")


def test_no_more_ways_are_tried_than_are_worth_it() -> None:
    def riddles(tasks: int) -> dict[tuple[int, int], list[tuple[int, int, int]]]:
        return {(100 + n, n): [(caller, 0, caller) for caller in range(tasks)] for n in range(tasks)}

    assert len(ways_to_share(riddles(4))) == 24
    assert MAX_WAYS < 120
    assert ways_to_share(riddles(5)) == []


def test_one_may_be_the_first_of_a_pid_namespace(tmp_path: Path) -> None:
    """103 or 104 is: both are 100's children, either way."""
    log = (
        '100 execve("/a", ["a"], 0x1) = 0\n100 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n100 fork() = 101\n'
        "101 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 102\n"
        "102 clone(child_stack=NULL, flags=CLONE_PARENT|CLONE_NEWPID|SIGCHLD <unfinished ...>\n"
        f"101 {FORK} <unfinished ...>\n102 <... clone resumed>) = ?\n101 <... fork resumed>) = ?\n"
        f"102 {KILLED}\n101 {KILLED}\n103 {ALIVE}\n104 {ALIVE}\n"
    )
    found = edges(tmp_path, log)
    assert found[103] == found[104] == (100, "inferred")
