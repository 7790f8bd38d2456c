"""A live session in this process, for what cannot be seen from outside."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.live.watching import workload
from tracer.graph import Process, ProcessGraph
from tracer.live.session import Session
from tracer.reconstruct import reconstruct
from tracer.sources.ebpf.source import EbpfSource, Selection
from tracer.sources.recording import RecordingSource, RecordingWriter, header_here


def same_graph(folder: Path) -> list[str]:
    """Record and watch at once; the differences between the live graph and that of the recording."""
    path = folder / "trace"
    with EbpfSource() as source, path.open("wb", buffering=0) as file:
        writer = RecordingWriter(file, header_here("test"))
        session = Session(source, recorder=writer, tell=lambda happened: None)
        session.feed(source.start(lambda table: Selection({os.getpid()})))
        with subprocess.Popen(workload(0.1, 30), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            while session.step(0.3):
                pass
            live = _told(session.graph)
            process.kill()
        writer.close()
        replayed = _told(reconstruct(RecordingSource(str(path))))
    assert len(live) > 3
    return [
        f"{pid}: live {live.get(pid)}, replayed {replayed.get(pid)}" for pid in live if live[pid] != replayed.get(pid)
    ]


def _told(graph: ProcessGraph) -> dict[int, tuple[object, ...]]:
    return {p.tgid: _facts(p) for p in graph.live()}


def _facts(p: Process) -> tuple[object, ...]:
    steps = [(s.old.tgid, s.new and s.new.tgid, s.rule, s.evidence, s.cause) for s in p.reparentings or ()]
    parent = p.parent.tgid if p.parent else None
    return (p.comm, p.state, parent, p.evidence, p.reason, p.subreaper, sorted(p.threads), p.start_time, steps)
