"""With what status a process ends whose threads end with different ones: the kernel's answer is what its parent's wait
returned.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
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


def differences(waited: list[Waited], ours: Callable[[int], Iterable[int | None]]) -> list[str]:
    """`ours`: of a number, the statuses of all that had it, in order: on a busy machine numbers come round."""
    assert len(waited) == ROUNDS
    how = Counter((kind, status & 0x7F) for _, status, kind in waited)
    assert {how["together", 0], how["killed-by-itself", 15]} == {ROUNDS // 8}
    told: dict[int, Iterator[int | None]] = {}
    found = []
    for pid, status, kind in waited:
        mine = next(told.setdefault(pid, iter(ours(pid))), None)
        if mine != status:
            found.append(f"{kind}: wait said {status:#x}, not {mine}")
    return found


def test_the_graph_has_what_the_parent_was_told(programs: Compiled) -> None:
    with EbpfSource() as source:
        live = Live(source)
        live.start()
        with ended(programs) as waited:
            live.settle()
            assert differences(waited, lambda pid: [p.status for p in live.engine.graph.find(pid)]) == []


def test_short_lives_have_it_too(programs: Compiled) -> None:
    with EbpfSource() as source:
        source.start(lambda _: Selection({os.getpid()}))
        told: dict[int, list[int | None]] = defaultdict(list)
        short = 0
        with ended(programs) as waited:
            while events := source.poll_lives(0.3 * PATIENCE):
                short += sum(type(event) is ShortLife for event in events)
                for event in events:
                    if isinstance(event, Reap | ShortLife):
                        told[event.child].append(event.status)
            assert differences(waited, told.__getitem__) == []
            assert short > ROUNDS // 16
