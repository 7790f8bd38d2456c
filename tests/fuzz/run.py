"""Random trees against the kernel: `python -m tests.fuzz.run --help`.

The environment's CTRACE_TEST_STRACE names another strace than that of PATH.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tracer.graph import ProcessGraph

from . import harness, optionsets, trial
from .agree import differences
from .alternatives import DECIDABLE, MISJUDGED, UNDECIDABLE
from .judge import STRONG, Verdict, judge
from .live import LiveTracer, replay_events
from .optionsets import OptionSet
from .truth import Truth


class Tally:
    """The figures of one option set."""

    def __init__(self) -> None:
        self.runs = 0
        self.points = 0
        self.failed = 0
        self.verdict = Verdict()

    def row(self, name: str) -> list[str]:
        """One line of the table."""
        v = self.verdict
        total = v.processes
        share = f"{100 * v.right.total() / total:.2f}%" if total else "-"
        strong = sum(v.wrong[e] for e in STRONG)
        weak = v.wrong.total() - strong
        if v.unclear:
            v.other["in-unclear-logs"] = v.unclear
        other = " ".join(f"{k}:{n}" for k, n in sorted(v.other.items()))
        columns = (self.runs, self.points, total, v.threads, v.right.total(), share, strong, weak, v.unknown)
        return [name, *map(str, columns), other]


HEADINGS = [
    *("set", "runs", "points", "processes", "threads", "right", "share"),
    *("wrong-strong", "wrong-weak", "unknown", "other"),
]


def table(tallies: dict[str, Tally]) -> str:
    """Figures per option set, columns aligned."""
    rows = [HEADINGS, *(t.row(n) for n, t in tallies.items())]
    if len(tallies) > 1:
        total = Tally()
        for tally in tallies.values():
            total.runs += tally.runs
            total.points += tally.points
            total.verdict.add(tally.verdict)
        rows.append(total.row("sum"))
    widths = [max(len(r[i]) for r in rows) for i in range(len(HEADINGS))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows)


def evidence_table(tallies: dict[str, Tally]) -> str:
    """Right and wrong edges by evidence, over all sets."""
    right: Counter[str] = sum((t.verdict.right for t in tallies.values()), Counter())
    wrong: Counter[str] = sum((t.verdict.wrong for t in tallies.values()), Counter())
    names = sorted({*right, *wrong})
    return "by evidence (right/wrong): " + ", ".join(f"{n} {right[n]}/{wrong[n]}" for n in names)


def residue(tallies: dict[str, Tally]) -> str:
    """How much of what is wrong, unknown or missing in complete logs a reader could know (`alternatives`)."""
    other: Counter[str] = sum((t.verdict.other for t in tallies.values()), Counter())
    kinds = (DECIDABLE, UNDECIDABLE, MISJUDGED)
    total = sum(other[kind] for kind in kinds)
    return f"complete logs: {total} wrong, unknown or missing: " + ", ".join(f"{other[kind]} {kind}" for kind in kinds)


def usable(names: str) -> list[OptionSet]:
    """Those that this strace can do; the others are named."""
    sets = []
    for options in optionsets.choose(names):
        reason = "" if options.live == "ebpf" else harness.strace_refuses(options.options)
        if reason:
            print(f"left out: {options.name}: {reason}", file=sys.stderr)
        else:
            sets.append(options)
    return sets


def _work(arguments: argparse.Namespace) -> Iterator[tuple[OptionSet, int]]:
    without = arguments.without.split(",")
    sets = [replace(s, kinds=tuple(k for k in s.kinds if k not in without)) for s in usable(arguments.sets)]
    deadline = time.monotonic() + arguments.seconds if arguments.seconds else None
    seed = arguments.seed
    runs = 0
    while deadline is None or time.monotonic() < deadline:
        for options in sets:
            if arguments.runs and runs >= arguments.runs * len(sets):
                return
            yield options, seed
            runs += 1
            if deadline is not None and time.monotonic() >= deadline:
                return
        seed += 1


def replay(path: str) -> ProcessGraph:
    """As the API does."""
    import tracer

    return tracer.replay(path)


def again(folders: list[Path]) -> int:
    """Judge kept cases again, for example after a mend."""
    bad = 0
    for folder in folders:
        options = optionsets.BY_NAME[(folder / "options").read_text()]
        found = Truth.load(folder / "truth.json")
        if folder.name.endswith(trial.DIFFER):
            log, live = folder / "log", replay_events(folder / "events.txt")
            story = differences(log, live, found, trial.numbers_in(log))[2]
            bad += bool(story)
            print(f"{folder}: {'; '.join(story) or 'the same'}")
            continue
        if (folder / "events.txt").exists():
            verdict = judge(replay_events(folder / "events.txt"), found, complete=True, below=found.keeper)
        else:
            verdict = trial.judge_log(folder / "log", found, options.complete, replay)
        bad += bool(verdict.fatal)
        print(f"{folder}: {'still wrong' if verdict.fatal else 'right'}")
        for problem in verdict.problems:
            print(f"  {problem}")
    return 1 if bad else 0


def main(argv: list[str] | None = None) -> int:
    """0: nothing fatal; 1: a bug, with the command that repeats it; 77: this machine cannot run the trees."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument(
        "--sets", default="all", help="all, complete, lacking, or names: " + ",".join(optionsets.BY_NAME)
    )
    parser.add_argument("--seed", type=int, default=0, help="first seed; it grows by one each time all sets had it")
    parser.add_argument("--runs", type=int, default=0, help="seeds per set; 0: until the time is over")
    parser.add_argument("--seconds", type=float, default=0, help="0: until the runs are done")
    parser.add_argument("--tasks", type=int, default=0, help="creations per tree; 0: varies with the seed")
    parser.add_argument("--without", default="", help="kinds to leave out: " + ",".join(harness.KINDS))
    parser.add_argument("--rounds", type=int, default=trial.ROUNDS, help="quiet points per run")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "ctrace-fuzz", help="for failures")
    parser.add_argument("--programs", type=Path, default=None, help="where to build (default: KEEP/bin)")
    parser.add_argument("--stop", action="store_true", help="stop at the first bug")
    parser.add_argument("--again", type=Path, nargs="+", help="judge kept cases again, run nothing")
    arguments = parser.parse_args(argv)
    if arguments.again:
        return again(arguments.again)
    if not arguments.runs and not arguments.seconds:
        arguments.runs = 3
    reason = harness.cannot_run()
    if reason:
        print(f"skipped: {reason}", file=sys.stderr)
        return 77
    tallies = campaign(arguments)
    print(f"strace {harness.strace_version()}")
    print(table(tallies))
    print(evidence_table(tallies))
    print(residue(tallies))
    return 1 if any(t.failed for t in tallies.values()) else 0


