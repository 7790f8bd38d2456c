"""Random process trees under strace, each live process compared with /proc. `make fuzz` runs it for longer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz import harness, trial
from tests.fuzz.optionsets import SETS, OptionSet
from tracer import replay

FIXED_SEEDS = (1, 3)
NEW_SEEDS = 1
"""So many seeds that no run had before; a failure names the seed."""

pytestmark = pytest.mark.skipif(bool(harness.cannot_run()), reason=harness.cannot_run() or "can run")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz-programs")
    harness.build(folder)
    return folder


def _seeds() -> list[int]:
    return [*FIXED_SEEDS, *(random.randrange(1_000_000) for _ in range(NEW_SEEDS))]


@pytest.mark.parametrize("options", SETS, ids=lambda o: o.name)
def test_every_live_process_is_where_the_kernel_has_it(options: OptionSet, programs: Path, tmp_path: Path) -> None:
    for seed in _seeds():
        done = trial.run(options, seed, programs, tmp_path, replay)
        assert not done.never_quiet, f"seed {seed}: {done.never_quiet}"
        assert done.points > 0, f"seed {seed}: nothing was compared"
        assert not done.kept, f"{options.name} seed {seed}: " + "; ".join(map(str, done.verdict.fatal))
