"""The case that ctrace exists for: a log as people have it, and the kernel's own answer (`pstree -p`) beside it.

Both belong to others and lie beside the project, not in it; without them the tests are skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import tracer
from tracer.cli import cli
from tracer.graph import Process, ProcessGraph

CASE = Path(__file__).parents[2] / "shared" / "cases" / "k8s-static-pod"
LOG, PSTREE = CASE / "strace.logs", CASE / "pstree.txt"

pytestmark = pytest.mark.skipif(not LOG.exists(), reason=f"the case is not beside the project: {CASE.name}")


@pytest.fixture(scope="module")
def graph() -> ProcessGraph:
    return tracer.replay(LOG)


def process(graph: ProcessGraph, tgid: int) -> Process:
    (found,) = graph.find(tgid)
    return found


@pytest.mark.parametrize(
    ("tgid", "parent", "evidence"),
    [
        (1224703, 1, {"assumed"}),
        (1224727, 1224703, {"derived"}),
        (1224754, 1224703, {"derived"}),
        (1224788, 1224754, {"inferred", "derived", "observed"}),
        (1224789, 1224754, {"inferred", "derived", "observed"}),
    ],
)
def test_parents(graph: ProcessGraph, tgid: int, parent: int, evidence: set[str]) -> None:
    child = process(graph, tgid)
    assert child.state == "running"
    assert child.parent is not None
    assert child.parent.tgid == parent
    assert child.evidence in evidence


def test_the_shim_was_created_by_a_thread_of_shim_start(graph: ProcessGraph) -> None:
    shim, start = process(graph, 1224703), process(graph, 1224694)
    assert shim.creator is start
    assert shim.creator_tid == 1224700
    assert shim.birth_parent is start
    assert start.creator_tid == 1108435
    assert shim.subreaper is True


def test_pause_was_born_a_child_of_runc_create_and_moved(graph: ProcessGraph) -> None:
    pause = process(graph, 1224727)
    assert pause.creator_tid == 1224726
    assert pause.birth_parent is process(graph, 1224714)
    (step,) = pause.reparentings or ()
    assert (step.rule, step.cause, str(step.evidence)) == ("subreaper", "exit of 1224714", "derived")
    assert step.new is process(graph, 1224703)


def test_threads_of_the_shim_that_the_log_can_know(graph: ProcessGraph) -> None:
    assert set(process(graph, 1224703).threads) == {*range(1224703, 1224713), 1224711, 1224712, 1224734}


def test_nothing_lives_under_containerd(graph: ProcessGraph) -> None:
    assert list(process(graph, 1108358).children()) == []


def test_verify_agrees_with_the_kernel() -> None:
    result = CliRunner().invoke(cli, ["replay", str(LOG), "--verify", str(PSTREE)])
    assert result.exit_code == 0, result.output
    assert "5 of 5" in result.output
