"""An adoption that is not certain: the kernel is asked whose child the orphan is, with a real one in /proc."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.live.memory import LiveMemory, there
from tests.unit.reconstruct.build import parse
from tracer.event import Exit, SetSubreaper
from tracer.live.session import Session


@pytest.mark.parametrize("zombie", [False, True])
def test_proc_is_asked_about_living_orphans_and_zombies(zombie: bool) -> None:
    """The flag of the one between changes just when the father dies; /proc says that we have the orphan."""
    us, between, father = os.getpid(), 4_000_001, 4_000_002
    with subprocess.Popen(["sleep", "60"]) as orphan:
        try:
            text = f"{us} fork {between}\n{between} subreaper 1\n{between} fork {father}\n{father} fork {orphan.pid}"
            events = [*parse(f"{text}\n{father} exit 0"), SetSubreaper(6, 1000, between, False)]
            if zombie:
                orphan.kill()
                os.waitid(os.P_PID, orphan.pid, os.WEXITED | os.WNOWAIT)
                events.append(Exit(7, 2000, orphan.pid, 9))
            session = Session(LiveMemory([[there(us, 1, subreaper=True)], events]))
            while session.step(0):
                pass
            assert Path(f"/proc/{orphan.pid}/stat").exists()
            child = session.graph.find(orphan.pid)[0]
            assert (child.parent and child.parent.tgid, str(child.evidence)) == (us, "observed")
        finally:
            orphan.kill()
