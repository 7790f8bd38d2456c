"""/proc is read while it changes."""

from __future__ import annotations

from tests.live.harness import Compiled, running
from tracer.sources.proc import read_process


def test_an_exec_of_a_thread_never_makes_a_zombie(programs: Compiled) -> None:
    with running([programs("execs"), "500"]) as process:
        seen = read_process(process.pid)
        while seen is not None and seen.argv[1:] != ("0",):
            assert not seen.zombie
            seen = read_process(process.pid)
        assert seen is not None
