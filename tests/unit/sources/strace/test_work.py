"""How much work a log is: how often it is read, and how many lines of Python that takes. No clock is looked at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from benchmarks import logs
from tests.replay.truth import Truth
from tracer.reconstruct import reconstruct
from tracer.sources.detect import open_source

LOGS = Path(__file__).parents[4] / "fixtures" / "logs"

HARMLESS = {"order", "rt_sigaction"}
"""What a log may lack and tells all the same who created whom, and who has ended."""


COMPLETE = [
    truth.with_name(truth.stem.removeprefix("truth-") + ".log")
    for truth in sorted(LOGS.glob("*/truth-*.json"))
    if HARMLESS.issuperset(Truth(truth).lacks) and truth.stem != "truth-qq"
]
"""Logs that have nothing to tell a second time: all but those without some calls, without a start, or without ends."""


def readings(path: Path) -> int:
    """How often the log is read from its beginning until its tasks are reconstructed."""
    read: list[int] = []
    reconstruct(open_source([str(path)]), progress=read.append)
    return 1 + sum(done <= before for before, done in pairwise(read))


def work(path: Path) -> int:
    """How many lines of Python are run to reconstruct its tasks, in this process."""
    count = 0

    def step(frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        nonlocal count
        count += event == "line"
        return step

    reconstruct(open_source([str(path)]))  # what is loaded late is loaded by now
    source = open_source([str(path)])
    before = sys.gettrace()
    sys.settrace(step)
    try:
        reconstruct(source)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("path", COMPLETE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_log_that_lacks_nothing_is_read_once(path: Path) -> None:
    assert readings(path) == 1


def test_a_log_that_lacks_something_is_seen_to_be_read_again() -> None:
    assert readings(LOGS / "clone_parent_chain" / "no-clone3.log") == 2


@pytest.mark.parametrize(("make", "most"), [(logs.short_lived, 45), (logs.siblings, 240), (logs.chain, 245)])
def test_work_for_each_line(make: Callable[[int, Path], tuple[Path, int]], most: int, tmp_path: Path) -> None:
    """The same on every machine, however busy. `most` is three tenths above it: a second reading would be more."""
    path, lines = make(500, tmp_path / "strace.log")
    assert work(path) < most * lines
