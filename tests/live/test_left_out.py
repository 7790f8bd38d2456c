"""Runs of probes that the kernel leaves out (Linux 7.0 and later, where tracepoints are preempted).

No kernel does that on demand. So the programs are really attached three times here, and what is left out is what we
detach; only the kernel's count of it has to be made up.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import PATIENCE, Compiled, Live, differences, running
from tracer.errors import CapabilityError
from tracer.event import Clone, Event, Exec, Exit, Lost, Reap, Rename, SetSubreaper
from tracer.identity import Evidence
from tracer.sources.ebpf.core import CoreProbes
from tracer.sources.ebpf.needs import TURNS
from tracer.sources.ebpf.source import EbpfSource

PR_SET_CHILD_SUBREAPER = 36


class Probes(CoreProbes):
    """Attached three times, on any kernel."""

    def __init__(self) -> None:
        super().__init__(ring_size=1 << 20, in_turns=True)
        self.events_made_up = 0
        self.calls_made_up = 0

    def events_left_out(self) -> int:
        return super().events_left_out() + self.events_made_up

    def calls_left_out(self) -> int:
        return super().calls_left_out() + self.calls_made_up


@pytest.fixture
def probes() -> Probes:
    try:
        return Probes()
    except CapabilityError as error:
        pytest.skip(f"needs libbpf: {error.message}")


@pytest.fixture
def live(probes: Probes) -> Iterator[Live]:
    with EbpfSource(probes=probes) as source:
        traced = Live(source)
        traced.start()
        traced.settle()
        yield traced


def read_until(live: Live, kind: type[Event]) -> list[Event]:
    """Events up to the first of this kind."""
    end = time.monotonic() + 10 * PATIENCE
    found: list[Event] = []
    while not any(type(e) is kind for e in found):
        assert time.monotonic() < end, f"no {kind.__name__}"
        events = live.source.poll(0.1)
        live.feed(events)
        found += events
    return found


@contextlib.contextmanager
def child() -> Iterator[int]:
    """A process that does nothing."""
    tid = os.fork()
    if not tid:
        signal.pause()
        os._exit(0)
    try:
        yield tid
    finally:
        os.kill(tid, signal.SIGKILL)
        os.waitpid(tid, 0)


@pytest.mark.parametrize("ran", [(0, 1, 2), (1, 2), (0, 2), (2,)])
def test_each_event_is_told_once(live: Live, probes: Probes, programs: Compiled, ran: tuple[int, ...]) -> None:
    """Whichever of the three programs ran. (Without the last ones the map of marks fills up.)"""
    for name, others in TURNS.items():
        for turn, program in enumerate((name, *others)):
            if turn not in ran:
                probes.detach(program)
    with running(["sh", "-c", f"exec {programs('forks')} 200"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"\0"
        live.settle()
    live.settle()
    tids = {process.pid} | {e.child for e in live.events if type(e) is Clone and e.tid == process.pid}
    told = Counter(type(e) for e in live.events if e.tid in tids or type(e) is Lost)
    assert (told[Exec], told[Clone], told[Reap], told[Exit]) == (2, 200, 200, 201)
    assert told[Lost] == 0


def test_renames_are_told_by_another(live: Live, probes: Probes) -> None:
    probes.detach("on_rename")
    old = Path("/proc/self/comm").read_text()
    Path("/proc/self/comm").write_text("other name")
    Path("/proc/self/comm").write_text(old.rstrip())
    read_until(live, Rename)
    live.settle()
    assert [e.comm for e in live.events if type(e) is Rename and e.tid == os.getpid()] == ["other name", old.rstrip()]


def test_what_all_left_out_is_lost_and_repaired(live: Live, probes: Probes) -> None:
    for name in ("on_newtask", *TURNS["on_newtask"]):
        probes.detach(name)
    with child() as tid:
        probes.events_made_up += 1
        (lost,) = [e for e in read_until(live, Lost) if type(e) is Lost]
        live.settle(quiet=1.5)
        (found,) = live.engine.graph.find(tid)
        assert lost.count == 1 == live.source.stats.lost
        assert found.parent is not None
        assert (found.parent.tgid, found.evidence) == (os.getpid(), Evidence.INFERRED)


@pytest.mark.parametrize("runs", [False, True])
def test_a_thread_that_no_probe_saw_outlives_the_leader(
    live: Live, probes: Probes, programs: Compiled, runs: bool
) -> None:
    """The process seems to be a zombie, until the thread runs a program, or /proc shows it."""
    command = [programs("threaded"), "again"] if runs else [programs("leaderless")]
    with running(["sh", "-c", 'read line; exec "$@"', "sh", *command], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        live.settle()
        for name in ("on_newtask", *TURNS["on_newtask"]):
            probes.detach(name)
        process.stdin.write(b"\n")
        process.stdin.flush()
        exits = [e for e in read_until(live, Exit) if type(e) is Exit]
        assert [e.tid for e in exits] == [process.pid]
        live.settle()
        (found,) = live.engine.graph.find(process.pid)
        assert found.state == ("running" if runs else "zombie")
        probes.events_made_up += 1
        live.settle(quiet=1.5)
        assert differences(live, process.pid) == []
        process.kill()
        process.wait()
        live.settle()
        assert [p.state for p in live.engine.graph.find(process.pid)][-1] == "dead"


def test_a_subreaper_that_no_probe_saw_is_found(live: Live, probes: Probes) -> None:
    """The flag tells; that nothing was said of it before is a loss."""
    libc = ctypes.CDLL(None)
    probes.detach("on_sys_exit")
    try:
        assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        probes._attach("on_sys_exit", "sys_exit")
        live.settle()
        assert not any(type(e) is SetSubreaper for e in live.events)
        probes.calls_made_up += 1
        found = read_until(live, SetSubreaper)
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    assert [type(e) for e in found if type(e) in (Lost, SetSubreaper)] == [Lost, SetSubreaper]
    assert live.source.stats.lost == 1


def test_calls_that_changed_nothing_are_no_loss(live: Live, probes: Probes) -> None:
    probes.calls_made_up += 7
    live.settle(quiet=1.5)
    assert live.source.stats.lost == 0
