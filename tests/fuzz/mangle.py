"""Loss and disorder: damaged logs of random trees. `python -m tests.fuzz.mangle --help`.

Nothing may crash. Where a damage can be seen in the log, no edge that it makes wrong may still be called observed or
derived. Lines that are left out need not leave a trace: of each such edge in a complete log it is said whether another
run could have written what is left (`possible`), or what refutes that. KEEP has the damaged logs with the truth.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from . import harness, optionsets, possible, trial
from .judge import STRONG, Verdict
from .run import Tally, table
from .truth import Truth

Mangling = Callable[[list[bytes], random.Random], Iterator[list[bytes]]]


def cut_tail(lines: list[bytes], rng: random.Random) -> Iterator[list[bytes]]:
    """End the log at every byte: the truth of that moment is not known, so this only asks for no crash."""
    raw = b"".join(lines)
    for end in range(1, len(raw)):
        yield [raw[:end]]


def cut_head(lines: list[bytes], rng: random.Random) -> Iterator[list[bytes]]:
    """Begin the log at every byte."""
    raw = b"".join(lines)
    for start in range(1, len(raw)):
        yield [raw[start:]]


def drop(lines: list[bytes], rng: random.Random) -> Iterator[list[bytes]]:
    """Leave out one line, each in turn but the last: that would be a log of an earlier moment."""
    for i in range(len(lines) - 1):
        yield lines[:i] + lines[i + 1 :]


def drop_many(lines: list[bytes], rng: random.Random) -> Iterator[list[bytes]]:
    """Leave out a tenth of the lines, and not the last one."""
    for _ in range(100):
        yield [*(x for x in lines[:-1] if rng.random() > 0.1), lines[-1]]


def drop_block(lines: list[bytes], rng: random.Random) -> Iterator[list[bytes]]:
    """Leave out some lines in a row, as a full disk or a wrapped terminal does, and not the last one."""
    for _ in range(100):
        start = rng.randrange(len(lines))
        yield lines[:start] + lines[min(start + rng.randrange(1, 30), len(lines) - 1) :]


def duplicate(lines: list[bytes], rng: random.Random) -> Iterator[list[bytes]]:
    """One line twice."""
    for i in range(len(lines)):
        yield [*lines[:i], lines[i], *lines[i:]]


def swap(lines: list[bytes], rng: random.Random) -> Iterator[list[bytes]]:
    """Two neighbours change places."""
    for i in range(len(lines) - 1):
        yield [*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]]


def shuffle(lines: list[bytes], rng: random.Random) -> Iterator[list[bytes]]:
    """Every line somewhere else."""
    for _ in range(50):
        yield rng.sample(lines, len(lines))


def bytes_changed(lines: list[bytes], rng: random.Random) -> Iterator[list[bytes]]:
    """Single bytes become others."""
    for _ in range(300):
        raw = bytearray(b"".join(lines))
        for _ in range(rng.randrange(1, 20)):
            raw[rng.randrange(len(raw))] = rng.choice(
                (0, 10, 13, 27, 34, 40, 41, 60, 61, 91, 92, 255, rng.randrange(256))
            )
        yield [bytes(raw)]


SEEN, UNSEEN = "refuted", "possible"
"""Wrong edges with strong evidence: what is left of a complete log refutes them, or another run could have written it.
Where options leave things out nothing is refuted."""

KNOWN_TRUTH: tuple[Mangling, ...] = (cut_head, drop, drop_many, drop_block, duplicate, swap)
"""What these leave still belongs to the truth at the end of the log."""
NO_TRUTH: tuple[Mangling, ...] = (cut_tail, shuffle, bytes_changed)
"""After these nothing can be said but that reading must end well."""


def record(options: optionsets.OptionSet, seed: int, programs: Path, folder: Path) -> list[tuple[Path, Truth]]:
    """Logs of a small tree with their truths, one for each quiet point."""
    found: list[tuple[Path, Truth]] = []

    def keep(path: Path, true: Truth) -> None:
        copy = folder / f"{options.name}-{seed}-{true.round}"
        copy.write_bytes(path.read_bytes())
        found.append((copy, true))

    trial.run(options, seed, programs, folder, trial.never, look=keep)
    return found


def mangled(
    log: Path, true: Truth, mangling: Mangling, seed: int, replay: trial.Replay, keep: Path, step: int, complete: bool
) -> tuple[int, Verdict]:
    """Replay every step-th damage of a log: how many, and what came out. Crashes and wrong edges with strong
    evidence are its problems, and are kept. `complete`: nothing was left out by options."""
    lines = log.read_bytes().splitlines(keepends=True)
    total = Verdict()
    replays = 0
    with tempfile.NamedTemporaryFile(prefix="ctrace-mangled-") as file:
        path = Path(file.name)
        for i, damaged in enumerate(mangling(lines, random.Random(seed))):
            if (i + seed) % step:
                continue
            path.write_bytes(b"".join(damaged))
            verdict = trial.judge_log(path, true, False, replay)
            replays += 1
            bad = [p for p in verdict.problems if p.kind == "crash"]
            if mangling in KNOWN_TRUTH:
                total.add(verdict)
                wrong = [p for p in verdict.problems if p.kind == "parent" and p.evidence in STRONG]
                reason = possible.refuted(path, true, wrong) if wrong and complete else ""
                total.other[SEEN if reason else UNSEEN] += len(wrong)
                bad += [replace(p, evidence=f"{p.evidence} ({reason or UNSEEN})") for p in wrong]
            if bad:
                case = keep / f"{log.name}-{mangling.__name__}-{i}"
                case.mkdir(parents=True, exist_ok=True)
                (case / "log").write_bytes(path.read_bytes())
                (case / "truth.json").write_text(true.to_json())
                total.problems += [replace(p, kind=f"{case}: {p.kind}") for p in bad]
    return replays, total


def main(argv: list[str] | None = None) -> int:
    """1 if anything crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.mangle", description=__doc__)
    parser.add_argument("--sets", default="o,stderr,setns")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=2, help="trees per set")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "ctrace-mangle", help="for failures")
    parser.add_argument("--step", type=int, default=1, help="take every n-th damage")
    arguments = parser.parse_args(argv)
    tallies: dict[str, Tally] = {}
    found: list[str] = []
    from tracer import replay

    with tempfile.TemporaryDirectory(prefix="ctrace-mangle-") as name:
        folder = Path(name)
        harness.build(folder)
        for options in optionsets.choose(arguments.sets):
            for seed in range(arguments.seed, arguments.seed + arguments.runs):
                for log, true in record(options, seed, folder, folder)[-1:]:
                    for mangling in KNOWN_TRUTH + NO_TRUTH:
                        replays, verdict = mangled(
                            log, true, mangling, seed, replay, arguments.keep, arguments.step, options.complete
                        )
                        tally = tallies.setdefault(mangling.__name__, Tally())
                        tally.runs += 1
                        tally.points += replays
                        tally.verdict.add(verdict)
                        found += map(str, verdict.problems)
    print("points: damaged logs replayed")
    print(table(tallies))
    strong = sum(t.verdict.wrong[e] for t in tallies.values() for e in STRONG)
    crashes = sum(": crash of " in problem for problem in found)
    unseen = sum(t.verdict.other[UNSEEN] for t in tallies.values())
    print(f"wrong edges called observed or derived: {strong}, {unseen} of them in logs that another run could have")
    print(f"written (or that are not complete); crashes: {crashes}")
    for problem in found[:40]:
        print(problem)
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
