"""What a complete log cannot tell: `python -m tests.fuzz.undecidable` gets one log, byte for byte, for two trees.

Each program in fixtures/undecidable makes one race, with the same numbers and addresses in each run. It is repeated
until a log came with two trees of /proc. Of the processes whose parent differs ctrace must not claim to know it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import tracer
from tests.compiler import cannot_compile
from tracer.graph import ProcessGraph

from .judge import STRONG

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "undecidable"
LONGEST_DELAY = 150_000
"""ns: the killer waits up to so long, and the race is over by then."""
Tree = tuple[tuple[int, int], ...]
"""(pid, its parent's) of every process."""

CASES = {
    "killed_inside": "two are killed inside vfork: which child was whose",
    "flag_in_flight": "one is killed while its parent is inside prctl: did the flag count for its child",
    "flag_and_death": "one is killed when its parent sets its subreaper flag: which came first",
}
"""Program in fixtures/undecidable -> what its log does not tell."""


@dataclass(slots=True)
class Case:
    """What the runs of one program gave."""

    name: str
    runs: int = 0
    failed: int = 0
    trees: dict[bytes, Counter[Tree]] = field(default_factory=dict)
    """Log -> the trees that it was written for."""

    def add(self, log: bytes, tree: Tree) -> None:
        """One more run."""
        self.runs += 1
        self.trees.setdefault(log, Counter())[tree] += 1

    @property
    def proof(self) -> tuple[bytes, Counter[Tree]] | None:
        """The log that came with different trees, the most even ones first."""
        several = [(log, trees) for log, trees in self.trees.items() if len(trees) > 1]
        return max(several, key=lambda found: found[1].most_common(2)[1][1], default=None)


def differing(trees: Iterable[Tree]) -> dict[int, set[int]]:
    """pid -> its parents, for those whose parent is not the same in all trees."""
    parents: dict[int, set[int]] = {}
    for tree in trees:
        for pid, ppid in tree:
            parents.setdefault(pid, set()).add(ppid)
    return {pid: found for pid, found in parents.items() if len(found) > 1}


def answers(graph: ProcessGraph, pids: dict[int, set[int]]) -> dict[int, str]:
    """What the graph says of the parents of these, with the evidence."""
    said = {}
    for pid in pids:
        process = graph.find(pid)[-1]
        parent = process.parent
        said[pid] = f"{'unknown' if parent is None else parent.tgid} ({process.evidence})"
    return said


def is_honest(graph: ProcessGraph, pids: dict[int, set[int]]) -> bool:
    """Nothing that the log does not tell is called observed or derived."""
    return all(str(graph.find(pid)[-1].evidence) not in STRONG for pid in pids)


def build(name: str, folder: Path) -> Path:
    """Compile the program."""
    target = folder / name
    subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-o", target, PROGRAMS / f"{name}.c"], check=True)
    return target


def record(program: Path, log: Path, delay: int) -> Tree | None:
    """Run the race once; None if it did not come to rest."""
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", str(program), str(log), str(delay)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    if done.returncode:
        return None
    rows = (line.split(maxsplit=2) for line in done.stdout.splitlines())
    return tuple(sorted((int(pid), int(ppid)) for pid, ppid, _ in rows))


def run(name: str, seconds: float, seed: int, folder: Path, proofs: int) -> Case:
    """Repeat the race until a log came with two trees, each of them `proofs` times at least, or the time is over."""
    case = Case(name)
    program = build(name, folder)
    log = folder / "log"
    rng = random.Random(seed)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        log.unlink(missing_ok=True)
        tree = record(program, log, rng.randrange(LONGEST_DELAY))
        if tree is None:
            case.failed += 1
            continue
        case.add(log.read_bytes(), tree)
        proof = case.proof
        if proof is not None and proof[1].most_common(2)[1][1] >= proofs:
            break
    return case


def report(case: Case, keep: Path) -> bool:
    """Print one row; the log is kept. False if there is no proof, or ctrace claims to know."""
    proof = case.proof
    row = [case.name, CASES[case.name], str(case.runs)]
    if proof is None:
        print("| " + " | ".join([*row, "none", "-", "-"]) + " |")
        return False
    log, trees = proof
    keep.mkdir(parents=True, exist_ok=True)
    path = keep / f"{case.name}.log"
    path.write_bytes(log)
    pids = differing(trees)
    graph = tracer.replay(str(path))
    told = "; ".join(
        f"{pid}: " + ", ".join(f"{ppid} ({n}×)" for ppid, n in sorted(_counts(trees, pid).items())) for pid in pids
    )
    said = "; ".join(f"{pid}: {answer}" for pid, answer in answers(graph, pids).items())
    print("| " + " | ".join([*row, str(trees.total()), told, said]) + " |")
    return is_honest(graph, pids)


def _counts(trees: Counter[Tree], pid: int) -> Counter[int]:
    parents: Counter[int] = Counter()
    for tree, n in trees.items():
        parents[dict(tree)[pid]] += n
    return parents


def cannot_run() -> str:
    """Why the races cannot be run on this machine, or ''."""
    missing = [tool for tool in ("strace", "unshare") if not shutil.which(tool)]
    if not sys.platform.startswith("linux") or missing:
        return "needs Linux" if not missing else f"needs {', '.join(missing)}"
    if reason := cannot_compile():
        return reason
    return "" if _is_root() else "needs root (a pid namespace of its own)"


def _is_root() -> bool:
    return subprocess.run(["unshare", "--pid", "--fork", "true"], check=False, capture_output=True).returncode == 0


def main(argv: list[str] | None = None) -> int:
    """0: shown for every case; 1: for one it was not, or ctrace claims to know; 77: the races cannot run here."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.undecidable", description=__doc__)
    parser.add_argument("--cases", default=",".join(CASES), help="which races: " + ",".join(CASES))
    parser.add_argument("--seconds", type=float, default=120, help="for each case at most")
    parser.add_argument("--proofs", type=int, default=2, help="how often each of the two trees has to come")
    parser.add_argument("--seed", type=int, default=0, help="of the delays")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "ctrace-undecidable")
    arguments = parser.parse_args(argv)
    reason = cannot_run()
    if reason:
        print(f"skipped: {reason}", file=sys.stderr)
        return 77
    print("| race | what the log does not tell | runs | with the same log | /proc: parent | ctrace |")
    print("|---|---|---|---|---|---|")
    good = True
    with tempfile.TemporaryDirectory(prefix="ctrace-undecidable-") as folder:
        for name in arguments.cases.split(","):
            case = run(name, arguments.seconds, arguments.seed, Path(folder), arguments.proofs)
            good &= report(case, arguments.keep)
            sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
