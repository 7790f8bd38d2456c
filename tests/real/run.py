"""Programs that nobody made for ctrace, under strace, against /proc: `python -m tests.real.run` (root, strace).

Each file of programs/ starts something that people run (a shell's jobs, make -j, nginx, sshd, Go, containers, ...), and
makes the file $DONE when all is there. strace writes about it in one of the ways of SETS; when the log has come to
rest, every process is compared with /proc. Programs that need what is not here are left out, and named.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tracer
from fixtures.record import proc
from tests.fuzz import harness
from tests.fuzz.judge import STRONG, Verdict, is_strong, judge
from tests.fuzz.truth import TrueProcess, Truth

PROGRAMS = Path(__file__).parent / "programs"
LIFE = "trace=process,prctl,unshare,setns"
STARTS, REST, QUIET = 90.0, 25.0, 0.8
"""Seconds: for a program to be there, for its log to come to rest, and how long that is still then."""


@dataclass(slots=True, frozen=True)
class Way:
    """One way to trace."""

    options: tuple[str, ...]
    form: str = "file"
    """`file` (-o), `stderr` (2>&1), `folder` (-ff)."""
    late: bool = False
    """Attached (-p) to the shell that becomes the program."""


SETS = {
    "o": Way(("-f", "-e", LIFE)),
    "pidns": Way(("-f", "-tt", "--decode-pids=pidns", "-e", LIFE)),
    "stderr": Way(("-f", "-tt", "-e", LIFE), "stderr"),
    "ff": Way(("-ff", "-tt", "-e", LIFE), "folder"),
    "full": Way(("-f",)),
    "seccomp": Way(("-f", "--seccomp-bpf", "-e", LIFE)),
    "late": Way(("-f", "-e", LIFE), late=True),
    "late-ff": Way(("-ff", "-tt", "-e", LIFE), "folder", late=True),
    "no-clone3": Way(("-f", "-e", "trace=clone,execve,exit_group,prctl"), "stderr"),
    "usual": Way(("-f", "-e", "trace=clone,fork,vfork,execve,exit_group")),
    "execs": Way(("-f", "-e", "execve"), "stderr"),
    "qq": Way(("-f", "-qq", "-e", LIFE)),
    "z": Way(("-f", "-z", "-e", LIFE)),
}


def programs() -> list[str]:
    """The names of all."""
    return sorted(path.stem for path in PROGRAMS.glob("*.sh"))


def lacks(program: str) -> list[str]:
    """The commands that it needs and that are not here."""
    needed = re.search(r"Needs: (.*)", (PROGRAMS / f"{program}.sh").read_text())
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return [name for name in (needed[1].split() if needed else []) if shutil.which(name, path=path) is None]


class Run:
    """One program, traced in one way, in a cgroup and a folder of its own."""

    def __init__(self, program: str, way: Way, folder: Path) -> None:
        self.folder = folder
        self.way = way
        self.log = folder / {"file": "log", "stderr": "stderr", "folder": "ff"}[way.form]
        self.mark = proc.Mark(f"ctrace-real-{program}-{os.getpid()}")
        self.started: list[subprocess.Popen[bytes]] = []
        path = PROGRAMS / f"{program}.sh"
        self.command = [*path.read_text().splitlines()[0].removeprefix("#!").split(), str(path)]
        self.done = folder / "done"
        self.after = PROGRAMS / f"{program}.after"
        """What is to be done when all has ended."""
        self.environment = {
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "T": str(folder / "scratch"),
            "DONE": str(self.done),
            "HERE": str(PROGRAMS),
        }
        for name in ("scratch", "ff"):
            (folder / name).mkdir()

    def start(self, command: list[str], stderr: str) -> subprocess.Popen[bytes]:
        """Start something inside the cgroup."""
        with (self.folder / stderr).open("wb") as errors:
            child = subprocess.Popen(
                command,
                cwd=self.folder / "scratch",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                preexec_fn=self.mark.enter,  # noqa: PLW1509  no threads here
                start_new_session=True,
            )
        self.started.append(child)
        return child

    def trace(self) -> subprocess.Popen[bytes]:
        """Start strace and the program; return strace."""
        where = {"file": ["-o", str(self.log)], "stderr": [], "folder": ["-o", str(self.log / "log")]}[self.way.form]
        strace = [harness.STRACE, *self.way.options, *where]
        if not self.way.late:
            return self.start([*strace, *self.command], "stderr")
        gate = self.folder / "gate"
        waiting = f'while [ ! -e {gate} ]; do sleep 0.1; done; exec "$@"'
        target = self.start(["/bin/sh", "-c", waiting, "sh", *self.command], "errors")
        tracing = self.start([*strace, "-p", str(target.pid)], "stderr")
        time.sleep(0.7)
        gate.touch()
        return tracing

    def look(self) -> Truth | None:
        """The truth when the log has come to rest; None where it does not."""
        strace = self.trace()
        deadline = time.monotonic() + STARTS
        while not self.done.exists():
            if time.monotonic() > deadline or strace.poll() is not None:
                return None
            time.sleep(0.05)
        deadline = time.monotonic() + REST
        last, since = None, time.monotonic()
        while time.monotonic() < deadline:
            now = (self._written(), self._truth(strace.pid))
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > QUIET:
                return now[1]
            time.sleep(0.1)
        return None

    def _written(self) -> int:
        files = self.log.iterdir() if self.log.is_dir() else [self.log]
        return sum(file.stat().st_size for file in files)

    def _truth(self, strace: int) -> Truth:
        """All in the cgroup, or traced from there (runc leaves it); not PID 1's zombies, which it reaps some time."""
        found = {}
        for tgid in self._members(strace):
            with contextlib.suppress(OSError, IndexError):
                p = proc.process(tgid)
                zombie = not p["tids"]
                if tgid != strace and not (zombie and p["ppid"] == 1):
                    tids = tuple(sorted(p["tids"]))
                    found[tgid] = TrueProcess(tgid, p["ppid"], zombie, tids, tuple(p["ns_pids"][1:]), 0, comm=p["comm"])
        return Truth(1, 1, (strace, os.getpid()), found)

    def _members(self, strace: int) -> Iterator[int]:
        marked = set(self.mark.tgids())
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                tgid = int(entry.name)
                with contextlib.suppress(OSError):
                    traced = any(proc.status_field(task, "TracerPid") == str(strace) for task in proc.tasks(tgid))
                    if traced or tgid in marked:
                        yield tgid

    def end(self) -> None:
        """Kill all of it."""
        strace = self.started[-1].pid if self.started else 0
        # All are found before the first is killed: strace's death would hide the others that it traces.
        for tgid in list(self._members(strace)) if strace else ():
            with contextlib.suppress(OSError):
                os.kill(tgid, signal.SIGKILL)
        self.mark.end()
        for child in self.started:
            child.wait()
        if self.after.exists():
            subprocess.run(["sh", str(self.after)], env=self.environment, stderr=subprocess.DEVNULL, check=False)


