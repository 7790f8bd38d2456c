"""make bench: speed and memory of `ctrace replay`, with other tools in the same run.

    python -m benchmarks.replay [--dense MB] [--full MB] [--folder DIR]

Only ratios within one run mean anything. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import logs

BIN = Path(sys.executable).parent
CTRACE = str(BIN / "ctrace")
PEER = str(BIN / "strace-process-tree")
WORDS = r"clone|fork\(|execve|exit|prctl\(|\+\+\+|wait4|unshare\(|setns\("


class Run(NamedTuple):
    """Wall-clock seconds and the largest resident size in MB of the process or any of its children."""

    seconds: float
    megabytes: float


def run(command: list[str], repeats: int = 3) -> Run:
    """The fastest of some runs. Output goes to a file: GNU grep stops at the first match if that is /dev/null."""
    best = Run(float("inf"), 0)
    for _ in range(repeats):
        start = time.perf_counter()
        with tempfile.TemporaryFile() as out, subprocess.Popen(command, stdout=out) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode:
            sys.exit(f"{command[0]} failed with {process.returncode}")
        if seconds < best.seconds:
            best = Run(seconds, usage.ru_maxrss / 1024)
    return best


def made(make: Callable[[Path, int], tuple[Path, int]], path: Path, size: int) -> tuple[Path, int]:
    """Make a log in a process of its own: ru_maxrss of a child counts what its parent had at the time of the exec."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(make, (path, size))


def row(name: str, value: str, goal: str = "") -> None:
    print(f"  {name:<58} {value:>16}   {goal}", flush=True)


def bench_dense(folder: Path, megabytes: int) -> None:
    path, lines = made(logs.dense, folder, megabytes)
    print(f"dense log: {path.stat().st_size / 1e6:.0f} MB, {lines:,} lines, each a process event")
    ours = run([CTRACE, "replay", "--format", "json", str(path)])
    tree = run([CTRACE, "replay", str(path)])
    peer = run([PEER, str(path)], 1)
    row("strace-process-tree, lines/s", f"{lines / peer.seconds:,.0f}")
    row("ctrace replay (tree), lines/s", f"{lines / tree.seconds:,.0f}")
    row("ctrace replay --format json, lines/s", f"{lines / ours.seconds:,.0f}")
    row("ratio, tree", f"{peer.seconds / tree.seconds:.2f}", "at least 4")
    row("ratio, json (every process written out)", f"{peer.seconds / ours.seconds:.2f}")
    row("resident, MB", f"{tree.megabytes:.0f}")
    path.unlink()


def bench_full(folder: Path, megabytes: int) -> None:
    path, lines = made(logs.full, folder, megabytes)
    print(f"full log: {path.stat().st_size / 1e6:.0f} MB, {lines:,} lines")
    size = path.stat().st_size / 1e6
    ours = run([CTRACE, "replay", str(path)])
    grep = run(["grep", "-cE", WORDS, str(path)])
    peer = run([PEER, str(path)], 1)
    row("strace-process-tree, MB/s", f"{size / peer.seconds:,.0f}")
    row("GNU grep -cE, MB/s", f"{size / grep.seconds:,.0f}")
    row("ctrace replay, MB/s", f"{size / ours.seconds:,.0f}")
    row("ratio to strace-process-tree", f"{peer.seconds / ours.seconds:.2f}", "at least 10")
    row("ratio to grep", f"{grep.seconds / ours.seconds:.2f}", "towards 1")
    row("resident, MB", f"{ours.megabytes:.0f}", "under 200")
    path.unlink()


def bench_growth(folder: Path) -> None:
    print("growth: ten times the input")
    for name, make, small in (
        ("short-lived processes", logs.short_lived, 100_000),
        ("children of one parent", logs.siblings, 10_000),
        ("chain of processes", logs.chain, 1_000),
    ):
        times: list[Run] = []
        for count in (small, small * 10):
            path, _ = make(count, folder / "growth.log")
            times.append(run([CTRACE, "replay", str(path)], 1 if count > 500_000 else 3))
        start = run([CTRACE, "--version"]).seconds
        ratio = (times[1].seconds - start) / max(times[0].seconds - start, 0.001)
        row(f"{small * 10:,} against {small:,} {name}: time", f"{ratio:.1f}", "at most 11")
        row(f"{small * 10:,} {name}: resident, MB", f"{times[1].megabytes:.0f}", "1,000,000 under 1,000")
    (folder / "growth.log").unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dense", type=int, default=100, metavar="MB")
    parser.add_argument("--full", type=int, default=1000, metavar="MB")
    parser.add_argument("--folder", type=Path, help="where the logs go (default: a temporary folder)")
    parser.add_argument("only", nargs="*", choices=["dense", "full", "growth", []], help="default: all")
    arguments = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("strace is needed to record the logs: apt install strace")
    parts: dict[str, Callable[[Path], None]] = {
        "dense": lambda folder: bench_dense(folder, arguments.dense),
        "full": lambda folder: bench_full(folder, arguments.full),
        "growth": bench_growth,
    }
    with tempfile.TemporaryDirectory(prefix="ctrace-bench-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, bench in parts.items():
            if not arguments.only or name in arguments.only:
                bench(folder)


if __name__ == "__main__":
    main()