def campaign(arguments: argparse.Namespace) -> dict[str, Tally]:
    """Run what was asked for; failures are printed as they come."""
    programs = arguments.programs or arguments.keep / "bin"
    harness.build(programs)
    tallies: dict[str, Tally] = {}
    live: LiveTracer | None = None
    agreed, disagreed = 0, Counter[str]()
    for options, seed in _work(arguments):
        if options.live and live is None:
            live = LiveTracer()
        done = trial.run(
            options,
            seed,
            programs,
            arguments.keep,
            replay,
            arguments.rounds,
            arguments.tasks,
            live=live if options.live else None,
        )
        tally = tallies.setdefault(options.name, Tally())
        tally.runs += 1
        tally.points += done.points
        tally.verdict.add(done.verdict)
        if options.live == "both":
            beside = tallies.setdefault(f"{options.name}, probes", Tally())
            beside.runs += 1
            beside.points += done.points
            beside.verdict.add(done.live_verdict)
        agreed += done.agreed
        disagreed += done.disagreed
        if done.disagreements:
            print(f"the tracers differ: --sets {options.name} --seed {seed}: " + "; ".join(done.disagreements[:5]))
        if done.never_quiet:
            print(f"never quiet: --sets {options.name} --seed {seed}: {done.never_quiet}", file=sys.stderr, flush=True)
        if done.kept:
            tally.failed += 1
            _report(done)
            if arguments.stop:
                break
    if live is not None:
        print(f"live: {live.lost} events lost, {live.waited} points waited for late news")
        live.close()
    if agreed:
        print(f"stories compared between the tracers: {agreed}, differing facts: {dict(disagreed)}")
    return tallies


def _report(done: trial.Trial) -> None:
    repeat = f"python -m tests.fuzz.run --sets {done.options.name} --seed {done.seed} --runs 1"
    print(f"FAILED: {repeat}\n  judge again: python -m tests.fuzz.run --again {' '.join(map(str, done.kept))}")
    for problem in done.verdict.fatal[:8]:
        print(f"  {problem}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