def run(program: str, way: Way, keep: Path | None = None) -> Verdict | None:
    """Trace and judge; None where the program never came to rest. A log with problems is copied to `keep`."""
    folder = Path(tempfile.mkdtemp(prefix="ctrace-real-"))
    folder.chmod(0o755)
    try:
        running = Run(program, way, folder)
        try:
            truth = running.look()
            if truth is None:
                return None
            verdict = judge(tracer.replay(running.log), truth, complete=False)
            if verdict.problems and keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / "truth.json").write_text(truth.to_json())
                (shutil.copytree if running.log.is_dir() else shutil.copy)(running.log, keep / "log")
            return verdict
        finally:
            running.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _row(name: str, verdict: Verdict, runs: int) -> str:
    strong = sum(verdict.wrong[kind] for kind in STRONG)
    weak = verdict.wrong.total() - strong
    counts = (runs, verdict.processes, verdict.right.total(), strong, weak, verdict.unknown)
    rest = " ".join(f"{kind}:{number}" for kind, number in sorted(verdict.other.items()))
    return f"{name:12}" + "".join(f"{count:>14,}" for count in counts) + f"  {rest}"


def main() -> int:
    """Run what was asked for; 1 where a strong edge is wrong or nothing could run."""
    parser = argparse.ArgumentParser(prog="python -m tests.real.run", description=__doc__)
    parser.add_argument("--programs", default="all", help=f"all, or some of {', '.join(programs())}")
    parser.add_argument("--sets", default="all", help=f"all, or some of {', '.join(SETS)}")
    parser.add_argument("--keep", type=Path, help="a new folder for logs with problems")
    args = parser.parse_args()
    chosen = programs() if args.programs == "all" else args.programs.split(",")
    total: dict[str, Verdict] = {}
    runs: Counter[str] = Counter()
    wrong = 0
    for program in chosen:
        missing = lacks(program)
        if missing:
            print(f"{program}: left out, needs {', '.join(missing)}", file=sys.stderr)
            continue
        for name in SETS if args.sets == "all" else args.sets.split(","):
            verdict = run(program, SETS[name], args.keep and args.keep / f"{program}-{name}")
            if verdict is None:
                print(f"{program} {name}: never came to rest", file=sys.stderr)
                continue
            runs[name] += 1
            total.setdefault(name, Verdict()).add(verdict)
            for problem in filter(is_strong, verdict.problems):
                wrong += 1
                print(f"{program} {name}: {problem}", file=sys.stderr)
    titles = ("runs", "processes", "right", "wrong-strong", "wrong-weak", "unknown")
    print(f"{'set':12}" + "".join(f"{title:>14}" for title in titles) + "  other")
    for name, verdict in total.items():
        print(_row(name, verdict, runs[name]))
    return 1 if wrong or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
