"""Random trees under the probes: `python -m tests.kernels.trees SET COUNT`; the last line is JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.fuzz import harness, trial
from tests.fuzz.judge import Verdict
from tests.fuzz.live import LiveTracer
from tests.fuzz.optionsets import BY_NAME, OptionSet
from tracer import replay

NO_FAULT = ("exiting", "invisible")
"""Differences that the judge excuses."""
PID_MAX = Path("/proc/sys/kernel/pid_max")


def pid_max_is_per_namespace() -> bool:
    """Since Linux 6.14. Before, a namespace that sets it sets everybody's."""
    before = PID_MAX.read_text()
    inside = f"echo {int(before) - 1} >{PID_MAX}"
    subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", inside], check=False, timeout=30)
    unchanged = PID_MAX.read_text() == before
    PID_MAX.write_text(before)
    return unchanged


def main() -> None:
    name, count = sys.argv[1], int(sys.argv[2])
    options = BY_NAME[name]
    if not pid_max_is_per_namespace():
        options = replace(options, kinds=tuple(k for k in options.kinds if k != "reuse"))
    with tempfile.TemporaryDirectory() as folder:
        told = run(options, count, Path(folder))
    print(json.dumps(told))


def run(options: OptionSet, count: int, folder: Path) -> dict[str, object]:
    """The figures of seeds 0 to `count` - 1."""
    harness.build(folder)
    tracer = LiveTracer()
    total, points, problems, restless = Verdict(), 0, list[str](), list[str]()
    log_wrong = disagreed = missed = 0
    try:
        for seed in range(count):
            done = trial.run(options, seed, folder, folder / "kept", replay, live=tracer)
            verdict = done.live_verdict if options.live == "both" else done.verdict
            total.add(verdict)
            points += done.points
            disagreed += sum(done.disagreed.values())
            if done.never_quiet:
                restless.append(f"seed {seed}: {done.never_quiet[:300]}")
            if options.live == "both":
                log_wrong += wrong(done.verdict)
            kept = [case / "problems.txt" for case in done.kept if case.name.endswith("-live")]
            problems += [f"seed {seed}: {path.read_text()[-600:]}" for path in kept]
        missed = missed_runs()
    finally:
        tracer.close()
    return {
        # Where the kernel leaves out probes, what is promised is that a loss is counted, and repaired.
        "ok": not problems and not restless and points > 0 and (tracer.lost == 0 or missed > 0),
        "seeds": count,
        "points": points,
        "processes": total.processes,
        "threads": total.threads,
        "right": total.right.total(),
        "wrong": wrong(total),
        "unknown": total.unknown,
        "evidence": dict(total.right),
        "lost": tracer.lost,
        "missed_runs": missed,
        "never_quiet": restless,
        "problems": problems[:5],
        "strace_log_differences": log_wrong,
        "tracers_differ": disagreed,
        "reuse": "reuse" in options.kinds,
    }


def missed_runs() -> int:
    """How often the kernel left out a program of ours because it was running on that processor already."""
    text = "".join(path.read_text() for path in Path("/proc/self/fdinfo").iterdir() if path.exists())
    return sum(map(int, re.findall(r"^recursion_misses:\s+(\d+)", text, re.M)))


def wrong(verdict: Verdict) -> int:
    """Whatever differs from the kernel: parents, and states, threads, numbers."""
    other: Counter[str] = verdict.other
    return verdict.wrong.total() + sum(n for kind, n in other.items() if kind not in NO_FAULT)


if __name__ == "__main__":
    main()
