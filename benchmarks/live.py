"""make bench-live: what watching costs, with other tracers in the same run. Needs root.

    python -m benchmarks.live [--execs N] [--rounds N] [--forks N] [--loader core|bcc] [PART...]

cost    a program that starts and ends processes, two at a time: how much longer it takes while somebody traces it.
        Each round runs every tracer once, one after the other; shown is the fastest of each, its ratio to the fastest
        without a tracer, and the median of the rounds' ratios, which a lucky round does not change.
flood   forks as fast as the machine can: what is lost, CPU per event in user space, memory
quiet   the time to the first tree, and CPU while nothing happens

Each with both loaders of the probes, where both work here, or with the one that was asked for.
Only ratios within one run mean anything. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.live.harness import wait_until
from tests.live.terminal import watching
from tests.live.watching import ARGV

HERE = Path(__file__).parent
FORKS = HERE.parent / "tests" / "live" / "programs" / "forks.c"
ME = str(os.getpid())
LOADERS = ("core", "bcc")
STRACE = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=process,prctl"]
BPFTRACE = """
tracepoint:sched:sched_process_fork { printf("fork %d %d\\n", args->parent_pid, args->child_pid); }
tracepoint:sched:sched_process_exec { printf("exec %d %s\\n", args->pid, str(args->filename)); }
tracepoint:sched:sched_process_exit { printf("exit %d %s\\n", args->pid, comm); }
"""
# bpftrace finds its tracepoints in tracefs, which need not be mounted: in a mount namespace of its own it always is.
WITH_TRACEFS = 'mount -t tracefs none /sys/kernel/tracing; mount -t debugfs none /sys/kernel/debug; exec "$@"'
SUMMARY = re.compile(r"([\d,]+) events · ([\d,]+) lost")
SETTLE = 1.0
"""Seconds from when a tracer says that it is ready to when the work begins."""


class Watch(NamedTuple):
    """A running `ctrace watch` of this process and what it starts."""

    process: subprocess.Popen[bytes]
    summary: Callable[[], str]
    """Ends it; what it then says."""


def row(name: str, value: str, goal: str = "") -> None:
    print(f"  {name:<54} {value:>16}   {goal}", flush=True)


# ---- tracers, each ready when its `with` is entered ----


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    yield


@contextlib.contextmanager
def background(command: list[str]) -> Iterator[None]:
    """A tracer that prints to /dev/null; it is given some time to get ready."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(2 * SETTLE)
            if process.poll() is not None:
                sys.exit(f"{command[0]} ended with {process.returncode}")
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def watch_lines(loader: str) -> Iterator[Watch]:
    """A line for each event, into /dev/null."""
    command = [*ARGV, "watch", ME, "--format", "lines", "--loader", loader]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        if b"watching" not in said:
            process.kill()
            sys.exit(said.decode())

        def summary() -> str:
            process.send_signal(signal.SIGINT)
            return process.communicate(timeout=60)[1].decode()

        try:
            yield Watch(process, summary)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


@contextlib.contextmanager
def watch_screen(loader: str) -> Iterator[Watch]:
    """The tree on a terminal of 40 rows and 100 columns."""
    with watching(ME, "--loader", loader) as (terminal, process):
        wait_until(lambda: bool(terminal.frames), "no tree on the screen", 60)

        def summary() -> str:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            time.sleep(0.2)
            return "\n".join(terminal.after)

        yield Watch(process, summary)


WATCHES = {"lines": watch_lines, "screen": watch_screen}


def loaders() -> list[str]:
    """Those that work here."""
    load = "import sys; from tracer.sources.ebpf.loader import load_probes; load_probes(sys.argv[1]).close()"
    tried = {
        loader: subprocess.run([sys.executable, "-c", load, loader], capture_output=True, check=False)
        for loader in LOADERS
    }
    return [loader for loader, done in tried.items() if done.returncode == 0]


def tracers(chosen: list[str]) -> dict[str, Callable[[], contextlib.AbstractContextManager[object]]]:
    """By the name in the table; strace is no context but a prefix, see work()."""
    ours: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
        f"ctrace watch, {name}, {loader}": partial(watch, loader)
        for loader in chosen
        for name, watch in WATCHES.items()
    }
    bpftrace = ["unshare", "-m", "sh", "-c", WITH_TRACEFS, "sh", "bpftrace", "-e", BPFTRACE]
    return {
        "no tracer": nobody,
        **ours,
        "bpftrace, 3 tracepoints, printing to /dev/null": lambda: background(bpftrace),
        "forkstat to /dev/null": lambda: background(["forkstat", "-e", "fork,exec,exit"]),
        "strace -f -e trace=process,prctl": nobody,
        "strace -f --seccomp-bpf -e trace=process,prctl": nobody,
    }


