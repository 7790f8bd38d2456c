"""`ctrace record`: what is in the file is what happened, whatever happens to the recorder."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.harness import running, wait_until
from tests.live.watching import ARGV, ctrace, run_workload, started, workload
from tracer.live.command import Held


def loaded_by(pid: int) -> set[int]:
    """Ids of the eBPF programs to which it has descriptors."""
    told = "".join(path.read_text() for path in Path(f"/proc/{pid}/fdinfo").iterdir())
    return {int(number) for number in re.findall(r"^prog_id:\s+(\d+)", told, re.M)}


def is_loaded(program: int) -> bool:
    """bpf(BPF_PROG_GET_FD_BY_ID) finds it."""
    attributes = ctypes.create_string_buffer(struct.pack("III", program, 0, 0))
    number = 321 if platform.machine() == "x86_64" else 280
    fd = ctypes.CDLL(None).syscall(number, 13, attributes, len(attributes.raw) - 1)
    if fd >= 0:
        os.close(fd)
    return bool(fd >= 0)


def replayed(path: Path) -> dict[int, dict[str, Any]]:
    """The last process of each number in the recording."""
    done = ctrace("replay", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    return {process["pid"]: process for process in json.loads(done.stdout)["processes"]}


def test_a_command_and_its_whole_tree(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    done = ctrace("record", "-o", path, "--", *workload(0.1, 0.5))
    assert done.returncode == 0, done.stderr
    top, child, orphan, killed = map(int, done.stdout.split())
    graph = replayed(path)
    assert graph[top]["exit"] == {"code": 0}
    assert graph[top]["argv"][1] == "-c"
    assert graph[child]["exit"] == {"code": 3}
    assert graph[killed]["exit"] == {"signal": "SIGKILL", "core": False}
    assert graph[orphan]["exit"] == {"code": 7}
    first = graph[orphan]["reparentings"][0]
    assert (first["from"], first["to"], first["rule"], first["evidence"]) == (child, top, "subreaper", "derived")
    assert "0 lost" in done.stderr
    members = {pid for pid, process in graph.items() if process["state"] != "running"}
    assert members == {top, child, orphan, killed}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -KILL $$"], 128 + 9),
        (["/no/such/program"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_the_exit_code_is_passed_on(tmp_path: Path, command: list[str], code: int) -> None:
    done = ctrace("record", "-o", tmp_path / "trace", "--", *command)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    if code in {126, 127}:
        assert f"cannot run {command[0]}" in done.stderr


def test_the_command_ignores_what_the_caller_ignores(tmp_path: Path) -> None:
    """As under nohup, or in the background of a script; and nothing that only Python ignores. No file is left open."""
    script = "grep SigIgn /proc/self/status; ls /proc/self/fd"

    def ignore() -> None:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)

    alone = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, preexec_fn=ignore)
    recorded = ctrace("record", "-o", tmp_path / "trace", "--", "sh", "-c", script, preexec_fn=ignore)
    assert recorded.returncode == 0, recorded.stderr
    assert recorded.stdout == alone.stdout
    ignored = int(alone.stdout.split()[1], 16)
    assert ignored & 7 == 7  # SIGHUP, SIGINT, SIGQUIT; the caller of the tests may ignore more


def test_a_command_that_was_killed_before_it_could_run() -> None:
    held = Held(["true"])
    os.kill(held.pid, signal.SIGKILL)
    os.waitid(os.P_PID, held.pid, os.WEXITED | os.WNOWAIT)
    held.go()
    assert held.poll() == 128 + signal.SIGKILL


def test_a_command_that_ends_at_once_is_whole(tmp_path: Path) -> None:
    """Nothing of it may be missed at either end: it is held until the tracer is ready."""
    path = tmp_path / "trace"
    script = "for i in $(seq 37); do /bin/true; done; exec /bin/false"
    assert ctrace("record", "-o", path, "--", "sh", "-c", script).returncode == 1
    done = [p for p in replayed(path).values() if p["state"] != "running"]
    assert sorted(p["exe"].rpartition("/")[2] for p in done) == ["false"] + ["seq"] + ["true"] * 37
    assert sum(p["exit"] == {"code": 1} for p in done) == 1


def test_signals_reach_the_command_and_its_end_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    script = 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    with started(tmp_path, "record", "-o", path, "--", "sh", "-c", script) as record:
        record.wait_for("ready", "stdout")
        assert record.end(signal.SIGTERM) == 5
    (shell,) = [p for p in replayed(path).values() if p["exit"] == {"code": 5}]
    assert shell["comm"] == "sh"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "trace"
    with started(tmp_path, "record", "--all", "-o", path) as record:
        record.wait_for("recording the whole machine")
        top, _, orphan, _ = run_workload()
        time.sleep(0.2)
        assert record.end(number) == 0, record.stderr
    graph = replayed(path)
    assert {top, orphan, 1} <= graph.keys()
    assert graph[record.process.pid]["state"] == "running"


def test_duration(tmp_path: Path) -> None:
    begun = time.monotonic()
    done = ctrace("record", "--all", "--duration", "1", "-o", tmp_path / "trace")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 10
    assert len(replayed(tmp_path / "trace")) > 3


def test_killed_hard_what_was_written_replays(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    with started(tmp_path, "record", "--all", "-o", path) as record:
        record.wait_for("recording the whole machine")
        top, child, orphan, _ = run_workload()
        time.sleep(2.5)
        programs = loaded_by(record.process.pid)
        record.process.kill()
        record.process.wait()
    assert len(programs) > 5
    wait_until(lambda: not any(map(is_loaded, programs)), "programs are left in the kernel")
    done = ctrace("replay", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    graph = {p["pid"]: p for p in json.loads(done.stdout)["processes"]}
    assert graph[top]["exit"] == {"code": 0}
    assert graph[orphan]["reparentings"][0]["from"] == child


def test_live_and_replayed_graphs_are_the_same(tmp_path: Path) -> None:
    """The same session, watched and recorded: everything that lives at the end has the same place and evidence."""
    from tests.live.sessions import same_graph

    assert same_graph(tmp_path) == []


def test_output_exists(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text("precious")
    done = ctrace("record", "-o", path, "--", "true")
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert "--force" in done.stderr
    assert path.read_text() == "precious"
    assert ctrace("record", "--force", "-o", path, "--", "true").returncode == 0
    assert len(replayed(path)) > 1


def test_two_at_a_time(tmp_path: Path) -> None:
    """Another instance is no trouble: each has its own probes."""
    with started(tmp_path, "record", "--all", "-o", tmp_path / "a") as one:
        one.wait_for("recording")
        done = ctrace("record", "-o", tmp_path / "b", "--", *workload(0.0, 0.0))
        assert done.returncode == 0, done.stderr
        time.sleep(0.3)
        assert one.end() == 0
    top = int(done.stdout.split()[0])
    assert replayed(tmp_path / "a")[top]["exit"] == replayed(tmp_path / "b")[top]["exit"] == {"code": 0}


def test_to_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    script = '"$0" -m tracer record --all --duration 1 -o - > "$1"'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 1 in replayed(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "none", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


BUSY = (
    "import os\nfor i in range(%d):\n    os.spawnv(os.P_WAIT, '/bin/true', ['true', str(i) * 9, os.urandom(200).hex()])"
)


def test_a_message_that_nobody_takes_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*ARGV, "record", "-o", path, "--", "sh", "-c", "exit 42"], stderr=full, check=False)
    assert done.returncode == 42
    assert {"code": 42} in [process["exit"] for process in replayed(path).values()]


def test_a_full_disk_is_said_and_what_was_written_replays(tmp_path: Path, small_disk: Path) -> None:
    path = small_disk / "trace"
    busy = [sys.executable, "-c", BUSY % 5000]
    with started(tmp_path, "record", "--all", "-o", path) as record:
        record.wait_for("recording")
        with running(busy):
            assert record.process.wait(timeout=60) == 1
    assert "No space left on device" in record.stderr
    assert str(path) in record.stderr
    assert "can be replayed" in record.stderr
    assert "Traceback" not in record.stderr
    done = ctrace("replay", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["processes"]) > 5


def test_on_a_full_disk_the_command_goes_on(tmp_path: Path, small_disk: Path) -> None:
    done = ctrace(
        "record", "-o", small_disk / "trace", "--", sys.executable, "-c", BUSY % 3000 + "\nprint('to the end')"
    )
    assert done.returncode == 1
    assert done.stdout == "to the end\n"
    assert "No space left on device" in done.stderr
    assert "the command goes on" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["-o", "x", "--"],
        ["-o", "x", "--all", "--", "true"],
        ["-o", "x", "containerd", "--all"],
        ["-o", "-", "--", "true"],
        ["--all"],
        ["-o", "x", "--all", "--duration", "soon"],
    ],
)
def test_wrong_usage(tmp_path: Path, args: list[str]) -> None:
    done = ctrace("record", *args, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "x").exists()


def test_the_callers_terminal_signals_do_not_kill_the_recorder(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole process group: the command decides, the recording goes on to its end."""
    path = tmp_path / "trace"
    script = 'trap "" INT; echo ready; sleep 1; exit 9'
    with started(tmp_path, "record", "-o", path, "--", "sh", "-c", script, start_new_session=True) as record:
        record.wait_for("ready", "stdout")
        os.killpg(record.process.pid, signal.SIGINT)
        assert record.process.wait(timeout=30) == 9
    assert any(p["exit"] == {"code": 9} for p in replayed(path).values())


def test_help_names_an_example() -> None:
    done = subprocess.run([*ARGV, "record", "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "ctrace record -o build.ctrace -- make -j4" in done.stdout
