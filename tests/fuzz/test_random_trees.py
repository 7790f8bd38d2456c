"""Random process trees under strace, each live process compared with /proc. `make fuzz` runs it for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import harness, trial
from tests.fuzz.judge import Problem, is_strong
from tests.fuzz.optionsets import SETS, OptionSet
from tracer import replay

SEEDS = (3, 11)
"""The same in every run of the suite; `make fuzz` goes on with others."""

pytestmark = pytest.mark.skipif(bool(harness.cannot_run()), reason=harness.cannot_run() or "can run")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz-programs")
    harness.build(folder)
    return folder


WEAK_GAP = "known gap of complete logs, see docs/trust.md: "
STRONG_GAP = "known gap: numbers matched by guess, see docs/trust.md: "


def _run(options: OptionSet, programs: Path, folder: Path) -> list[str]:
    """Bugs in words; a wrong edge called observed or derived has STRONG in front."""
    bugs = []
    compared = 0
    for seed in SEEDS:
        done = trial.run(options, seed, programs, folder, replay)
        assert not done.never_quiet, f"seed {seed}: {done.never_quiet}"
        compared += done.points  # some trees end before the first quiet point
        bugs += [f"{_mark(p)} {options.name} seed {seed}: {p}" for p in done.verdict.fatal]
    assert compared > 0, "nothing was compared"
    return bugs


def _mark(problem: Problem) -> str:
    return "STRONG" if is_strong(problem) else "weak"


@pytest.mark.parametrize("options", SETS, ids=lambda o: o.name)
def test_every_live_process_is_where_the_kernel_has_it(options: OptionSet, programs: Path, tmp_path: Path) -> None:
    refused = harness.strace_refuses(options.options)
    if refused:
        pytest.skip(f"this strace cannot do that: {refused}")
    bugs = _run(options, programs, tmp_path)
    strong = [bug for bug in bugs if bug.startswith("STRONG")]
    if strong and not options.complete:
        pytest.xfail(STRONG_GAP + strong[0])
    assert not strong
    if bugs:
        pytest.xfail(WEAK_GAP + bugs[0])