def work(binary: str, execs: int, tracer: str) -> float:
    """Seconds that the program measured by itself."""
    prefix = []
    if tracer.startswith("strace"):
        prefix = [*STRACE, *(["--seccomp-bpf"] if "seccomp" in tracer else [])]
    with subprocess.Popen([*prefix, binary, str(execs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        time.sleep(SETTLE)
        return float(process.communicate(b"\n")[0])


def bench_cost(folder: Path, arguments: argparse.Namespace) -> None:
    binary = compiled(HERE / "execs.c", folder)
    print(f"{arguments.execs:,} × vfork + exec + exit, two at a time; {arguments.rounds} rounds")
    all_ = tracers(arguments.loader)
    chosen = {
        n: t
        for n, t in all_.items()
        if n.startswith(("no tracer", "ctrace")) or shutil.which(n.split(",")[0].split()[0])
    }
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    for name in all_.keys() - chosen.keys():
        print(f"  left out: {name}: not installed")
    for _ in range(arguments.rounds):
        for name, measured in seconds.items():
            with chosen[name]():
                measured.append(work(binary, arguments.execs, name))
    base = seconds["no tracer"]
    row("", "seconds   ratio  of pairs", "goal")
    for name, measured in seconds.items():
        ratio = min(measured) / min(base)
        of_pairs = statistics.median(mine / alone for mine, alone in zip(measured, base, strict=True))
        goal = "at most 1.05" if name.startswith("ctrace") else ""
        row(name, f"{min(measured):7.2f} {ratio:7.2f} {of_pairs:9.2f}", goal)


# ---- one process of ours ----


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def compiled(source: Path, folder: Path) -> str:
    binary = str(folder / source.stem)
    subprocess.run(["gcc", "-O1", "-o", binary, str(source)], check=True)
    return binary


def bench_flood(folder: Path, arguments: argparse.Namespace) -> None:
    binary = compiled(FORKS, folder)
    for loader, name in itertools.product(arguments.loader, WATCHES):
        print(f"ctrace watch, {name}, {loader}: {arguments.forks:,} forks at full speed, twice")
        with WATCHES[name](loader) as watched:
            time.sleep(SETTLE)
            before = cpu_seconds(watched.process.pid)
            sizes = []
            for _ in range(2):
                flood(binary, arguments.forks)
                until_idle(watched.process.pid)
                sizes.append(resident(watched.process.pid))
            used = cpu_seconds(watched.process.pid) - before
            said = watched.summary()
        found = SUMMARY.search(said)
        if found is None:
            sys.exit(f"no summary in {said!r}")
        events, lost = (int(n.replace(",", "")) for n in found.groups())
        row("events", f"{events:,}")
        row("lost", f"{lost:,}", "0")
        row("CPU per event in user space, with what is printed, µs", f"{used / events * 1e6:.2f}", "at most 3")
        row("resident after the first half and at the end, MB", f"{sizes[0]:.0f}, {sizes[1]:.0f}", "flat")
    for loader in arguments.loader:
        decoding(loader)


def flood(binary: str, forks: int) -> None:
    """Returns when the last child has been reaped."""
    with subprocess.Popen([binary, str(forks)], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.read(1)
        program.kill()


def until_idle(pid: int) -> None:
    """It has read all that there is: nearly no CPU used for a while."""
    used = -1.0
    while (now := cpu_seconds(pid)) - used > 0.05:
        used = now
        time.sleep(0.5)


def decoding(loader: str) -> None:
    """Without output: benchmarks.decode."""
    command = [sys.executable, "-m", "benchmarks.decode", "--loader", loader]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    for line in said.stdout.splitlines()[1:]:
        name, _, value = line.partition("  ")
        row(f"{loader}: {name}, µs", value.split()[0])


def bench_quiet(_folder: Path, arguments: argparse.Namespace) -> None:
    print("ctrace watch when nothing happens")
    for loader, name in itertools.product(arguments.loader, WATCHES):
        first, idle = [], []
        for _ in range(arguments.rounds):
            began = time.perf_counter()
            with WATCHES[name](loader) as watched:
                first.append(time.perf_counter() - began)
                time.sleep(2 * SETTLE)
                before = cpu_seconds(watched.process.pid)
                time.sleep(5)
                idle.append((cpu_seconds(watched.process.pid) - before) / 5)
        row(f"{name}, {loader}: seconds to the first tree", f"{statistics.median(first):.2f}", "core: 0.5; bcc: 2")
        row(f"{name}, {loader}: CPU while idle", f"{statistics.median(idle):.1%}", "under 1%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--execs", type=int, default=5000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--forks", type=int, default=100_000, metavar="N", help="each of two times")
    parts: dict[str, Callable[[Path, argparse.Namespace], None]] = {
        "cost": bench_cost,
        "flood": bench_flood,
        "quiet": bench_quiet,
    }
    parser.add_argument("--loader", action="append", choices=LOADERS, help="default: both, where both work")
    parser.add_argument("only", nargs="*", choices=[*parts, []], help="default: all")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("live tracing needs root: sudo make bench-live")
    arguments.loader = arguments.loader or loaders()
    print("load average before:", " ".join(f"{load:.1f}" for load in os.getloadavg()))
    with tempfile.TemporaryDirectory(prefix="ctrace-bench-") as folder:
        for name, bench in parts.items():
            if not arguments.only or name in arguments.only:
                bench(Path(folder), arguments)


if __name__ == "__main__":
    main()
