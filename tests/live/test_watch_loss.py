"""Events that the kernel had no room for: counted, said, and the tree repaired from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from tests.live.harness import Compiled, running, wait_until
from tests.live.terminal import watching
from tests.live.watching import started


def flood(programs: Compiled, watcher: int, count: int = 3000) -> None:
    """So many forks while the watcher sleeps."""
    os.kill(watcher, signal.SIGSTOP)
    try:
        with running([programs("forks"), str(count)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(1)
    finally:
        os.kill(watcher, signal.SIGCONT)


def test_lines_tell_of_it_and_the_tree_is_right_again(tmp_path: Path, programs: Compiled) -> None:
    with started(tmp_path, "watch", str(os.getpid()), "--format", "jsonl", "--buffer", "16k", "--verify") as watch:
        watch.wait_for('"event":"begin"', "stdout")
        with running(["sleep", "60"]) as early:
            time.sleep(0.3)
            flood(programs, watch.process.pid)
            with running(["sleep", "61"]) as late:
                watch.wait_for('"event":"lost"', "stdout")
                watch.wait_for(f'"pid":{late.pid}', "stdout")
                time.sleep(2)
                assert watch.end() == 0, watch.stdout[-2000:]
    lines = watch.json_lines()
    lost = sum(line["count"] for line in lines if line["event"] == "lost")
    assert lost > 1000
    assert lines[-1]["lost"] == lost
    assert lines[-2]["event"] == "verified"
    assert lines[-2]["differences"] == []
    assert {early.pid, late.pid} <= {line.get("pid") for line in lines}


def test_what_is_lost_during_the_start_is_told_first(tmp_path: Path, programs: Compiled) -> None:
    with ExitStack() as stack:
        floods = [stack.enter_context(running([programs("forks"), "1000000000"])) for _ in range(4)]
        watch = stack.enter_context(started(tmp_path, "watch", "--all", "--format", "jsonl", "--buffer", "4k"))
        watch.wait_for('"event":"begin"', "stdout")
        for process in floods:
            process.kill()
        assert watch.end() == 0, watch.why
    lines = watch.json_lines()
    assert next(line["event"] for line in lines if line["event"] not in {"begin", "found"}) == "lost"
    assert lines[-1]["lost"] == sum(line["count"] for line in lines if line["event"] == "lost")


def test_the_screen_says_it(programs: Compiled) -> None:
    with watching(str(os.getpid()), "--buffer", "16k") as (terminal, process):
        terminal.wait_for("watching")
        flood(programs, process.pid)
        terminal.wait_for("events were lost")
        wait_until(lambda: not terminal.shown("· 0 lost"), "the head says that nothing was lost")
        terminal.type(b"q")
        assert process.wait(timeout=30) == 0
        assert "a larger --buffer loses less" in terminal.final()
