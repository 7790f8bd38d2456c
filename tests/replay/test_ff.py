"""Logs of `strace -ff`, in which no line says when a call returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tracer
from tests.unit.sources.strace.test_written_over import LIVES, START, edges

if TYPE_CHECKING:
    from pathlib import Path


def test_a_task_without_a_line_may_be_younger_than_where_its_creators_call_began(tmp_path: Path) -> None:
    """105 was not there yet when 103 called clone: of its own it has no line."""
    killed = "+++ killed by SIGKILL +++"
    files = {
        100: [START, ("02", "fork() = 101"), ("05", "fork() = 102"), ("06", "fork() = 103"), ("30", LIVES)],
        101: [("03", "fork() = ?"), ("04", killed)],
        102: [("07", "fork() = 105")],
        103: [("08", "clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = ?"), ("09", killed)],
        104: [],
        105: [],
    }
    assert edges(tmp_path, files)[104] == (100, "inferred")


@pytest.mark.parametrize("shows", ["exit_group(0) = ?", 'execve("/b", ["b"], 0x1) = 0', "fork() = 105"])
def test_who_has_shown_itself_had_its_number_before(tmp_path: Path, shows: str) -> None:
    """103's number was given before 104's, and 102 called fork only then."""
    killed = "+++ killed by SIGKILL +++"
    files = {
        100: [START, ("02", "fork() = 101"), ("03", "fork() = 102"), ("30", LIVES)],
        101: [("04", "clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = ?"), ("20", killed)],
        102: [("05", "fork() = 104"), ("07", "fork() = ?"), ("20", killed)],
        103: [("08", LIVES)],
        104: [("06", shows)],
    }
    assert edges(tmp_path, files)[103] == (100, "inferred")


def test_who_takes_its_leaders_place_was_made_as_a_thread(tmp_path: Path) -> None:
    """103 is 101's, so 104 is whom 100 created before 103 has killed it."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = {}"
    files = {
        100: [
            *(START, ("02", thread.format(101)), ("03", "fork() = 102"), ("06", "fork( <unfinished ...>")),
            *(("08", "+++ superseded by execve in pid 103 +++"), ("08", "<... execve resumed>) = 0")),
        ],
        101: [("05", thread.format("?")), ("08", "+++ exited with 0 +++")],
        102: [("04", LIVES)],
        103: [("07", 'execve("/b", ["b"], 0x1 <pid changed to 100 ...>')],
        104: [],
    }
    assert edges(tmp_path, files) == {102: (100, "observed"), 104: (100, "inferred")}


@pytest.mark.parametrize("line", ["execve", "execveat"])
def test_a_thread_is_there_until_an_execve_has_killed_it(tmp_path: Path, line: str) -> None:
    """101's line has the time when its execve began. Meanwhile its thread 102 has made 103 beside their process."""
    execs = 'execve("/b", ["b"], 0x1) = 0' if line == "execve" else 'execveat(3, "", ["b"], 0x1, AT_EMPTY_PATH) = 0'
    files = {
        100: [START, ("02", "fork() = 101"), ("30", LIVES)],
        101: [("03", "clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 102"), ("05", execs)],
        102: [("06", "clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = 103"), ("08", "+++ exited with 0 +++")],
        103: [("07", LIVES)],
    }
    assert edges(tmp_path, files) == {101: (100, "observed"), 103: (100, "derived")}


@pytest.mark.parametrize(("end", "is_there"), [("SIGKILL", False), ("SIGTERM", True)])
def test_a_number_that_was_passed_is_nobodys_where_its_caller_was_killed(
    tmp_path: Path, end: str, is_there: bool
) -> None:
    """strace before 6.12 prints what it has read last. Of another signal than SIGKILL it tells after the result."""
    files = {
        100: [START, ("02", "fork() = 101"), ("02", "fork() = 120"), ("03", "fork() = 121"), ("20", LIVES)],
        101: [("05", "fork() = 40"), ("06", f"+++ killed by {end} +++")],
        120: [("04", LIVES)],
        121: [("04", "exit_group(0) = ?"), ("05", "+++ exited with 0 +++")],
    }
    assert (40 in edges(tmp_path, files)) == is_there


