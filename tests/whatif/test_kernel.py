"""The kernel as the judge: run a program, foretell what one process's death does, kill it, and compare with /proc."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import tracer
from fixtures.record import proc
from fixtures.record.optionsets import NAMESPACES
from fixtures.record.runner import Recording, build
from tests.replay.test_record_now import why_not
from tracer.graph import RUNNING, ProcessGraph
from tracer.identity import Evidence
from tracer.mirror import Mirror
from tracer.reconstruct.engine import Engine
from tracer.runtime.ends import ASKED, Death
from tracer.sources.proc_source import ProcSource
from tracer.whatif import Fate, foresee

PROGRAMS = [
    "clone_parent_chain",
    "double_fork",
    "exit_signal_zero",
    "leader_exits_first",
    "many_children",
    "orphaned_zombie",
    "pidns_nested",
    "pidns_orphan_inside",
    "pidns_subreaper_inside",
    "setns_injected",
    "subreaper_chain",
    "subreaper_not_inherited",
    "subreaper_off",
    "subreaper_set_after_fork",
    "subreaper_survives_exec",
    "subreaper_thread_choice",
    "thread_child_outlives_thread",
    "thread_exit_pdeath",
]
STRONG = (Evidence.OBSERVED, Evidence.DERIVED)

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "recording works")


@dataclass
class Outcome:
    """One process after the deed."""

    state: str
    """`gone`, or as in /proc."""
    ppid: int


class Experiment(Recording):
    """A program that runs under strace, until somebody of it is killed."""

    def __init__(self, program: str, programs: Path) -> None:
        super().__init__(program, NAMESPACES[1], programs)

    @contextlib.contextmanager
    def running(self) -> Iterator[list[int]]:
        """At its quiet point; yields the processes, without strace."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        try:
            strace = self.trace()
            yield [tgid for tgid in proc.await_quiet(self.mark, at_least=2) if tgid != strace.pid]
        finally:
            self.mark.end()
            for child in self.started:
                child.wait()
            shutil.rmtree(self.scratch, ignore_errors=True)

    def kill(self, victim: int) -> None:
        os.kill(victim, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):  # nobody may be left
            proc.await_quiet(self.mark, seconds=3)


def outcome(tgid: int) -> Outcome:
    try:
        known = proc.process(tgid)
    except OSError:
        return Outcome("gone", 0)
    return Outcome("S" if known.get("leader_dead") else known["state"], known["ppid"])


def fate_of(graph: ProcessGraph, victim: int) -> Fate:
    (process,) = [p for p in graph.live() if p.tgid == victim]
    return foresee(graph, [Death(process, ASKED, "", Evidence.DERIVED)], Mirror(graph), lambda p, w: (), lambda p: None)


def differences(graph: ProcessGraph, fate: Fate, after: dict[int, Outcome], *, strong_only: bool) -> list[str]:
    """Where the kernel did something else."""
    dead = {p.tgid for p in fate.dead}
    adopters = {p.tgid: step for p, step in fate.adoptions}
    debtors = {z.process.tgid: z.debtor for z in fate.zombies}
    doubtful = {doubt.process for doubt in fate.doubts}
    found = []
    for process in graph.live():
        now = after.get(process.tgid)
        if now is None:
            continue  # not one of the program's
        lives = now.state not in {"gone", "Z"}
        if process in doubtful and process in fate.dead:
            continue
        if lives != (process.state is RUNNING and process.tgid not in dead):
            found.append(f"{process} is {now.state}; foretold: {'dies' if process.tgid in dead else 'lives'}")
        elif lives:
            step = adopters.get(process.tgid)
            if strong_only and (step or process).evidence not in STRONG:
                continue
            parent = step.new if step is not None else process.parent
            if parent is not None and now.ppid != parent.tgid:
                found.append(f"{process} is a child of {now.ppid}; foretold: {parent}")
        elif now.state == "Z" and process.tgid in debtors:
            debtor = debtors[process.tgid]
            if debtor is not None and now.ppid != debtor.tgid:
                found.append(f"{process} is a zombie of {now.ppid}; foretold: {debtor}")
    return found


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ctrace-whatif-") as folder:
        yield build(Path(folder))


def experiment(program: str, programs: Path, which: int) -> tuple[int, list[str], Fate]:
    """Kill one of its processes. How many it has, what was foretold wrongly, and what from the log."""
    run = Experiment(program, programs)
    with run.running() as tgids:
        graph = tracer.replay(run.scratch / "out")
        engine = Engine()
        for batch in ProcSource().batches():
            engine.feed(batch)
        now = engine.finish()
        before = {tgid: outcome(tgid) for tgid in tgids}
        victims = [tgid for tgid in tgids if before[tgid].state != "Z"]
        victim = victims[which]
        from_log, from_proc = fate_of(graph, victim), fate_of(now, victim)
        run.kill(victim)
        after = {tgid: outcome(tgid) for tgid in tgids}
    wrong = [f"log: {d}" for d in differences(graph, from_log, after, strong_only=False)]
    if not any(d.kind == "pdeath_signal" for d in from_log.deaths):  # which /proc does not show
        wrong += [f"/proc: {d}" for d in differences(now, from_proc, after, strong_only=True)]
    return len(victims), wrong, from_log


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_process_killed_in_turn(program: str, programs: Path) -> None:
    count, wrong, _ = experiment(program, programs, 0)
    for which in sorted({1, count // 2, count - 1} & set(range(1, count))):
        _, more, _ = experiment(program, programs, which)
        wrong += more
    assert wrong == []


def test_the_init_of_a_namespace_hangs_until_a_stranger_is_reaped(programs: Path) -> None:
    """Foretold as a doubt: nobody knows whether the stranger's parent, outside, will ever wait."""
    _, wrong, fate = experiment("setns_injected", programs, 1)
    assert wrong == []
    assert [d.kind for d in fate.deaths] == ["asked", "pid_namespace", "pid_namespace"]
    (doubt,) = fate.doubts
    assert doubt.process is fate.deaths[0].process
    assert "hangs in its exit until" in doubt.why
