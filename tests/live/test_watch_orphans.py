"""An adoption that the kernel's rules cannot tell surely is looked up in /proc while it can be."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from tests.live.harness import running
from tracer.event import Event, Snapshot
from tracer.graph import Process
from tracer.identity import Evidence
from tracer.live.session import Session
from tracer.sources.ebpf.source import EbpfSource, Selection
from tracer.sources.proc import read_process


class Kept:
    """A recorder that keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, events: Sequence[Event]) -> None:
        self.events += events

    def tick(self) -> None:
        """Nothing waits here."""


def test_the_kernel_is_asked_and_its_answer_is_recorded() -> None:
    kept = Kept()
    adopted: list[tuple[Process, Evidence]] = []
    with EbpfSource() as source:
        session = Session(
            source,
            recorder=kept,
            tell=lambda h: (
                adopted.append((h.process, h.process.evidence)) if h.kind == "adopted" and h.process else None
            ),
        )
        session.feed(source.start(lambda table: Selection({os.getpid()})))
        (me,) = session.graph.find(os.getpid())
        me.subreaper = None  # as where the kernel's list could not be walked
        with running(["sh", "-c", "(sleep 3.7 & :); sleep 3.9"]):
            end = time.monotonic() + 5
            while not (adopted and adopted[0][0].evidence is Evidence.OBSERVED) and time.monotonic() < end:
                session.step(0.05)
            orphan, at_first = adopted[0]
            assert at_first is Evidence.INFERRED
            assert orphan.evidence is Evidence.OBSERVED
            kernel = read_process(orphan.tgid)
            assert kernel is not None
            assert orphan.parent is not None
            assert orphan.parent.tgid == kernel.stat.ppid
    asked = [e for e in kept.events if type(e) is Snapshot and e.tid == orphan.tgid]
    assert [e.ppid for e in asked] == [kernel.stat.ppid]
