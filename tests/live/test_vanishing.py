"""Children of whom nobody hears: the parent ignores SIGCHLD."""

from __future__ import annotations

import subprocess

from tests.live.harness import Compiled, Live, agreed, kill_all, running
from tracer.graph import DEAD
from tracer.sources.ebpf.source import EbpfSource


def test_who_vanished_before_its_father_is_adopted_by_nobody(programs: Compiled) -> None:
    with EbpfSource() as source:
        live = Live(source)
        live.start()
        with running([programs("vanishing")], stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                process.stdout.read(1)
                assert agreed(live, process.pid) == []
                _, father, child = live.lineage(process.pid)
                assert (child.parent, child.state, child.status) == (father, DEAD, 5 << 8)
                assert not child.reparentings
                assert (father.state, father.status) == (DEAD, 6 << 8)
            finally:
                kill_all(live, process.pid)
