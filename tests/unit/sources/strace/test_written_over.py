"""strace -ff opens NAME.TID anew for a task whose number is used again: what its earlier tasks did is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tracer

if TYPE_CHECKING:
    from pathlib import Path

Edges = dict[int, tuple[int | None, str]]

ENDED = "--- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid={}, si_uid=0, si_status=0}} ---"
LIVES = 'prctl(PR_SET_NAME, "x") = 0'
START = ("01", 'execve("/a", ["a"], 0x1) = 0')
OWN = {102: (100, "observed"), 103: (100, "observed")}


def edges(folder: Path, files: dict[int, list[tuple[str, str]]], clock: str = "1700000000.{}0000 ") -> Edges:
    """tgid -> (parent's tgid, evidence) of all that live, zombies included; the lines' times are given as text."""
    for tid, lines in files.items():
        text = "".join(clock.format(time) + line + "\n" for time, line in lines)
        (folder / f"log.{tid}").write_text(text)
    live = tracer.replay(str(folder)).live()
    return {p.tgid: (p.parent and p.parent.tgid, str(p.evidence)) for p in live if p.tgid != 100}


def two_births(told: list[tuple[str, str]]) -> dict[int, list[tuple[str, str]]]:
    """102 creates 110, then 103 does; between lies what is told."""
    return {
        100: [
            START,
            *(("02", "fork() = 102"), ("03", "fork() = 103"), ("03", "fork() = 104")),
            ("40", "wait4(104, NULL, 0, NULL) = 104"),
        ],
        102: [("04", "fork() = 110"), *told],
        103: [("10", "fork() = 110"), ("30", LIVES)],
        104: [("05", "exit_group(0) = ?"), ("05", "+++ exited with 0 +++")],
        110: [("20", LIVES)],
    }


@pytest.mark.parametrize(
    "told",
    [
        [],
        [("06", ENDED.format(110))],
        [("05", "wait4(110, NULL, 0, NULL) = 110"), ("07", LIVES)],
        [("05", "wait4(110, NULL, 0, NULL) = 110"), ("06", ENDED.format(110))],
    ],
)
def test_the_file_is_of_the_task_that_was_created_last(tmp_path: Path, told: list[tuple[str, str]]) -> None:
    assert edges(tmp_path, two_births(told)) == {**OWN, 110: (103, "observed")}


def test_so_is_one_without_lines(tmp_path: Path) -> None:
    assert edges(tmp_path, {**two_births([("06", ENDED.format(110))]), 110: []}) == {**OWN, 110: (103, "observed")}


def test_who_took_the_number_from_a_task_whose_end_was_told_is_not_known(tmp_path: Path) -> None:
    files = two_births([("06", ENDED.format(110))])
    files[103] = [("10", LIVES)]
    assert edges(tmp_path, files) == {**OWN, 110: (None, "unknown")}


def test_nor_where_a_wait_was_over_before_the_first_line(tmp_path: Path) -> None:
    files = two_births([("05", "wait4(110, NULL, 0, NULL) = 110"), ("07", LIVES)])
    files[103] = [("10", LIVES)]
    assert edges(tmp_path, files) == {**OWN, 110: (None, "unknown")}
    files[102] = files[102][:2]  # the wait may have lasted
    files[110].append(("31", "+++ exited with 0 +++"))
    assert edges(tmp_path, files) == OWN


def test_an_end_does_not_undo_who_was_created_after_it(tmp_path: Path) -> None:
    """The lost task is over: its waiter's later child with another number is nobody else's."""
    files = two_births([("05", "wait4(110, NULL, 0, NULL) = 110"), ("06", "fork() = 111"), ("07", "fork() = 112")])
    files |= {111: [("08", LIVES)], 112: [("09", LIVES)]}
    expected = {**OWN, 110: (103, "observed"), 111: (102, "observed"), 112: (102, "observed")}
    assert edges(tmp_path, files) == expected


@pytest.mark.parametrize(
    "end",
    [
        "+++ killed by SIGKILL +++",
        "+++ exited with 0 +++",
        "+++ superseded by execve in pid 104 +++\n1700000000.130000 <... execve resumed>) = 0",
    ],
)
def test_what_a_killed_caller_was_told_may_be_anothers_result(tmp_path: Path, end: str) -> None:
    """strace before 6.12 prints what it has read last: 110 is 102's child, and may as well have been a later one."""
    files = two_births([("12", LIVES)])
    files[103] = [("10", "fork() = 110"), ("13", end)]
    found = edges(tmp_path, files)
    assert found[110] == (102, "inferred")


def test_who_lives_when_the_log_ends_was_not_killed(tmp_path: Path) -> None:
    """Of 103, whose child it is, no later line tells. 102, which had not called exit, was killed on its way out."""
    files = two_births([("12", "+++ exited with 0 +++")])
    files[103] = [("10", "fork() = 110")]
    assert edges(tmp_path, files)[110] == (103, "observed")


def test_but_not_that_of_a_call_which_began_after_the_other_caller_had_gone_on(tmp_path: Path) -> None:
    files = two_births([("06", LIVES)])
    files[103] = [("10", "fork() = 110"), ("13", "+++ killed by SIGKILL +++")]
    assert edges(tmp_path, files)[110] == (1, "assumed")  # its creator is dead


def test_two_births_within_a_clock_tick(tmp_path: Path) -> None:
    files = two_births([])
    files[103] = [("04", "fork() = 110")]
    assert edges(tmp_path, files)[110][1] == "inferred"


def test_without_times_nobody_knows_which_came_last(tmp_path: Path) -> None:
    found = edges(tmp_path, two_births([]), clock="")
    assert found[110][1] == "inferred"
    assert (found[102], found[103]) == ((100, "observed"), (100, "observed"))
