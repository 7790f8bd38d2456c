"""The recorded pods: everything that began under strace's eyes is where the node's kernel had it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tracer
from tests.replay.truth import STRONG, Comparison, Truth, text_of
from tracer.graph import RUNNING, Process
from tracer.identity import Evidence

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
PODS = ("containerd-pod", "containerd-pod-shared-pidns")


class Scene:
    """One log's graph, and the truth about what is younger than containerd."""

    def __init__(self, pod: str, name: str) -> None:
        log, truth_file = LOGS / pod / f"{name}.log", LOGS / pod / f"truth-{name}.json"
        truth = Truth(truth_file)
        containerd = truth.processes[json.loads(truth_file.read_text())["containerd"]]
        self.compared = Comparison(tracer.replay(log), truth, text_of(log))
        self.facts: dict[int, dict[str, Any]] = {p: f for p, f in truth.processes.items() if p > containerd["pid"]}
        # The log never says which of containerd's threads are one process, unless they do something that shows it.
        self.live: dict[int, Process] = {
            p.tgid: p for p in self.compared.graph.live() if p.tgid not in containerd["tids"]
        }

    def named(self, comm: str) -> Process:
        return next(self.live[pid] for pid, fact in self.facts.items() if fact["comm"] == comm)


@pytest.mark.parametrize(
    ("pod", "name"), [(pod, name) for pod in PODS for name in ("strace", "removed")] + [("containerd-pod", "file")]
)
def test_good_log_has_the_whole_tree(pod: str, name: str) -> None:
    scene = Scene(pod, name)
    compared = scene.compared
    assert set(scene.live) == set(scene.facts), "processes"
    for pid, fact in scene.facts.items():
        process = scene.live[pid]
        assert compared.parent(process) == fact["ppid"], compared.describe(process)
        assert process.state == RUNNING
        assert compared.threads(process) == fact["tids"], compared.describe(process)
        assert process.comm == fact["comm"]


@pytest.mark.parametrize("pod", PODS)
def test_evidence(pod: str) -> None:
    """Nobody above containerd was traced, so that the shim went to PID 1 is assumed; what follows is derived."""
    scene = Scene(pod, "strace")
    shim, pause, nginx = scene.named("containerd-shim"), scene.named("pause"), scene.named("nginx")
    workers = [scene.live[pid] for pid, fact in scene.facts.items() if fact["ppid"] == nginx.tgid]
    assert shim.evidence == Evidence.ASSUMED
    assert shim.subreaper
    assert pause.evidence == Evidence.DERIVED
    assert [r.new.tgid for r in pause.reparentings or () if r.new is not None] == [shim.tgid]
    assert len(workers) == 2
    assert all(w.evidence in (Evidence.OBSERVED, Evidence.DERIVED) for w in workers)


def test_orphan_goes_to_pause_in_a_shared_pid_namespace() -> None:
    scene = Scene("containerd-pod-shared-pidns", "strace")
    orphan = scene.named("app-orphan")
    assert scene.compared.parent(orphan) == scene.named("pause").tgid
    assert orphan.evidence in (Evidence.DERIVED, Evidence.INFERRED)


@pytest.mark.parametrize("pod", PODS)
def test_plain_log_needs_no_translation(pod: str) -> None:
    """Without --decode-pids the containers' numbers are local; they are matched, and the tree is the same.

    Only where an orphan in a container goes takes the calls that made its pid namespace, and those are not shown.
    """
    scene = Scene(pod, "plain")
    assert set(scene.live) == set(scene.facts) - scene.compared.nameless, "processes"
    for pid, process in scene.live.items():
        if scene.facts[pid]["comm"] == "app-orphan":
            assert process.evidence not in STRONG or scene.compared.parent(process) == scene.facts[pid]["ppid"]
            continue
        assert scene.compared.parent(process) == scene.facts[pid]["ppid"], scene.compared.describe(process)
