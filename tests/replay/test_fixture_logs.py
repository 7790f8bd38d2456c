"""Every recorded log, replayed, gives the parents that the kernel had when the log ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.replay.truth import Truth, check

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
TRUTHS = sorted(LOGS.glob("*/truth-*.json"))


def log_of(truth_file: Path) -> Path:
    """`truth-tt.json` belongs to `tt.log`."""
    return truth_file.with_name(truth_file.stem.removeprefix("truth-") + ".log")


@pytest.mark.parametrize("truth_file", TRUTHS, ids=lambda p: f"{p.parent.name}:{p.stem.removeprefix('truth-')}")
def test_parents_are_the_kernels(truth_file: Path) -> None:
    check(log_of(truth_file), truth_file)


def test_the_logs_are_there() -> None:
    """The parametrised test cannot pass by finding nothing."""
    complete = [t for t in TRUTHS if not Truth(t).lacks]
    assert len({t.parent for t in TRUTHS}) >= 38
    assert len(complete) >= 150
    assert len(TRUTHS) - len(complete) >= 40
    assert sum(len(Truth(t).processes) for t in TRUTHS) > 1500