def test_a_thread_that_an_execve_ends_right_after_it_has_set_the_flag(tmp_path: Path) -> None:
    """Its call counts as returned later than that, and is its process's all the same: it is no task out of nowhere."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 102"
    files = {
        100: [("000001", START[1]), ("000100", "fork() = 101"), ("009000", LIVES)],
        101: [("000200", thread), ("000350", 'execve("/b", ["b"], 0x1) = 0'), ("000900", "fork() = 103")],
        102: [("000300", "prctl(PR_SET_CHILD_SUBREAPER, 1) = 0"), ("000400", "+++ exited with 0 +++")],
        103: [("001000", "exit_group(0) = ?"), ("001001", "+++ exited with 0 +++")],
    }
    expected = {101: (100, "observed"), 103: (101, "observed")}
    assert edges(tmp_path, files, clock="1700000000.{} ") == expected
    assert {p.tgid for p in tracer.replay(str(tmp_path)).processes} == {100, 101, 103}


def test_a_thread_that_takes_its_leaders_place_is_not_the_leaders_child(tmp_path: Path) -> None:
    """100 was killed inside fork; strace 6.1 says 103 once more. Its child is 104, and not 101, which was there."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 101"
    files = {
        100: [
            *(START, ("02", thread), ("03", "fork() = 102"), ("06", "fork() = 103")),
            *(("08", "+++ superseded by execve in pid 101 +++"), ("08", "<... execve resumed>) = 0")),
        ],
        101: [("07", 'execve("/b", ["b"], 0x1 <pid changed to 100 ...>')],
        102: [("04", "fork() = 103"), ("05", LIVES)],
        103: [("05", LIVES), ("20", LIVES)],
        104: [],
    }
    assert edges(tmp_path, files) == {102: (100, "observed"), 103: (102, "observed"), 104: (100, "inferred")}


def test_a_call_is_over_before_its_callers_next_line(tmp_path: Path) -> None:
    """104's number was given by then, and 103's before it: 102 called fork later."""
    killed = "+++ killed by SIGKILL +++"
    files = {
        100: [START, ("02", "fork() = 101"), ("02", "fork() = 102"), ("03", "fork() = 104"), ("06", LIVES)],
        101: [("04", "clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD) = ?"), ("09", killed)],
        102: [("07", "fork() = ?"), ("09", killed)],
        103: [],
        104: [("20", LIVES)],
    }
    assert edges(tmp_path, files)[103] == (100, "inferred")


@pytest.mark.parametrize(("number", "is_nobodys"), [(202, True), (105, False)])
def test_a_number_without_a_file_is_nobodys_where_its_caller_was_killed(
    tmp_path: Path, number: int, is_nobodys: bool
) -> None:
    """202 is futex. strace has a file for each task that it follows, so 104 is whom 101 created."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 103"
    files = {
        100: [START, ("02", "fork() = 101"), ("03", "fork() = 102"), ("20", LIVES)],
        101: [
            *(("04", thread), ("05", f"fork() = {number}")),
            *(("08", "+++ superseded by execve in pid 103 +++"), ("08", "<... execve resumed>) = 0")),
        ],
        102: [("20", LIVES)],
        103: [("07", 'execve("/b", ["b"], 0x1 <pid changed to 101 ...>')],
        104 if is_nobodys else 105: [("06", LIVES)],
    }
    child = 104 if is_nobodys else 105
    evidence = "inferred" if is_nobodys else "observed"
    assert edges(tmp_path, files) == {101: (100, "observed"), 102: (100, "observed"), child: (101, evidence)}


def test_where_others_have_no_file_either_files_are_missing(tmp_path: Path) -> None:
    files = {
        100: [START, ("02", "fork() = 101"), ("03", "fork() = 102"), ("20", LIVES)],
        101: [("05", "fork() = 103"), ("06", "+++ killed by SIGKILL +++")],
    }
    assert edges(tmp_path, files)[103] == (1, "assumed")


@pytest.mark.parametrize("end", ["+++ killed by SIGKILL +++", "+++ exited with 0 +++"])
def test_a_wait_whose_caller_was_killed_inside_tells_of_no_end(tmp_path: Path, end: str) -> None:
    """Its result is that of the clone call, so 103, which has no line, is still that thread."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 103"
    files = {
        100: [START, ("02", "fork() = 101"), ("03", "fork() = 102"), ("20", LIVES)],
        101: [("05", thread)],
        102: [("06", "wait4(-1, NULL, 0, NULL) = 103"), ("08", end)],
        103: [],
    }
    assert edges(tmp_path, files) == {101: (100, "observed"), 102: (100, "observed")}


