"""Starting in the middle of a storm: no hole, nothing twice; and only what belongs to the target."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import Compiled, Live, agreed, below, differences, kill_all, running, wait_until
from tracer.errors import TargetError
from tracer.event import Clone, Exec, SetSubreaper, Snapshot
from tracer.live.check import check
from tracer.sources.ebpf.source import EbpfSource, Selection
from tracer.sources.proc import ProcProcess, read_process, read_table


@pytest.fixture
def storm(programs: Compiled) -> Iterator[subprocess.Popen[bytes]]:
    """A changing tree; it comes to rest when its stdin is closed."""
    with running([programs("storm")], stdin=subprocess.PIPE) as process:
        time.sleep(0.3)
        yield process


@pytest.mark.parametrize("attempt", range(5))
def test_a_tree_that_changes_while_tracing_starts(storm: subprocess.Popen[bytes], attempt: int) -> None:
    with EbpfSource() as source:
        live = Live(source)
        live.start(storm.pid)
        try:
            end = time.monotonic() + 40
            while sum(type(e) is Clone for e in live.events) < 15 * (attempt + 1) and time.monotonic() < end:
                live.feed(source.poll(0.02))
            assert time.monotonic() < end, "too few births"
            assert storm.stdin is not None
            storm.stdin.close()
            assert agreed(live, storm.pid) == []
            in_proc = below(storm.pid)
            ours = {p.tgid for p in live.engine.graph.live()}
            assert in_proc - ours == set(), "processes that /proc has below the target"
        finally:
            kill_all(live, storm.pid)
        assert source.stats.lost == 0


def test_no_task_is_born_twice(storm: subprocess.Popen[bytes]) -> None:
    with EbpfSource() as source:
        live = Live(source)
        live.start(storm.pid)
        live.feed([e for _ in range(20) for e in source.poll(0.02)])
        born = [(e.child, e.start_time) for e in live.events if type(e) is Clone]
        there = {(e.tid, e.start_time // 10_000_000) for e in live.events if type(e) is Snapshot}
        assert len(born) == len(set(born)) > 0
        assert not {(tid, start // 10_000_000) for tid, start in born} & there
        assert storm.stdin is not None
        storm.stdin.close()
        live.settle()
        kill_all(live, storm.pid)


def test_the_whole_machine(storm: subprocess.Popen[bytes]) -> None:
    with EbpfSource() as source:
        live = Live(source)
        live.feed(source.start(None))
        assert storm.stdin is not None
        storm.stdin.close()

        def drain() -> None:
            live.feed(source.poll(0.05))

        for _ in range(3):
            drain()
            agreement = check(live.engine.graph, drain, everything=True)
            wrong = differences(live, storm.pid)  # on a busy machine the storm may not have come to rest yet
            if not agreement.differences and not wrong:
                break
        assert agreement.differences == []
        assert agreement.processes >= len(below(storm.pid))
        assert wrong == []
        kill_all(live, storm.pid)


def test_a_leader_that_was_dead_before_is_dead(programs: Compiled) -> None:
    with running([programs("leaderless")], stdin=subprocess.PIPE) as process, EbpfSource() as source:
        wait_until(lambda: (p := read_process(process.pid)) is not None and p.stat.state == "Z", "the leader lives")
        live = Live(source)
        live.start(process.pid)
        (found,) = live.engine.graph.find(process.pid)
        assert found.state == "running"
        assert process.stdin is not None
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        live.settle()
        assert found.state == "zombie"


def test_a_child_that_was_born_while_proc_was_read_to_one_who_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc was listed before the child was there, and its father's entry was to be read when he was reaped."""
    father = subprocess.Popen(
        ["sh", "-c", "read x; sleep 1000 >/dev/null & echo $!"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def listed_before() -> dict[int, ProcProcess]:
        table = read_table()
        out, _ = father.communicate(b"\n")
        child.append(int(out))
        del table[father.pid]
        return table

    child: list[int] = []
    monkeypatch.setattr("tracer.sources.proc.read_table", listed_before)
    with EbpfSource() as source:
        live = Live(source)
        live.feed(source.start(None))
        try:
            (found,) = live.engine.graph.find(child[0])
            kernel = read_process(child[0])
            assert kernel is not None
            assert found.parent is not None
            assert (found.state, found.parent.tgid) == ("running", kernel.stat.ppid)
        finally:
            os.kill(child[0], signal.SIGKILL)


def test_what_is_not_the_target_is_left_out() -> None:
    with (
        running(["sleep", "1000"]) as other,
        running(["sh", "-c", "read x"], stdin=subprocess.PIPE) as target,
        EbpfSource() as source,
    ):
        live = Live(source)
        live.start(target.pid)
        subprocess.run(["true"], check=True)
        live.settle()
        told = {e.tid for e in live.events}
        assert target.pid in told
        assert other.pid not in told
        assert os.getpid() in told, "ancestors are shown"
        assert not [e for e in live.events if type(e) is Clone], "what an ancestor creates is not"
        assert live.engine.graph.find(target.pid)[0].parent is live.engine.graph.find(os.getpid())[0]


def test_subreapers_from_before_are_known(programs: Compiled) -> None:
    """No file of /proc shows the flag; the kernel's walk does."""
    with running([programs("forks"), "0"], stdout=subprocess.PIPE) as subreaper, EbpfSource() as source:
        assert subreaper.stdout is not None
        subreaper.stdout.read(1)
        live = Live(source)
        live.start()
        flags = {e.tid: e.subreaper for e in live.events if type(e) is Snapshot}
        assert flags[subreaper.pid] is True
        assert flags[os.getpid()] is False
        assert None not in flags.values()
        assert not [e for e in live.events if type(e) is SetSubreaper]


def test_start_times_of_the_snapshot_are_exact() -> None:
    with EbpfSource() as source:
        live = Live(source)
        live.start()
        (own,) = [e for e in live.events if type(e) is Snapshot and e.tid == os.getpid()]
        assert own.start_time % 10_000_000 != 0
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        assert own.start_time // 10_000_000 == ticks


def test_a_followed_program_becomes_a_member_whoever_starts_it(programs: Compiled) -> None:
    """As containerd does that systemd starts again."""
    with running(["sleep", "1000"]) as target, EbpfSource() as source:
        live = Live(source)
        live.feed(source.start(lambda _: Selection({target.pid}, ("forks",))))
        live.settle()
        with running([programs("forks"), "3"], stdout=subprocess.PIPE) as followed:
            assert followed.stdout is not None
            followed.stdout.read(1)
            live.settle()
            snapshot, execed, *rest = [e for e in live.events if e.tid == followed.pid]
            assert type(snapshot) is Snapshot
            assert (snapshot.ppid, snapshot.comm) == (os.getpid(), "forks")
            assert type(execed) is Exec
            assert sum(type(e) is Clone for e in rest) == 3
            assert differences(live, followed.pid) == []


def test_a_target_that_selects_nothing_is_an_error() -> None:
    with EbpfSource() as source, pytest.raises(TargetError):
        source.start(lambda _: Selection(set()))
