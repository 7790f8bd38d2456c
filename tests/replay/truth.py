"""Compares a replayed log with what /proc said at the moment when the log ends (fixtures/README.md)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tracer.graph import RUNNING, ZOMBIE, Process, ProcessGraph
from tracer.identity import Evidence

STRONG = (Evidence.OBSERVED, Evidence.DERIVED)
WAIT = re.compile(rb"\bwait(4|id)\(")


class Truth:
    """A truth file."""

    def __init__(self, path: Path) -> None:
        content: dict[str, Any] = json.loads(path.read_text())
        self.lacks: list[str] = content["lacks"]
        self.outer_reaper: int = content["outer_reaper"]
        self.processes: dict[int, dict[str, Any]] = {p["pid"]: p for p in content["processes"]}

    def parent(self, pid: int) -> int | None:
        """The real_parent's tgid; None where it is the tracer or the one who started it, which no log can know."""
        parent: int = self.processes[pid]["ppid"]
        return parent if parent in self.processes or parent == self.outer_reaper else None


class Comparison:
    """One log's graph beside the truth."""

    def __init__(self, graph: ProcessGraph, truth: Truth, log: bytes) -> None:
        self.graph = graph
        self.truth = truth
        self.waits_shown = bool(WAIT.search(log))
        """Else the log cannot tell whether waits were traced, and thus which zombies are reaped."""
        unnamed = {pid for pid in truth.processes if not re.search(rb"\b%d\b" % pid, log)}
        self.root = next((pid for pid in unnamed if truth.parent(pid) is None), 0)
        """Without -o the first task's number is not printed before the second is there, and then perhaps never."""
        self.nameless = unnamed - {self.root}
        """Their creators got numbers of another pid namespace, and no line of their own tells the outer one."""

    def number(self, tid: int) -> int:
        """The kernel's number of a task of the graph; the graph calls one without a number 0."""
        return self.root if tid == 0 else tid

    def parent(self, process: Process) -> int | None:
        return self.number(process.parent.tgid) if process.parent is not None else None

    def describe(self, process: Process) -> str:
        """One side of a difference."""
        why = f": {process.reason}" if process.reason else ""
        return (
            f"{self.number(process.tgid)} ({process.comm}) {process.state} threads {sorted(process.threads)} "
            f"parent {self.parent(process)} [{process.evidence}{why}]"
        )

    def reaped_unseen(self, pid: int, parent: int | None) -> bool:
        """Whether this zombie is there still, no log tells."""
        return parent in (None, self.truth.outer_reaper) or not self.waits_shown

    def threads(self, process: Process) -> list[int]:
        """Living ones; a dead leader stays in the group until the last thread is gone."""
        return sorted(self.number(task.tid) for task in process.threads.values() if not task.exiting)

    def missing(self) -> list[str]:
        """Processes that the graph lacks though the log names them, and tells that they live."""
        live = {self.number(p.tgid) for p in self.graph.live()} | self.nameless
        return [
            f"{pid}: not alive in the graph, truth {fact}"
            for pid, fact in self.truth.processes.items()
            if pid not in live and not (fact["state"] == "Z" and self.reaped_unseen(pid, self.truth.parent(pid)))
        ]

    def differences(self) -> list[str]:
        """For a complete log: everything in which the graph is not what the kernel had."""
        live = {self.number(p.tgid): p for p in self.graph.live()}
        found = self.missing()
        for pid, process in live.items():
            if pid in self.truth.processes:
                found += self.difference(pid, process)
            elif process.state != ZOMBIE or not self.reaped_unseen(pid, self.parent(process)):
                found.append(f"{pid}: graph has {self.describe(process)}, gone in truth")
        if len(live) != len(list(self.graph.live())):
            found.append("two living processes with one pid")
        return found

    def difference(self, pid: int, process: Process) -> list[str]:
        """Parent, state and living threads of a process that both sides have."""
        fact = self.truth.processes[pid]
        state = ZOMBIE if fact["state"] == "Z" else RUNNING
        threads = self.threads(process) if state == RUNNING else []
        if (self.parent(process), process.state, threads) == (self.truth.parent(pid), state, fact["tids"]):
            return []
        return [f"{pid}: graph has {self.describe(process)}, truth {fact}"]

    def wrong_claims(self) -> list[str]:
        """For a log that lacks something: parents that are wrong and claimed to be observed or derived."""
        found = []
        for process in self.graph.live():
            fact = self.truth.processes.get(self.number(process.tgid))
            if process.evidence not in STRONG or (fact is None and process.state == ZOMBIE):
                continue
            if fact is None or self.parent(process) != fact["ppid"]:
                found.append(f"{process.tgid}: graph has {self.describe(process)}, truth {fact or 'gone'}")
        return found


def text_of(log: Path) -> bytes:
    """All of a log; of a -ff folder with its file names, where the tids are."""
    if log.is_dir():
        return b"".join(b"%s\n%s" % (part.suffix[1:].encode(), part.read_bytes()) for part in sorted(log.iterdir()))
    return log.read_bytes()


def check(log: Path, truth_file: Path) -> None:
    """Replay the log and fail with every difference."""
    import tracer

    truth = Truth(truth_file)
    compared = Comparison(tracer.replay(log), truth, text_of(log))
    if truth.lacks:
        found = compared.wrong_claims()
    elif compared.nameless:
        found = compared.wrong_claims() + compared.missing()
    else:
        found = compared.differences()
    lacking = f" (lacks {', '.join(truth.lacks)})" if truth.lacks else ""
    assert not found, f"{log.parent.name}, {log.stem}{lacking}:\n" + "\n".join(found)
