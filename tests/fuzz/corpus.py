"""Logs that are kept, and judged by one version of ctrace after the other.

python -m tests.fuzz.corpus record FOLDER --sets complete --seed 6000 --runs 16
python -m tests.fuzz.corpus score FOLDER --save before.json
python -m tests.fuzz.corpus score FOLDER --against before.json

Random trees never run twice the same, so what a mend costs elsewhere shows only in the same logs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import harness, optionsets, trial
from .judge import STRONG, Verdict
from .optionsets import BY_NAME, OptionSet
from .run import Tally, evidence_table, replay, residue, table, usable
from .truth import Truth


class Case(NamedTuple):
    """One log, judged."""

    name: str
    options: str
    verdict: Verdict

    @property
    def figures(self) -> dict[str, int]:
        """What is compared between versions."""
        v = self.verdict
        strong = {f"strong {k}": sum(v_[e] for e in STRONG) for k, v_ in (("right", v.right), ("wrong", v.wrong))}
        return {
            **strong,
            "right": v.right.total(),
            "wrong": v.wrong.total(),
            "unknown": v.unknown,
            **v.other,
        }


def record(folder: Path, sets: list[OptionSet], seed: int, runs: int) -> None:
    """Keep log and truth of each quiet point."""
    programs = folder / "bin"
    harness.build(programs)
    for now in range(seed, seed + runs):
        for options in sets:
            _record_one(folder, options, now, programs)
        print(f"seed {now}: {sum(1 for _ in _cases(folder)):,} logs", flush=True)


def _record_one(folder: Path, options: OptionSet, seed: int, programs: Path) -> None:
    kept = trial.Trial(options, seed)

    def keep(log: Path, found: Truth) -> None:
        trial.keep_case(folder, kept, log, found, Verdict())

    trial.run(options, seed, programs, folder, trial.never, look=keep)


def _cases(folder: Path) -> Iterator[Path]:
    return (file.parent for file in folder.glob("*/truth.json"))


def _score_one(case: Path) -> Case:
    name = (case / "options").read_text()
    verdict = trial.judge_log(case / "log", Truth.load(case / "truth.json"), BY_NAME[name].complete, replay)
    return Case(case.name, name, verdict)


def score(cases: list[Path]) -> list[Case]:
    """Judge all, on all processors."""
    with multiprocessing.Pool() as pool:
        return sorted(pool.imap_unordered(_score_one, cases, chunksize=8))


def compare(scored: list[Case], before: dict[str, dict[str, int]]) -> Iterator[str]:
    """The sums, and each log that has changed."""
    of_both = [case for case in scored if case.name in before]
    old: Counter[str] = Counter()
    new: Counter[str] = Counter()
    for case in of_both:
        was, now = Counter(before[case.name]), Counter(case.figures)
        old += was
        new += now
        changed = [f"{k} {was[k]} -> {now[k]}" for k in sorted({*was, *now}) if was[k] != now[k]]
        if changed:
            yield f"{case.name}: {', '.join(changed)}"
    yield f"{len(of_both)} logs: " + ", ".join(f"{k} {old[k]} -> {new[k]}" for k in sorted({*old, *new}))


def main() -> int:
    """0: no bug; 1: one at least."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.corpus", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("record", "score"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", default="all", help="all, complete, lacking, or names with commas")
    parser.add_argument("--seed", type=int, default=0, help="record: the first one")
    parser.add_argument("--runs", type=int, default=1, help="record: seeds per set")
    parser.add_argument("--save", type=Path, help="score: the figures of each log")
    parser.add_argument("--against", type=Path, help="score: what another version saved")
    arguments = parser.parse_args()
    if arguments.what == "record":
        record(arguments.folder, usable(arguments.sets), arguments.seed, arguments.runs)
        return 0
    wanted = {options.name for options in optionsets.choose(arguments.sets)}
    scored = score([case for case in _cases(arguments.folder) if (case / "options").read_text() in wanted])
    tallies: dict[str, Tally] = {}
    for case in scored:
        tally = tallies.setdefault(case.options, Tally())
        tally.points += 1
        tally.verdict.add(case.verdict)
        for problem in case.verdict.fatal:
            print(f"{case.name}: {problem}")
    if arguments.save:
        arguments.save.write_text(json.dumps({case.name: case.figures for case in scored}))
    if arguments.against:
        print("\n".join(compare(scored, json.loads(arguments.against.read_text()))))
    print(table(tallies), evidence_table(tallies), residue(tallies), sep="\n")
    return 1 if any(case.verdict.fatal for case in scored) else 0


if __name__ == "__main__":
    sys.exit(main())