@pytest.mark.parametrize(("number", "parent"), [(101, 100), (106, 1)])
def test_a_number_that_was_not_in_turn_is_nobodys_where_its_caller_was_killed(
    tmp_path: Path, number: int, parent: int
) -> None:
    """101 has no line, and nobody was told of its end. At the time of 104's call numbers above 105 were given."""
    files = {
        100: [START, ("02", "fork() = 101"), ("03", "fork() = 103"), ("04", "fork() = 104"), ("20", LIVES)],
        101: [],
        103: [("05", "fork() = 105"), ("08", "fork() = 107")],
        104: [("06", f"fork() = {number}"), ("09", "+++ killed by SIGKILL +++")],
        105: [],
        106: [("09", LIVES)],
        107: [],
    }
    found = edges(tmp_path, files)
    assert found[101][0] == 100
    assert found[number][0] == parent


@pytest.mark.parametrize(("flags", "parent"), [("CLONE_VM|CLONE_SIGHAND|CLONE_THREAD", None), ("SIGCHLD", 100)])
def test_a_thread_execs_in_its_leaders_file(tmp_path: Path, flags: str, parent: int | None) -> None:
    """So the file of 101 is of a later task, whose creator's file was written over as well."""
    files = {
        100: [START, ("02", f"clone(child_stack=0x1, flags={flags}) = 101"), ("20", LIVES)],
        101: [("05", 'execve("/b", ["b"], 0x1) = 0'), ("06", "fork() = 102")],
        102: [("20", LIVES)],
    }
    found = edges(tmp_path, files)
    assert found[101][0] == parent
    assert found[102][0] == 101


def test_the_number_of_a_thread_that_took_its_leaders_place_is_given_again(tmp_path: Path) -> None:
    """At once: 101's file is of the child of 102, who is no thread of 100."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 101"
    files = {
        100: [
            *(START, ("02", thread), ("03", "fork() = 102"), ("05", "+++ superseded by execve in pid 101 +++")),
            *(("07", "<... execve resumed>) = 0"), ("20", LIVES)),
        ],
        101: [("08", "fork() = 103"), ("20", LIVES)],
        102: [("06", "fork() = 101"), ("20", LIVES)],
        103: [("20", LIVES)],
    }
    found = edges(tmp_path, files)
    assert (found[101][0], found[103][0]) == (102, 101)


def test_so_does_one_that_a_thread_of_its_own_takes_the_place_of(tmp_path: Path) -> None:
    """The file of 101 is of a leader, so not of the thread that 100 has created."""
    thread = "clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = {}"
    files = {
        100: [START, ("02", thread.format(101)), ("20", LIVES)],
        101: [
            *(("05", "fork() = 102"), ("06", thread.format(103)), ("08", "+++ superseded by execve in pid 103 +++")),
            *(("09", "<... execve resumed>) = 0"), ("20", LIVES)),
        ],
        102: [("20", LIVES)],
        103: [("07", 'execve("/b", ["b"], 0x1 /* 0 vars */ <pid changed to 101 ...>')],
    }
    found = edges(tmp_path, files)
    assert (found[101][0], found[102][0]) == (None, 101)
