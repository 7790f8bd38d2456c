"""Compares a replayed log with what /proc said at the moment when the log ends (fixtures/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tracer.graph import RUNNING, ZOMBIE, Process, ProcessGraph
from tracer.identity import Evidence

STRONG = (Evidence.OBSERVED, Evidence.DERIVED)


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


def describe(process: Process) -> str:
    """One side of a difference."""
    parent = process.parent.tgid if process.parent is not None else None
    why = f": {process.reason}" if process.reason else ""
    return (
        f"{process.tgid} ({process.comm}) {process.state} threads {sorted(process.threads)} "
        f"parent {parent} [{process.evidence}{why}]"
    )


def may_be_gone(process: Process, truth: Truth) -> bool:
    """A zombie of someone outside the trace: whether that one has reaped it, no log tells."""
    return process.state == ZOMBIE and (process.parent is None or process.parent.tgid == truth.outer_reaper)


def differences(graph: ProcessGraph, truth: Truth) -> list[str]:
    """For a complete log: everything in which the graph is not what the kernel had."""
    live = {p.tgid: p for p in graph.live()}
    found = [f"{pid}: not alive in the graph, truth {p}" for pid, p in truth.processes.items() if pid not in live]
    for pid, process in live.items():
        if pid not in truth.processes:
            if not may_be_gone(process, truth):
                found.append(f"{pid}: graph has {describe(process)}, gone in truth")
            continue
        fact = truth.processes[pid]
        parent = process.parent.tgid if process.parent is not None else None
        state = ZOMBIE if fact["state"] == "Z" else RUNNING
        if (parent, state, sorted(process.threads)) != (
            truth.parent(pid),
            state,
            fact["tids"],
        ) or process.state != state:
            found.append(f"{pid}: graph has {describe(process)}, truth {fact}")
    if len(live) != len(list(graph.live())):
        found.append("two living processes with one pid")
    return found


def wrong_claims(graph: ProcessGraph, truth: Truth) -> list[str]:
    """For a log that lacks something: parents that are wrong and claimed to be observed or derived."""
    found = []
    for process in graph.live():
        if process.evidence not in STRONG or may_be_gone(process, truth):
            continue
        parent = process.parent.tgid if process.parent is not None else None
        fact = truth.processes.get(process.tgid)
        if fact is None or parent != fact["ppid"]:
            found.append(f"{process.tgid}: graph has {describe(process)}, truth {fact or 'gone'}")
    return found


def check(log: Path, truth_file: Path) -> None:
    """Replay the log and fail with every difference."""
    import tracer

    truth = Truth(truth_file)
    graph = tracer.replay(log)
    found = wrong_claims(graph, truth) if truth.lacks else differences(graph, truth)
    lacking = f" (lacks {', '.join(truth.lacks)})" if truth.lacks else ""
    assert not found, f"{log.parent.name}, {log.stem}{lacking}:\n" + "\n".join(found)
