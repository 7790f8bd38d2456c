"""The same comparison on logs made now, by this machine's strace on this machine's kernel."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.record.optionsets import ALL
from fixtures.record.proc import Mark, outer_reaper
from fixtures.record.runner import build, record
from tests.compiler import cannot_compile
from tests.fuzz.harness import STRACE, strace_refuses
from tests.replay.test_fixture_logs import log_of
from tests.replay.truth import check

RUNS = [
    ("subreaper_chain", "tt"),
    ("thread_child_outlives_thread", "stderr"),
    ("exec_from_thread_with_children", "Y-y"),
    ("leader_exits_first", "ff-tt"),
    ("clone_parent_chain", "full"),
    ("pidns_orphan_inside", "pidns"),
    ("restarted_calls", "f"),
    ("many_children", "no-clone3"),
]


def why_not() -> str:
    """What this machine lacks for recording, or ''."""
    for tool in (STRACE, "make"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if reason := cannot_compile():
        return reason
    if os.geteuid() != 0:
        return "needs root: a cgroup marks the traced tree"
    try:
        Mark(f"ctrace-try-{os.getpid()}").end()
    except OSError as error:
        return f"no cgroup can be made: {error}"
    if outer_reaper() != 1:
        return "a subreaper is above the test run"
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "recording works")


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ctrace-record-") as folder:
        yield build(Path(folder))


@pytest.mark.parametrize(("program", "options"), RUNS)
def test_recorded_now(program: str, options: str, programs: Path, tmp_path: Path) -> None:
    refused = strace_refuses(ALL[options].options)
    if refused:
        pytest.skip(refused)
    record(program, ALL[options], tmp_path / program, programs)
    (truth,) = (tmp_path / program).glob("truth-*.json")
    check(log_of(truth), truth)
