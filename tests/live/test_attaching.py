"""What happens while the probes are attached, one after the other, and while /proc is read: forced, not awaited."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.live.harness import Compiled, Live, agreed, kill_all, running
from tests.live.test_start import below
from tracer.errors import CapabilityError
from tracer.sources.ebpf.core import CoreProbes
from tracer.sources.ebpf.source import EbpfSource

FREED = 0.05
"""Seconds: an RCU grace period, after which nothing more is heard of a process that was waited for."""


class Slow(CoreProbes):
    """Something happens before each program is attached."""

    def __init__(self, meanwhile: Callable[[], None], *, in_turns: bool) -> None:
        super().__init__(ring_size=1 << 20, in_turns=in_turns)
        self._meanwhile = meanwhile

    def _attach(self, name: str, tracepoint: str) -> None:
        self._meanwhile()
        super()._attach(name, tracepoint)


class Puppet:
    """programs/puppet.c"""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.tgid = process.pid
        self._process = process

    def do(self, letters: str) -> None:
        """One after the other; returns when all is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for letter in letters:
            self._process.stdin.write(letter.encode())
            self._process.stdin.flush()
            assert self._process.stdout.read(1) == b"\0"


@pytest.fixture
def puppet(programs: Compiled) -> Iterator[Puppet]:
    with running([programs("puppet")], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        made = Puppet(process)
        made.do("t")
        yield made


@pytest.mark.parametrize("in_turns", [False, True])
@pytest.mark.parametrize("deeds", ["g", "z", "t", "T", "x", "s", "o"])
def test_lives_that_pass_while_the_probes_are_being_attached(puppet: Puppet, deeds: str, in_turns: bool) -> None:
    def meanwhile() -> None:
        puppet.do(deeds)
        time.sleep(FREED)

    try:
        probes = Slow(meanwhile, in_turns=in_turns)
    except CapabilityError as error:
        pytest.skip(f"needs libbpf: {error.message}")
    with EbpfSource(probes=probes) as source:
        live = Live(source)
        live.start(puppet.tgid)
        try:
            assert agreed(live, puppet.tgid, seconds=2.0) == []
            ours = {p.tgid: p for p in live.engine.graph.live()}
            for tgid in below(puppet.tgid):
                assert ours[tgid].subreaper is (tgid == puppet.tgid or ours[tgid].comm == "subreaper")
        finally:
            kill_all(live, puppet.tgid)
