"""What goes wrong around ctrace while it works: no traceback, no silence, and what was written stays readable.

Others of this kind: tests/live/test_record.py (full disk, kill -9, SIGINT, SIGTERM), tests/live/test_watch_lines.py
(SIGHUP, nohup), tests/live/test_watch_screen.py (the terminal is given back).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import Compiled, running
from tests.live.terminal import watching
from tests.live.watching import ARGV, ctrace, run_workload, started
from tests.unit.cli.command import LOG
from tracer.sources.proc import read_process
from tracer.sources.recording import RecordingSource

HERE = Path(__file__).parent
BOOT = time.CLOCK_BOOTTIME


@pytest.mark.live
def test_sighup_ends_a_recording_whole(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    with started(tmp_path, "record", "--all", "-o", path) as record:
        record.wait_for("recording the whole machine")
        top = run_workload()[0]
        time.sleep(0.2)
        assert record.end(signal.SIGHUP) == 0, record.stderr
    done = ctrace("replay", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert any(p["pid"] == top and p["exit"] == {"code": 0} for p in json.loads(done.stdout)["processes"])


@pytest.mark.live
@pytest.mark.parametrize("args", [["watch", "--all", "--format", "lines"], ["watch", "--all", "--format", "jsonl"]])
def test_a_reader_that_goes_away(args: list[str]) -> None:
    """`ctrace watch | head -1` ends, and says nothing."""
    with subprocess.Popen([*ARGV, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        try:
            assert watch.stdout.readline()
            watch.stdout.close()
            end = time.monotonic() + 20
            while watch.poll() is None and time.monotonic() < end:
                run_workload()
            assert watch.poll() == 0
            assert b"Traceback" not in watch.stderr.read()
        finally:
            watch.kill()


@pytest.mark.live
def test_a_recording_into_a_pipe_that_closes_ends() -> None:
    with subprocess.Popen(
        [*ARGV, "record", "--all", "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as record:
        assert record.stdout is not None
        assert record.stderr is not None
        try:
            assert record.stdout.read(10)
            record.stdout.close()
            end = time.monotonic() + 20
            while record.poll() is None and time.monotonic() < end:
                run_workload()
            assert record.poll() in (0, 1)
            said = record.stderr.read()
            assert b"Traceback" not in said
            assert record.returncode == 0 or b"Broken pipe" in said
        finally:
            record.kill()


@pytest.mark.live
def test_the_terminal_is_closed_under_the_screen() -> None:
    """As when a window is closed or ssh breaks: every read and write fails from one moment to the next."""
    with watching("--all") as (terminal, process):
        terminal.wait_for("watching")
        process.send_signal(signal.SIGSTOP)  # so that it meets the dead terminal in the middle of its work
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, terminal.master)
        os.close(null)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=30) in (0, 1, -signal.SIGHUP)


def test_proc_entries_that_vanish_while_they_are_read(programs: Compiled) -> None:
    """Processes by the thousand come and go while all of /proc is looked at, again and again."""
    with running([programs("forks"), "200000"], stdout=subprocess.PIPE) as storm:
        for _ in range(4):
            done = ctrace("tree", "--format", "json")
            assert done.returncode == 0, done.stderr
            assert storm.pid in {p["pid"] for p in json.loads(done.stdout)["processes"]}
        assert storm.poll() is None
    assert read_process(storm.pid) is None, "reaped, so not in /proc at all"


@pytest.mark.skipif(os.geteuid() != 0, reason="hides /proc, in a mount namespace of its own")
@pytest.mark.parametrize("args", [["tree"], ["explain", "1"], ["whatif", "exit", "1"], ["diff", "now", "now"]])
def test_without_proc_there_is_one_message(args: list[str]) -> None:
    hidden = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    done = subprocess.run([*hidden, *ARGV, *args], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ctrace: /proc shows no process, not even this one\nIs it mounted? mount -t proc proc /proc\n"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with no room left but for names."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount a tmpfs")
    try:
        with (folder / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(4096)) == 4096:
                pass
    except OSError:
        pass
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    "args", [["replay", "LOG"], ["replay", "LOG", "--format", "json"], ["tree"], ["explain", "103", "LOG"]]
)
def test_a_full_disk_is_one_message(args: list[str], tmp_path: Path, full_disk: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG)
    done = ctrace(*[str(log) if a == "LOG" else a for a in args], "-o", full_disk / "out")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.live
def test_a_wall_clock_that_jumps_changes_nothing(tmp_path: Path) -> None:
    """Events carry the kernel's time since boot; the wall clock is only for showing."""
    library, path = tmp_path / "clock.so", tmp_path / "trace"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "jumping_clock.c"], check=True)
    show = [sys.executable, "-c", "import time; a = time.time(); time.sleep(1.2); print(time.time() - a)"]
    env = {**os.environ, "LD_PRELOAD": str(library)}
    jumped = subprocess.run(show, env=env, capture_output=True, text=True, check=True)
    assert float(jumped.stdout) < -3000, "the clock does jump"
    begun = time.clock_gettime_ns(BOOT)
    script = "for i in 1 2 3 4 5; do sleep 0.5; (sleep 0.1; exit $i); done; exit 6"
    done = ctrace("record", "-o", path, "--", "sh", "-c", script, env=env)
    ended = time.clock_gettime_ns(BOOT)
    assert done.returncode == 6, done.stderr
    times = [e.time for batch in RecordingSource(str(path)).batches() for e in batch if type(e).__name__ != "Snapshot"]
    assert len(times) > 20
    assert all(time is None or begun <= time <= ended for time in times)
    replayed = ctrace("replay", path, "--format", "json")
    ends = sorted(p["exit"]["code"] for p in json.loads(replayed.stdout)["processes"] if p["exit"])
    assert [code for code in ends if code] == [1, 2, 3, 4, 5, 6]
