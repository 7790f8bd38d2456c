"""Could another run have written this log? `python -m tests.fuzz.possible CASE...` asks that of kept damaged logs.

Lines that were left out show only where what is left contradicts itself. That is looked for here with nothing of
ctrace's but the grammar of single lines: calls without their other half, lines without `[pid N]` while several tasks
live, signals that killed and that nobody was given; and, by the judge of `alternatives`, who can have created whom,
what calls of exit, waits and signals say, and whether any tree that the log allows has the edge. Where nothing is
found, another run can have written the log, with another tree: no reader can see that lines are missing.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import tracer
from tracer.sources.strace.lines.grammar import result

from . import alternatives, facts, trial
from .judge import STRONG, Problem
from .truth import Truth

_TAKEN = re.compile(rb"superseded by execve in pid (\d+)|<pid changed to (\d+) \.\.\.>$")
_KILLED = re.compile(rb"killed by (SIGHUP|SIGINT|SIGTERM|SIGURG|SIGWINCH|SIGUSR1|SIGUSR2)")
"""Signals that nobody gets but by a line of its own: not SIGKILL, and none that the kernel forces."""
_PIECE = (b"strace: Process ", b")", b" <unfinished ...>")


class _Lines:
    """Where each task is, line by line."""

    def __init__(self, root: int) -> None:
        self.inside: dict[int, str] = {}
        """Task -> the call that it is inside of; not here where that is not sure."""
        self.alive = {root}
        self.born: dict[int, int] = {}
        self.given: set[bytes] = set()
        """Signals that somebody was given."""

    def line(self, at: int, tid: int, head: bytes, rest: bytes) -> str:
        """Read it: what it contradicts, or ''."""
        if head == b"attached":
            self.born[tid] = at
        older = [one for one in self.alive if self.born.get(one, 0) < at]  # a notice is written into another's line
        if not tid and len(older) > 1 and head != b"+++ ":
            return "several tasks live, and the line has no number"
        tid = tid or (older[0] if len(older) == 1 else 0)
        if not tid:
            return ""
        self.alive.add(tid)
        before = self.inside.get(tid)
        self.inside[tid] = ""
        taken = _TAKEN.search(rest)
        if taken is not None:
            thread, leader = (int(taken[1]), tid) if taken[1] else (tid, int(taken[2]))
            self.alive.discard(thread)
            self.inside.pop(thread, None)
            self.inside.pop(leader, None)
            return ""
        if head == b"+++ ":
            self.alive.discard(tid)
            killed = _KILLED.match(rest)
            return "a signal has killed that nobody was given" if killed and killed[1] not in self.given else ""
        if head == b"--- ":
            self.given.add(rest.partition(b" ")[0])
            return f"{tid} gets a signal inside {before}" if before else ""
        return "" if head == b"attached" else self._call(tid, head, rest, before)

    def _call(self, tid: int, head: bytes, rest: bytes, before: str | None) -> str:
        name = (head[:-1] if head[-1:] == b"(" else head[5:-9]).decode()
        if rest.endswith(b"<unfinished ...>"):
            self.inside[tid] = name
        elif result(rest) is None:
            self.inside.pop(tid)
        expected = "" if head[-1:] == b"(" else name
        if before is None or before == expected or before[:4] == expected[:4] == "exec":
            return ""
        return f"{tid} was {'inside ' + before if before else 'outside'} before {head.decode()}"


def contradictions(path: Path) -> Iterator[str]:
    """What lines of a log of several tasks contradict; nothing for a set of files."""
    if path.is_dir():
        return
    raw = path.read_bytes()
    rows = list(facts._rows_of_file(raw))
    announced = {tid for _, tid, head, _ in rows if head == b"attached"}
    lines = _Lines(next((tid for _, tid, _, _ in rows if tid and tid not in announced), 0))
    text = raw.split(b"\n")
    ends = [row[0] for row in rows[1:]] + [len(text)]
    for (at, *row), end in zip(rows, ends, strict=True):
        contradiction = lines.line(at, *row)
        if contradiction:
            yield f"{at}: {contradiction}"
        if b"[pid " in raw and any(line and not line.startswith(_PIECE) for line in text[at : end - 1]):
            lines.inside.clear()  # the tracees' output may hide lines


def refuted(path: Path, truth: Truth, wrong: list[Problem]) -> str:
    """What tells a reader that these parents are wrong, or that lines are missing; '' if nothing does."""
    for contradiction in contradictions(path):
        return contradiction
    try:
        log = facts.read(path)
        orphans = [task for task, calls in alternatives.unexplained(log).items() if not calls]
        if orphans:
            return f"{orphans[0].first}: nobody can have created {orphans[0]}"
        found = alternatives.judge(log, truth, [problem.pid for problem in wrong])
    except (KeyError, AssertionError, ValueError, IndexError) as error:  # it is made for whole logs
        return f"the judge cannot follow: {error!r}"
    for one, problem in zip(found, wrong, strict=True):
        if problem.got not in one.answers and problem.got not in one.rare:
            return f"{problem.got} cannot be the parent of {one.pid}: {'; '.join(one.refuted[:1]) or one}"
    return ""


def main(argv: list[str] | None = None) -> int:
    """0: no reader can see what is wrong in these."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.possible", description=__doc__)
    parser.add_argument("cases", type=Path, nargs="+", help="folders that `tests.fuzz.mangle` has kept")
    visible = 0
    for case in parser.parse_args(argv).cases:
        truth = Truth.load(case / "truth.json")
        problems = trial.judge_log(case / "log", truth, False, tracer.replay).problems
        wrong = [p for p in problems if p.kind == "parent" and p.evidence in STRONG]
        reason = refuted(case / "log", truth, wrong) if wrong else "nothing is wrong"
        visible += bool(wrong and reason)
        print(f"{case.name}: {len(wrong)} wrong: {reason or 'another run can have written this log'}", flush=True)
    return 1 if visible else 0


if __name__ == "__main__":
    sys.exit(main())
