"""The live side: one eBPF source for many random trees, and its graph at each quiet point."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from tracer import event
from tracer.event import Event
from tracer.graph import ProcessGraph
from tracer.live.session import Session
from tracer.reconstruct.engine import Engine
from tracer.sources.ebpf.source import EbpfSource, Selection

from .judge import Verdict, judge
from .truth import Truth

LATE_NEWS = 0.1
"""Seconds: sched_process_free, which tells of unseen reaping, comes an RCU grace period after the fact; so do the
answers of /proc to doubts about an adoption."""
PATIENCE = 5


class _Story:
    """A recorder in memory: every event that the engine got since the last run."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, events: Sequence[Event]) -> None:
        self.events += events

    def tick(self) -> None:
        pass


class LiveTracer:
    """Follows this process's descendants as `ctrace watch` does: doubtful adoptions are looked up in /proc."""

    def __init__(self) -> None:
        """Raises CapabilityError where probes cannot be loaded."""
        self.waited = 0
        """Quiet points whose last news came late."""
        self._start()

    def _start(self) -> None:
        self._source = EbpfSource()
        self._story = _Story()
        self._session = Session(self._source, recorder=self._story)
        self._session.feed(self._source.start(lambda table: Selection({os.getpid()})))

    def start_again(self) -> None:
        """Forget all, and attach in the middle of what happens."""
        self.close()
        self._start()

    def close(self) -> None:
        """Detach."""
        self._source.close()

    @property
    def lost(self) -> int:
        """Events that the ring buffer had no room for."""
        return self._source.stats.lost

    @property
    def story(self) -> list[Event]:
        """Everything since the last run."""
        return self._story.events

    def graph(self) -> ProcessGraph:
        """As of now."""
        while self._session.step(0):
            pass
        return self._session.graph

    def judge(self, truth: Truth) -> Verdict:
        """Compare with the truth; late news (sched_process_free, a look into /proc) is given some time."""
        verdict = judge(self.graph(), truth, complete=True, below=truth.keeper)
        for _ in range(PATIENCE):
            if not verdict.fatal:
                break
            self.waited += 1
            time.sleep(LATE_NEWS)
            verdict = judge(self.graph(), truth, complete=True, below=truth.keeper)
        return verdict

    def forget(self) -> None:
        """After a run: let go of the dead."""
        self.graph()
        self._session.retire()
        self._story.events = []


def replay_events(path: Path) -> ProcessGraph:
    """The graph of the events that a failed run kept, a repr a line."""
    engine = Engine()
    kinds = {kind.__name__: kind for kind in event.KINDS}
    for line in path.read_text().splitlines():
        name, _, rest = line.partition("(")
        engine.feed([eval(f"kind({rest}", {"kind": kinds[name]})])
    return engine.finish()
