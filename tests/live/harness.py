"""What the live tests share: compiled programs, a traced run, and the comparison of its graph with /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tracer.event import Clone, Event
from tracer.graph import RUNNING, ZOMBIE, Process
from tracer.reconstruct.engine import Engine
from tracer.sources.ebpf.source import EbpfSource, Selection
from tracer.sources.proc import ProcProcess, read_process, read_table

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "fixtures" / "programs"
PREBUILT = os.environ.get("CTRACE_TEST_PROGRAMS")
"""A folder with the programs, where there is no compiler."""
PATIENCE = float(os.environ.get("CTRACE_TEST_PATIENCE", "1"))
"""How many times slower than a usual machine this one is."""


class Compiled:
    """C programs, compiled when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str) -> str:
        """Path of the binary of tests/live/programs/NAME.c or fixtures/programs/NAME.c."""
        binary = Path(PREBUILT or self._folder) / name
        if not binary.exists():
            own = HERE / "programs" / f"{name}.c"
            source = own if own.exists() else FIXTURES / f"{name}.c"
            command = ["gcc", "-O1", "-w", "-pthread", "-I", str(FIXTURES), "-o", str(binary), str(source)]
            subprocess.run(command, check=True, capture_output=True, text=True)
        return str(binary)


class Live:
    """A source that traces what this test process starts, and the graph of it."""

    def __init__(self, source: EbpfSource) -> None:
        self.source = source
        self.engine = Engine()
        self.events: list[Event] = []
        self.tracked: set[int] = set()
        """Every tgid that an event told of."""

    def start(self, tgid: int | None = None) -> None:
        """Trace this process (default: the test itself) and what is below it."""
        root = os.getpid() if tgid is None else tgid
        self.feed(self.source.start(lambda _: Selection({root})))

    def feed(self, events: list[Event]) -> None:
        self.events += events
        self.engine.feed(events)

    def settle(self, quiet: float = 0.3, limit: float = 20.0) -> None:
        """Read events until none has come for a while."""
        end = time.monotonic() + limit * PATIENCE
        while time.monotonic() < end:
            events = self.source.poll(quiet * PATIENCE)
            if not events:
                return
            self.feed(events)
        raise AssertionError("events do not end")

    def lineage(self, root: int) -> list[Process]:
        """All processes that `root` or its descendants created, dead ones too."""
        (first,) = self.engine.graph.find(root)[-1:]
        found = {first: None}
        for process in self.engine.graph.processes:
            if process.creator in found:
                found[process] = None
        return list(found)


def differences(live: Live, root: int) -> list[str]:
    """Where the graph of everything that descends from `root` differs from /proc: parent, state, threads, numbers."""
    found: list[str] = []
    latest = {p.tgid: p for p in live.lineage(root)}
    for process in latest.values():
        kernel = read_process(process.tgid)
        if kernel is not None and abs(kernel.stat.start_ticks - process.start_time // 10_000_000) > 0:
            kernel = None  # another process with this number
        if kernel is None:
            if process.alive:
                found.append(f"{process.tgid} ({process.comm}) is {process.state} in the graph and gone in /proc")
            continue
        if not process.alive:
            found.append(f"{process.tgid} ({process.comm}) is dead in the graph and {kernel.stat.state} in /proc")
            continue
        ours = {
            "parent": process.parent.tgid if process.parent else None,
            "state": process.state,
            "ns_pids": process.ns_pids,
            "comm": process.comm,
        }
        theirs = {
            "parent": kernel.stat.ppid,
            "state": ZOMBIE if kernel.zombie else RUNNING,
            "ns_pids": kernel.ns_pids,
            "comm": kernel.stat.comm,
        }
        if process.state == RUNNING:
            ours["threads"] = {tid for tid, task in process.threads.items() if not task.exiting}
            theirs["threads"] = {tid for tid, stat in kernel.threads.items() if stat.state not in "ZX"}
        found += [f"{process.tgid}: {k} is {ours[k]}, /proc has {theirs[k]}" for k in ours if ours[k] != theirs[k]]
    return found


def agreed(live: Live, root: int, seconds: float = 20.0) -> list[str]:
    """`differences`, after some time for the kernel's delayed frees if there are any at first."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        live.settle()
        found = differences(live, root)
        if not found or time.monotonic() > end:
            return found


def below(root: int, table: dict[int, ProcProcess] | None = None) -> set[int]:
    """What /proc has below `root`, by real parents (where it is a subreaper nothing leaves)."""
    table = read_table() if table is None else table
    found = {root}
    size = 0
    while size != len(found):
        size = len(found)
        found |= {p.tgid for p in table.values() if p.stat.ppid in found}
    return found


@contextlib.contextmanager
def running(command: list[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A program, and the end of it and of what is below it: first of those, or they would be left to the machine."""
    with subprocess.Popen(command, **options) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            if process.poll() is None:
                _kill_below(process.pid)
            process.kill()


def _kill_below(root: int) -> None:
    for _ in range(20):
        table = read_table()
        alive = [tgid for tgid in below(root, table) - {root} if not table[tgid].zombie]
        for tgid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(tgid, signal.SIGKILL)
        if not alive:
            return
        time.sleep(0.05)


def kill_all(live: Live, root: int) -> None:
    """End everything below `root`, then `root`, as far as it still is what we think: init would get what is left."""
    _kill_below(root)
    for _ in range(50):
        alive = [p for p in live.lineage(root) if p.state == RUNNING]
        for process in alive:
            kernel = read_process(process.tgid)
            if kernel is not None and kernel.stat.start_ticks == process.start_time // 10_000_000:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.tgid, signal.SIGKILL)
        if not alive:
            return
        with contextlib.suppress(AssertionError):
            live.settle(quiet=0.05, limit=2)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Raises AssertionError where it does not become true."""
    end = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def births(events: list[Event]) -> list[Clone]:
    return [e for e in events if type(e) is Clone]
