"""The recorded pods: everything that began under strace's eyes is where the node's kernel had it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tracer
from tests.replay.truth import Comparison, Truth, text_of
from tracer.graph import RUNNING
from tracer.identity import Evidence

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
PODS = ("containerd-pod", "containerd-pod-shared-pidns")


def replayed(pod: str, name: str) -> tuple[Comparison, dict[int, dict[str, Any]]]:
    """The log's graph, and the truth about containerd and what is younger."""
    log, truth_file = LOGS / pod / f"{name}.log", LOGS / pod / f"truth-{name}.json"
    truth = Truth(truth_file)
    containerd = json.loads(truth_file.read_text())["containerd"]
    young = {pid: fact for pid, fact in truth.processes.items() if pid >= containerd}
    return Comparison(tracer.replay(log), truth, text_of(log)), young


@pytest.mark.parametrize("pod", PODS)
@pytest.mark.parametrize("name", ["strace", "removed"])
def test_good_log_has_the_whole_tree(pod: str, name: str) -> None:
    compared, young = replayed(pod, name)
    live = {p.tgid: p for p in compared.graph.live()}
    assert set(live) == set(young), "processes"
    for pid, fact in young.items():
        if fact["comm"] == "containerd":
            continue
        process = live[pid]
        assert compared.parent(process) == fact["ppid"], compared.describe(process)
        assert process.state == RUNNING
        assert compared.threads(process) == fact["tids"], compared.describe(process)
        assert process.comm == fact["comm"]


@pytest.mark.parametrize("pod", PODS)
def test_evidence(pod: str) -> None:
    """Nobody above containerd was traced, so that the shim went to PID 1 is assumed; what follows is derived."""
    compared, young = replayed(pod, "strace")
    live = {p.tgid: p for p in compared.graph.live()}
    shim = next(live[pid] for pid, fact in young.items() if fact["comm"] == "containerd-shim")
    pause = next(live[pid] for pid, fact in young.items() if fact["comm"] == "pause")
    workers = [live[pid] for pid, fact in young.items() if fact["ppid"] not in (1, shim.tgid, pause.tgid)]
    assert shim.evidence == Evidence.ASSUMED
    assert shim.subreaper
    assert pause.evidence == Evidence.DERIVED
    assert [r.new.tgid for r in pause.reparentings or ()] == [shim.tgid]
    assert workers
    assert all(w.evidence in (Evidence.OBSERVED, Evidence.DERIVED) for w in workers)


@pytest.mark.parametrize("pod", PODS)
def test_plain_log_needs_no_translation(pod: str) -> None:
    """Without --decode-pids the containers' numbers are local; they are matched, and the tree is the same."""
    compared, young = replayed(pod, "plain")
    live = {p.tgid: p for p in compared.graph.live()}
    assert set(live) == set(young), "processes"
    for pid, fact in young.items():
        if fact["comm"] != "containerd":
            assert compared.parent(live[pid]) == fact["ppid"], compared.describe(live[pid])
