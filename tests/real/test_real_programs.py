"""A few of the programs, each in one way; `python -m tests.real.run` has the others."""

from __future__ import annotations

import os

import pytest

from tests.fuzz import harness
from tests.fuzz.judge import is_strong

from .run import SETS, lacks, run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="marks what it traces with a cgroup: needs root"),
    pytest.mark.skipif(not harness.STRACE, reason="needs strace"),
]


@pytest.mark.parametrize(
    ("program", "way"),
    [("pipeline", "stderr"), ("dash", "ff"), ("make", "o"), ("git", "full"), ("python", "late"), ("unshare", "pidns")],
)
def test_every_parent_is_the_kernels(program: str, way: str) -> None:
    missing = lacks(program)
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    verdict = run(program, SETS[way])
    if verdict is None:
        pytest.skip("it never came to rest")
    assert [str(problem) for problem in verdict.problems if is_strong(problem)] == []
    # Of races a complete log may leave one open; none was seen in these programs.
    assert verdict.right.total() >= verdict.processes - 1
