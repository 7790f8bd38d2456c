"""Logs of `strace -ff`, in which no line says when a call returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
