"""An adoption that is not certain: the kernel is asked whose child the orphan is, with a real one in /proc."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.live.memory import LiveMemory, there
from tests.unit.reconstruct.build import parse
from tracer.event import Clone, Event, Exec, Exit, Lost, SetSubreaper
from tracer.live.session import Session


def an_adoption_in_doubt(orphan: int) -> list[Event]:
    """The flag of the one between changes just when the father dies; /proc says that we have the orphan."""
    us, between, father = os.getpid(), 4_000_001, 4_000_002
    text = f"{us} fork {between}\n{between} subreaper 1\n{between} fork {father}\n{father} fork {orphan}"
    return [*parse(f"{text}\n{father} exit 0"), SetSubreaper(6, 1000, between, False)]


def asked(events: list[Event], orphan: int) -> tuple[int | None, str]:
    """The orphan's parent and how it is known, after /proc was asked."""
    session = Session(LiveMemory([[there(os.getpid(), 1, subreaper=True)], events]))
    while session.step(0):
        pass
    child = session.graph.find(orphan)[0]
    return child.parent and child.parent.tgid, str(child.evidence)


@pytest.mark.parametrize("zombie", [False, True])
def test_proc_is_asked_about_living_orphans_and_zombies(zombie: bool) -> None:
    with subprocess.Popen(["sleep", "60"]) as orphan:
        try:
            events = an_adoption_in_doubt(orphan.pid)
            if zombie:
                orphan.kill()
                os.waitid(os.P_PID, orphan.pid, os.WEXITED | os.WNOWAIT)
                events.append(Exit(7, 2000, orphan.pid, 9))
            assert asked(events, orphan.pid) == (os.getpid(), "observed")
            assert Path(f"/proc/{orphan.pid}/stat").exists()
        finally:
            orphan.kill()


def test_who_has_the_number_now_is_not_asked_about() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            events = an_adoption_in_doubt(other.pid)
            earlier = [e._replace(start_time=1) if isinstance(e, Clone) and e.child == other.pid else e for e in events]
            assert asked(earlier, other.pid)[1] == "inferred"
        finally:
            other.kill()


def test_nobody_is_asked_until_a_loss_is_repaired() -> None:
    """/proc's word on one process would make it certain, and not who else has threads, or has ended, unseen."""
    with subprocess.Popen(["sleep", "60"]) as orphan:
        try:
            us = there(os.getpid(), 1, subreaper=True)
            source = LiveMemory([[us], an_adoption_in_doubt(orphan.pid), [], [Lost(7, None, 0, 1)]])
            session = Session(source)
            for _ in range(2):
                session.step(0)
            source.repair_is_due = True
            for _ in range(4):
                session.step(0)
            (child,) = session.graph.find(orphan.pid)
            assert child.parent is session.graph.find(4_000_001)[0]
            source.repair_is_due = False
            for _ in range(3):
                session.step(0)
            assert child.parent is session.graph.find(os.getpid())[0]
        finally:
            orphan.kill()


def test_what_proc_says_waits_for_the_events_before_it() -> None:
    """It shows the zombie when the graph has yet to see the exec of a thread that took the leader's place."""
    with subprocess.Popen(["sleep", "60"]) as orphan:
        try:
            orphan.kill()
            os.waitid(os.P_PID, orphan.pid, os.WEXITED | os.WNOWAIT)
            thread = 4_000_003
            before = parse(f"{os.getpid()} fork {orphan.pid}\n{orphan.pid} thread {thread}")[1:]
            program = Exec(8, 1500, orphan.pid, thread, "/bin/sleep", ("sleep",), False)
            doubt = [*an_adoption_in_doubt(orphan.pid), *before]
            session = Session(LiveMemory([[there(os.getpid(), 1, subreaper=True)], doubt, [program]]))
            for _ in range(3):
                session.step(0)
            assert session.graph.find(thread) == []
            assert session.graph.find(orphan.pid)[0].state == "running"
            session.feed([Exit(9, 2000, orphan.pid, 9)])
            assert session.graph.find(orphan.pid)[0].state == "zombie"
        finally:
            orphan.kill()
