"""Nothing is lost in silence: none at full speed, and with a tiny ring buffer each lost record is counted."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.live.harness import Compiled, Live, agreed, kill_all, running, wait_until
from tracer.event import Clone, Event, Exit, Gone, Lost, Reap, Snapshot
from tracer.sources.ebpf.source import EbpfSource, Selection

FORKS = 100_000


def done(process: subprocess.Popen[bytes]) -> bool:
    """The program has written its byte."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return bool(process.stdout.read(1))


def test_events_come_together() -> None:
    """A look at the ring every so often and not for each event; at once where asked."""
    with EbpfSource(ring_size=1 << 25) as source:
        source.start(lambda _: Selection({os.getpid()}))
        source.pace = 0.3
        source.poll(0)
        with running(["sh", "-c", "for i in 1 2 3 4 5 6; do sleep 0.1; done; echo"], stdout=subprocess.PIPE) as process:
            began, batches = time.monotonic(), 0
            while not done(process):
                batches += bool(source.poll(0.6))
            assert batches <= 2 + (time.monotonic() - began) / source.pace
        subprocess.run(["true"], check=True)
        assert source.poll(0)


def test_a_small_ring_is_looked_at_more_often() -> None:
    """Before it can be full, whatever the pace: 8 ms here, which a busy machine may make seconds, but no minute."""
    with EbpfSource(ring_size=1 << 19) as source:
        source.start(lambda _: Selection({os.getpid()}))
        source.pace = 60.0
        for _ in range(2):
            subprocess.run(["true"], check=True)
            began = time.monotonic()
            assert source.poll(60.0)
            assert time.monotonic() - began < 40


def test_100_000_forks_at_full_speed(programs: Compiled) -> None:
    """Every birth, death and reaping is seen, once."""
    with EbpfSource() as source:
        source.start(lambda _: Selection({os.getpid()}))
        counts: Counter[type] = Counter()
        children: set[int] = set()
        with running([programs("forks"), str(FORKS)], stdout=subprocess.PIPE) as process:
            finished, events = False, []
            while not finished or events:
                finished = finished or done(process)
                events = source.poll(0.2)
                for e in events:
                    kind = type(e)
                    if kind is Clone and e.tid == process.pid:
                        children.add(e.child)
                    ours = e.tid in children if kind is Exit else e.tid == process.pid
                    counts[kind] += ours or kind is Lost
        assert source.stats.lost == 0
        assert counts[Lost] == 0
        assert (counts[Clone], counts[Exit], counts[Reap]) == (FORKS, FORKS, FORKS)


def poll_until_repaired(source: EbpfSource) -> list[Event]:
    """All events up to the end of a repair: none for longer than a repair lets wait."""
    events: list[Event] = []
    while True:
        more = source.poll(1.5)
        if not more:
            return events
        events += more


def read_all(tiny: Live, big: Live, records: Callable[[], int], seconds: float = 60.0) -> None:
    """Until both have been quiet for so long that they have read the same: late records come to both."""
    end = time.monotonic() + seconds
    before = -1
    while before != records():
        assert time.monotonic() < end, "records do not end"
        before = records()
        tiny.feed(poll_until_repaired(tiny.source))
        big.settle(quiet=0.5)


def test_losses_are_counted_exactly_and_the_tree_is_repaired(programs: Compiled) -> None:
    """Two sources see the same: what the tiny one decoded and what it says it lost add up to what the big one has.

    They trace one process that sleeps until both count, so neither has a record that the other has not. While a source
    starts it records the whole machine, for which the tiny buffer may have no room: that is told, and repaired, before.
    """
    children = 3000
    waiting = ["sh", "-c", 'read line; exec "$@"', "sh", programs("forks"), str(children), "20"]
    with EbpfSource(ring_size=1 << 14) as tiny, EbpfSource(ring_size=1 << 24) as big:
        live, full = Live(tiny), Live(big)
        with running(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            wait_until(lambda: in_read(process.pid), "the shell waits for its line")
            live.start(process.pid)
            full.start(process.pid)
            live.feed(poll_until_repaired(tiny))
            full.settle()
            lost_at_start = tiny.stats.lost
            tiny_records, big_records = count_records(tiny), count_records(big)
            process.stdin.write(b"go\n")
            process.stdin.close()
            try:
                while not done(process):
                    time.sleep(0.05)  # nobody reads meanwhile
                time.sleep(0.5)
                first = tiny.poll(0)
                lost_before_repair = None
                while True:
                    live.feed(first)
                    if any(type(e) is Snapshot for e in first):
                        break
                    first = tiny.poll(2.0)
                    assert first, "no repair came"
                lost_before_repair = tiny.stats.lost
                read_all(live, full, lambda: tiny_records() + big_records())
                assert big.stats.lost == 0
                assert lost_before_repair > children + lost_at_start
                told = [e for e in live.events if type(e) is Lost]
                assert sum(e.count for e in told) == tiny.stats.lost
                assert big_records() == tiny_records() + tiny.stats.lost - lost_at_start
                assert agreed(full, process.pid) == []
                assert alive_as_in_proc(live, full, process.pid) == []
            finally:
                kill_all(full, process.pid)


def test_a_process_that_ends_unseen_is_gone(programs: Compiled) -> None:
    """Its exit record found no room; /proc tells."""
    with EbpfSource(ring_size=1 << 14) as source:
        live = Live(source)
        live.start()
        with running(["sleep", "1000"]) as sleeper:
            live.settle()
            with running([programs("forks"), "2000"], stdout=subprocess.PIPE) as flood:
                while not done(flood):
                    time.sleep(0.01)
                sleeper.kill()
                sleeper.wait()
                flood.kill()
                flood.wait()
        live.feed(poll_until_repaired(source))
        assert [e for e in live.events if type(e) is Exit and e.tid == sleeper.pid] == []
        assert [e for e in live.events if type(e) is Gone and e.tid == sleeper.pid]
        assert [p for p in live.engine.graph.find(sleeper.pid) if p.alive] == []


def in_read(pid: int) -> bool:
    """It waits for input (read(2) is number 0 on x86-64, 63 on others)."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0] == ("0" if platform.machine() == "x86_64" else "63")


def count_records(source: EbpfSource):  # type: ignore[no-untyped-def]
    """A function that tells how many records of events have been read since now; those of the walk are none."""
    drain = source._ring.drain
    count = 0

    def counting(limit: int) -> list[bytes]:
        nonlocal count
        records = drain(limit)
        count += sum(1 for r in records if r[0] != 9)
        return records

    source._ring.drain = counting  # type: ignore[method-assign]
    return lambda: count


def alive_as_in_proc(live: Live, full: Live, root: int) -> list[str]:
    """The repaired graph has the living processes of the full one, with their parents."""
    ours = {p.tgid: p for p in live.engine.graph.live()}
    wanted = [p for p in full.lineage(root) if p.alive]
    found = [f"{p.tgid} is missing" for p in wanted if p.tgid not in ours]
    for process in wanted:
        mine = ours.get(process.tgid)
        if mine is not None and (mine.parent and mine.parent.tgid) != (process.parent and process.parent.tgid):
            found.append(f"{process.tgid}: parent {mine.parent}, should be {process.parent}")
    return found
