"""With what status a process ends whose threads end with different ones: the kernel's answer is what its parent's wait
returned.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.live.harness import PATIENCE, Compiled, Live, running
from tracer.event import Reap
from tracer.life import ShortLife
from tracer.sources.ebpf.source import EbpfSource, Selection

ROUNDS = 1600
Waited = tuple[int, int, str]
"""Process, status as wait(2) filled it in, kind of end."""


@contextmanager
def ended(programs: Compiled) -> Iterator[list[Waited]]:
    """What the parent of all those processes was told."""
    with running([programs("statuses"), str(ROUNDS)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        rows = [line.split() for line in iter(process.stdout.readline, "done\n")]
        yield [(int(pid), int(status), kind) for pid, status, kind in rows]


def differences(waited: list[Waited], ours: Callable[[int], int | None]) -> list[str]:
    assert len(waited) == ROUNDS
    how = Counter((kind, status & 0x7F) for _, status, kind in waited)
    assert {how["together", 0], how["killed-by-itself", 15]} == {ROUNDS // 8}
    return [f"{kind}: wait said {status:#x}, not {ours(pid)}" for pid, status, kind in waited if ours(pid) != status]


def test_the_graph_has_what_the_parent_was_told(programs: Compiled) -> None:
    with EbpfSource() as source:
        live = Live(source)
        live.start()
        with ended(programs) as waited:
            live.settle()
            assert differences(waited, lambda pid: live.engine.graph.find(pid)[-1].status) == []


def test_short_lives_have_it_too(programs: Compiled) -> None:
    with EbpfSource() as source:
        source.start(lambda _: Selection({os.getpid()}))
        told: dict[int, int | None] = {}
        short = 0
        with ended(programs) as waited:
            while events := source.poll_lives(0.3 * PATIENCE):
                short += sum(type(event) is ShortLife for event in events)
                told.update((event.child, event.status) for event in events if isinstance(event, Reap | ShortLife))
            assert differences(waited, told.get) == []
            assert short > ROUNDS // 16
