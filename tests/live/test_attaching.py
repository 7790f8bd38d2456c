"""What happens while the probes are attached, one after the other, and while /proc is read: forced, not awaited."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.harness import Compiled, Live, agreed, below, kill_all, running, wait_until
from tracer.errors import CapabilityError
from tracer.identity import Evidence
from tracer.live.check import Difference, check
from tracer.sources import proc
from tracer.sources.ebpf.core import CoreProbes
from tracer.sources.ebpf.source import EbpfSource
from tracer.sources.proc import PROC, ProcProcess, Stat, has_ended, read_process, read_table

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
            assert compared(live, puppet.tgid) == []
            ours = {p.tgid: p for p in live.engine.graph.live()}
            for tgid in below(puppet.tgid):
                assert ours[tgid].subreaper is (tgid == puppet.tgid or ours[tgid].comm == "subreaper")
        finally:
            kill_all(live, puppet.tgid)


def compared(live: Live, root: int) -> list[Difference]:
    """Where the graph differs from /proc, whoever was born when; once that has been given some seconds."""
    table = read_table()
    above, context = root, []
    while above := table[above].stat.ppid:
        context += live.engine.graph.find(above)

    def drain() -> None:
        live.feed(live.source.poll(0.05))

    return check(live.engine.graph, drain, everything=False, context=context).differences


@contextlib.contextmanager
def busy_processor(number: int) -> Iterator[Callable[[], None]]:
    """Programs that never rest on one processor; gives what ends them."""
    with contextlib.ExitStack() as stack:
        hogs = [stack.enter_context(running(["sh", "-c", "while :; do :; done"])) for _ in range(3)]
        for hog in hogs:
            os.sched_setaffinity(hog.pid, {number})

        def rest() -> None:
            for hog in hogs:
                hog.kill()

        yield rest


def let_run(tid: int) -> None:
    """It runs like any other from now on, whoever else wants its processor."""
    with contextlib.suppress(ProcessLookupError):  # it has ended and was waited for
        os.sched_setscheduler(tid, os.SCHED_OTHER, os.sched_param(0))


def has_left_its_memory(tgid: int) -> bool:
    """It is in exit_mm(), or past it."""
    return (PROC / str(tgid) / "statm").read_text().startswith("0 ")


@pytest.mark.parametrize("waited_for", [False, True])
@pytest.mark.parametrize("ends", ["while /proc is read", "later"])
def test_who_is_on_the_way_out(
    programs: Compiled, monkeypatch: pytest.MonkeyPatch, ends: str, waited_for: bool
) -> None:
    """It has passed the probe of ends before that was attached, and has not handed its child on yet."""
    last = (os.cpu_count() or 1) - 1
    with (
        running([programs("lingering")], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as root,
        busy_processor(last) as rest,
        EbpfSource() as source,
    ):
        assert root.stdout is not None
        assert root.stdin is not None
        dying, orphan = map(int, root.stdout.readline().split())
        root.stdin.write(b"w" if waited_for else b"-")
        root.stdin.flush()
        os.kill(dying, signal.SIGKILL)
        wait_until(lambda: has_left_its_memory(dying), "it lives")

        def read_meanwhile() -> dict[int, ProcProcess]:
            monkeypatch.undo()
            table = read_table()
            if ends != "later":
                assert table[orphan].stat.ppid == dying
                let_run(dying)
                rest()
            return table

        monkeypatch.setattr("tracer.sources.proc.read_table", read_meanwhile)
        live = Live(source)
        live.start(root.pid)
        try:
            if ends == "later":
                found = read_process(orphan)
                assert found is not None
                assert found.stat.ppid == dying
            let_run(dying)
            rest()
            wait_until(lambda: has_ended(dying, dying), "it does not end")
            assert compared(live, root.pid) == []
            (process,) = live.engine.graph.find(orphan)
            assert process.parent is not None
            assert process.parent.tgid == root.pid
            assert process.evidence is Evidence.OBSERVED
        finally:
            kill_all(live, root.pid)


@pytest.mark.parametrize("execs", [1, 3])
def test_an_exec_of_a_thread_before_proc_is_read(
    programs: Compiled, monkeypatch: pytest.MonkeyPatch, execs: int
) -> None:
    """The old leader's end is recorded; the number has gone on to a thread that lives."""
    command = ["sh", "-c", 'sleep 1000 & read line; exec "$@"', "sh", programs("execs"), str(execs)]
    with running(command, stdin=subprocess.PIPE) as process, EbpfSource() as source:

        def read_after_the_exec() -> dict[int, ProcProcess]:
            monkeypatch.undo()
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            wait_until(lambda: (p := read_process(process.pid)) is not None and p.argv[1:] == ("0",), "no exec")
            return read_table()

        wait_until(lambda: len(below(process.pid)) == 2, "no child")
        monkeypatch.setattr("tracer.sources.proc.read_table", read_after_the_exec)
        live = Live(source)
        live.start(process.pid)
        try:
            assert compared(live, process.pid) == []
            assert below(process.pid) <= {p.tgid for p in live.engine.graph.live()}
        finally:
            kill_all(live, process.pid)


@pytest.mark.parametrize("by_thread", [False, True])
def test_an_exec_before_the_threads_are_listed(
    programs: Compiled, monkeypatch: pytest.MonkeyPatch, by_thread: bool
) -> None:
    """A thread of the new program is in /proc, and its birth is recorded after the Exec, which ends all others."""
    program = programs("threaded")
    command = ["sh", "-c", 'read line; exec "$@"', "sh", program, *["again"] * by_thread]
    with running(command, stdin=subprocess.PIPE) as process, EbpfSource() as source:
        assert process.stdin is not None
        stdin = process.stdin

        def has_run() -> bool:
            found = read_process(process.pid)
            return found is not None and found.argv == (program,) and len(found.threads) == 2

        def listed_after_the_exec(folder: Path, tgid: int) -> dict[int, Stat]:
            if tgid == process.pid:
                monkeypatch.undo()
                stdin.write(b"\n")
                stdin.flush()
                wait_until(has_run, "no thread")
            return listed(folder, tgid)

        listed = proc._others
        monkeypatch.setattr("tracer.sources.proc._others", listed_after_the_exec)
        live = Live(source)
        live.start(process.pid)
        try:
            assert compared(live, process.pid) == []
        finally:
            kill_all(live, process.pid)
