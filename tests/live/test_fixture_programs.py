"""Every fixture program, live: at its quiet point the graph is /proc's tree, process by process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.record.programs import names
from tests.live.harness import Compiled, Live, agreed, kill_all, running
from tracer.graph import RUNNING
from tracer.identity import Evidence
from tracer.sources.ebpf.source import EbpfSource


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with EbpfSource() as source:
        traced = Live(source)
        traced.start()
        yield traced


@pytest.mark.parametrize("name", names())
def test_the_graph_is_proc(live: Live, programs: Compiled, name: str, tmp_path: Path) -> None:
    with running([programs(name)], cwd=tmp_path) as process:  # one leaves a core
        try:
            assert agreed(live, process.pid) == []
            found = live.lineage(process.pid)
            assert any(p.state == RUNNING for p in found)
            weak = [p for p in found if p.alive and p.evidence.rank > Evidence.DERIVED.rank]
            # A flag that changes while somebody dies is a race even when it is seen: the reconstructor says so.
            weak = [p for p in weak if "at about the time of the adoption" not in p.reason]
            assert [f"{p.tgid}: {p.evidence} {p.reason}" for p in weak] == []
        finally:
            kill_all(live, process.pid)
    assert live.source.stats.lost == 0
    assert os.getpid() in {p.tgid for p in live.engine.graph.live()}
