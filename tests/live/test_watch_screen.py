"""`ctrace watch` on a terminal: the tree and the stream, other sizes, keys, and the terminal given back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.live.harness import running, wait_until
from tests.live.terminal import ENTER, HIDE_CURSOR, LEAVE, SHOW_CURSOR, resized, watching
from tests.live.watching import run_workload, workload


def test_tree_above_and_events_below() -> None:
    with watching(str(os.getpid()), "--verify", rows=60) as (terminal, process):
        terminal.wait_for(f"({os.getpid()})")
        assert HIDE_CURSOR in terminal.text
        with running(workload(20, 20), stdout=subprocess.PIPE) as work:
            assert work.stdout is not None
            top, child, orphan, killed = map(int, work.stdout.readline().split())
            terminal.wait_for(f"({killed})  killed by SIGKILL")
            frame = next(f for f in reversed(terminal.frames) if any(f"({killed})  killed" in line for line in f))
            rule = next(i for i, line in enumerate(frame) if line.startswith("─── events"))
            events = "\n".join(frame[rule:])
            assert f"({child})  exited with 3" in events
            assert f"({orphan})  adopted from" in events
            terminal.type(b"q")
            assert process.wait(timeout=30) == 0
        final = terminal.final()
        assert f"({orphan})" in final
        assert "1 finished" in final or "2 finished" in final
        assert f"({top})  subreaper" in final
        assert "events · 0 lost" in final
        assert "as in /proc" in final


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_the_terminal_back(number: signal.Signals) -> None:
    with watching("--all") as (terminal, process):
        terminal.wait_for("watching")
        assert termios.tcgetattr(terminal.slave) != terminal.modes
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
        assert termios.tcgetattr(terminal.slave) == terminal.modes
        terminal.final()
        text = terminal.text
    assert text.count(ENTER) == text.count(LEAVE) == 1
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)


def test_ctrl_c_from_the_keyboard() -> None:
    with watching("--all") as (terminal, process):
        terminal.wait_for("watching")
        terminal.type(b"\x03")
        assert process.wait(timeout=30) == 0
        assert termios.tcgetattr(terminal.slave) == terminal.modes


def test_a_terminal_that_goes_away() -> None:
    """The window is closed: SIGHUP, and nobody to write to any more."""
    with watching("--all") as (terminal, process):
        terminal.wait_for("watching")
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=30) == 0


def test_every_size() -> None:
    with watching("--all", rows=40, columns=120) as (terminal, process):
        terminal.wait_for("watching")
        for rows, columns in ((12, 60), (50, 200), (5, 30), (3, 20), (30, 90)):
            resized(terminal, process, rows, columns)
            run_workload()
            terminal.wait_frames(3)
            frame = terminal.frames[-1]
            assert len(frame) == rows
            assert max(len(line) for line in frame) <= columns
            assert frame[0].startswith("watching")
        assert process.poll() is None


def test_scrolling() -> None:
    """More processes than lines, whatever else runs on this machine."""
    many = "for i in $(seq 20); do sleep 6$i & done; wait"
    with running(["sh", "-c", many], start_new_session=True) as work:
        try:
            _scroll()
        finally:
            os.killpg(work.pid, signal.SIGKILL)


def _scroll() -> None:
    with watching("--all", rows=14) as (terminal, process):
        terminal.wait_for("more below")
        terminal.type(b"j")
        terminal.wait_for("lines above")
        terminal.type(b"g")
        wait_until(lambda: not terminal.shown("lines above"), "not at the top again")
        terminal.type(b"\x1b[Bjx\x1b[15~j")  # a key that is held down: several at once, and two that mean nothing
        terminal.wait_for("4 lines above")
        terminal.type(b"G")
        wait_until(lambda: not terminal.shown("more below"), "not at the end")
        terminal.type(b"g")
        wait_until(lambda: not terminal.shown("lines above"), "not at the top again")
        terminal.type(b"\x1b[6~")
        terminal.wait_for("lines above")
        for _ in range(100):
            terminal.type(b"\x1b[6~")
            time.sleep(0.01)
        assert process.poll() is None


def test_compare_with_a_key() -> None:
    with watching("--all") as (terminal, _), running(workload(20, 20)):
        terminal.wait_for("watching")
        terminal.type(b"v")
        terminal.wait_for("verified: ")
        wait_until(
            lambda: any("─── events ───" in line and "verified: " in line for line in terminal.frames[-1]), "gone"
        )


def test_suspended_and_continued() -> None:
    with watching("--all") as (terminal, process):
        terminal.wait_for("watching")
        process.send_signal(signal.SIGTSTP)
        wait_until(lambda: _state(process.pid) == "T", "it does not stop")
        assert termios.tcgetattr(terminal.slave) == terminal.modes
        wait_until(lambda: terminal.text.count(LEAVE) == 1, "the screen is not left")
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: terminal.text.count(ENTER) == 2, "the screen does not come back")
        terminal.type(b"q")
        assert process.wait(timeout=30) == 0
        assert termios.tcgetattr(terminal.slave) == terminal.modes


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_hostile_name_moves_no_cursor(tmp_path: Path) -> None:
    program = tmp_path / "[red]\x1b[2J\x1b[H\x9b"
    shutil.copy("/bin/sleep", program)
    with watching(str(os.getpid()), rows=60) as (terminal, process):
        terminal.wait_for("watching")
        with running([os.fspath(program), "3"]):
            terminal.wait_for(r"[red]\x1b[2J\x1b[")
            terminal.type(b"q")
            assert process.wait(timeout=30) == 0
    assert "\x1b[2J" not in terminal.text
    assert "\x9b" not in terminal.text


def test_more_than_ten_frames_a_second_at_a_thousand_processes() -> None:
    """As many as the machine allows: where it is overloaded, the time that a frame takes is what is asked."""
    fork = "import os, time\nfor _ in range(1000):\n if os.fork() == 0: time.sleep(60); os._exit(0)\n"
    busy = (
        fork + "print('ready', flush=True)\nwhile True:\n time.sleep(0.01)\n if os.fork() == 0: os._exit(0)\n os.wait()"
    )
    with running([sys.executable, "-c", busy], stdout=subprocess.PIPE, start_new_session=True) as work:
        try:
            assert work.stdout is not None
            work.stdout.readline()
            with watching("--all", rows=50, columns=160) as (terminal, process):
                terminal.wait_for("watching")
                frames, used, begun = len(terminal.frames), _cpu(process.pid), time.monotonic()
                time.sleep(4)
                frames, used = len(terminal.frames) - frames, _cpu(process.pid) - used
                seconds = time.monotonic() - begun
                assert frames / seconds >= 10 or used / frames < 0.03, (frames, seconds, used)
                assert used / frames < 0.06, "a frame and the events in it take too long"
        finally:
            os.killpg(work.pid, signal.SIGKILL)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
