"""The live side: one eBPF source for many random trees, and its graph at each quiet point."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tracer import event
from tracer.event import Event
from tracer.graph import ProcessGraph
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.retire import release, retire
from tracer.sources.ebpf.source import EbpfSource, Selection

from .judge import Verdict, judge
from .truth import Truth

LATE_NEWS = 0.1
"""Seconds: sched_process_free, which tells of unseen reaping, comes an RCU grace period after the fact."""
PATIENCE = 5


class LiveTracer:
    """Follows this process's descendants with the probes. The graph is the reconstructor's: /proc is not asked."""

    def __init__(self) -> None:
        """Raises CapabilityError where probes cannot be loaded."""
        self._source = EbpfSource()
        self._engine = Engine()
        self._engine.feed(self._source.start(lambda table: Selection({os.getpid()})))
        self.story: list[Event] = []
        """Everything since the last run."""
        self.waited = 0
        """Quiet points whose last news came late."""

    def close(self) -> None:
        """Detach."""
        self._source.close()

    @property
    def lost(self) -> int:
        """Events that the ring buffer had no room for."""
        return self._source.stats.lost

    def graph(self) -> ProcessGraph:
        """As of now; dead processes that no living one needs are dropped between runs."""
        while events := self._source.poll(0):
            self._engine.feed(events)
            self.story += events
        return self._engine.graph

    def judge(self, truth: Truth) -> Verdict:
        """Compare with the truth; a zombie that is gone already is given the time of a grace period."""
        verdict = judge(self.graph(), truth, complete=True, below=truth.keeper)
        for _ in range(PATIENCE):
            if not any(p.kind in ("ghost", "state") for p in verdict.fatal):
                break
            self.waited += 1
            time.sleep(LATE_NEWS)
            verdict = judge(self.graph(), truth, complete=True, below=truth.keeper)
        return verdict

    def forget(self) -> None:
        """After a run: let go of the dead."""
        self.graph()
        release(retire(self._engine.state))
        self.story.clear()


def replay_events(path: Path) -> ProcessGraph:
    """The graph of the events that a failed run kept, a repr a line."""
    engine = Engine()
    kinds = {kind.__name__: kind for kind in event.KINDS}
    for line in path.read_text().splitlines():
        name, _, rest = line.partition("(")
        engine.feed([eval(f"kind({rest}", {"kind": kinds[name]})])
    return engine.finish()
