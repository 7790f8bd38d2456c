"""What is left of root's rights once the probes are attached: just what is used, and everything still works."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tracer
from tests.live.harness import Compiled, running, wait_until
from tests.live.watching import ARGV, ctrace, run_workload, started

NOBODY = "65534"
KILL, PTRACE, READ = 1 << 5, 1 << 19, 1 << 2
AS_NOBODY = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
FIELDS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="this is about what root does"),
    pytest.mark.skipif(
        tuple(map(int, platform.release().split(".")[:2])) < (5, 19), reason="before Linux 5.19 CAP_BPF is kept, too"
    ),
]


def status(pid: int | str, thread: int | str = "") -> dict[str, int]:
    path = Path(f"/proc/{pid}/task/{thread}/status") if thread else Path(f"/proc/{pid}/status")
    lines = dict(line.split(":\t", 1) for line in path.read_text().splitlines())
    return {name: int(lines[name], 16) for name in FIELDS}


def only(capabilities: int) -> dict[str, int]:
    """Of a thread that has these, and cannot get more."""
    kept = dict.fromkeys(FIELDS, 0) | dict.fromkeys(("CapPrm", "CapEff", "CapBnd"), capabilities)
    return kept | {"NoNewPrivs": 1}


def threads(pid: int) -> list[dict[str, int]]:
    return [status(pid, path.name) for path in Path(f"/proc/{pid}/task").iterdir()]


@pytest.mark.parametrize("args", [["watch", "--all", "--format", "lines"], ["record", "--all", "-o", "FILE"]])
def test_every_thread_keeps_two_and_can_get_no_more(args: list[str], tmp_path: Path) -> None:
    args = [str(tmp_path / "trace") if a == "FILE" else a for a in args]
    with started(tmp_path, *args) as running_:
        running_.wait_for("the whole machine")
        assert all(found == only(PTRACE | READ) for found in threads(running_.process.pid))
        assert running_.end() == 0, running_.stderr


def test_a_command_has_what_the_caller_had(tmp_path: Path) -> None:
    """COMMAND is forked before; the tracer keeps the right to signal it."""
    script = 'cat /proc/self/status; trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    with started(tmp_path, "record", "-o", tmp_path / "trace", "--", "sh", "-c", script) as record:
        record.wait_for("ready", "stdout")
        shown = dict(line.split(":\t", 1) for line in record.stdout.splitlines() if ":\t" in line)
        assert {name: int(shown[name], 16) for name in FIELDS} == status("self")
        assert all(found == only(PTRACE | READ | KILL) for found in threads(record.process.pid))
        assert record.end(signal.SIGTERM) == 5, record.stderr


def test_a_command_that_became_another_user_gets_its_signals(tmp_path: Path) -> None:
    command = [*AS_NOBODY, "sh", "-c", "echo ready; exec sleep 60"]
    with started(tmp_path, "record", "-o", tmp_path / "trace", "--", *command) as record:
        record.wait_for("ready", "stdout")
        assert record.end(signal.SIGTERM) == 128 + signal.SIGTERM, record.stderr


def test_after_a_loss_others_processes_are_read_as_before(tmp_path: Path, programs: Compiled) -> None:
    """/proc/PID/exe of another user, and of root's own with all capabilities: found only after the drop."""
    with started(tmp_path, "watch", str(os.getpid()), "--format", "jsonl", "--buffer", "16k", "--verify") as watch:
        watch.wait_for('"event":"begin"', "stdout")
        os.kill(watch.process.pid, signal.SIGSTOP)
        with running([programs("forks"), "3000"], stdout=subprocess.PIPE) as flood:
            assert flood.stdout is not None
            flood.stdout.read(1)
        with running([*AS_NOBODY, "sleep", "60"]) as theirs, running(["sleep", "61"]) as roots:
            for process in (theirs, roots):
                wait_until(lambda p=process: Path(f"/proc/{p.pid}/exe").readlink().name == "sleep", "it execs")
            os.kill(watch.process.pid, signal.SIGCONT)
            for process in (theirs, roots):
                watch.wait_for(f'"pid":{process.pid}', "stdout")
            time.sleep(1.5)
            assert watch.end() == 0, watch.stdout[-2000:]
    lines = watch.json_lines()
    found = {line["pid"]: line["exe"] for line in lines if line["event"] == "found"}
    assert {Path(found[theirs.pid]).name, Path(found[roots.pid]).name} == {"sleep"}
    (verified,) = [line for line in lines if line["event"] == "verified"]
    assert verified["differences"] == []


def test_a_program_in_a_closed_home_folder_loads_the_rest_of_itself(tmp_path: Path) -> None:
    """`sudo ~/.local/bin/ctrace`: modules are loaded when they are needed, some after the drop."""
    home = tmp_path / "home"
    shutil.copytree(Path(tracer.__file__).parent, home / "tracer")
    shutil.copytree(Path(__file__).parents[2] / "probes", home / "probes")
    home.chmod(0o700)
    os.chown(home, int(NOBODY), int(NOBODY))
    done = ctrace(
        "watch", "--all", "--duration", "1", "--verify", cwd=home, env={**os.environ, "PYTHONPATH": str(home)}
    )
    assert done.returncode == 0, done.stderr
    assert "as in /proc" in done.stdout


@pytest.mark.parametrize("capabilities", ["bpf,perfmon", "bpf,perfmon,sys_ptrace,dac_read_search"])
def test_without_root_but_with_capabilities(capabilities: str, tmp_path: Path) -> None:
    """What was not there is not asked for; what was, and is still used, stays."""
    granted = ",".join(f"+{name}" for name in capabilities.split(","))
    user = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps", granted]
    as_user = [*user, "--ambient-caps", granted, "--bounding-set", f"-all,{granted}"]
    if subprocess.run([*as_user, sys.executable, "-c", "import tracer"], capture_output=True, check=False).returncode:
        pytest.skip("this Python is in a folder closed to other users")
    tmp_path.chmod(0o777)
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        command = [*as_user, *ARGV, "watch", "--all", "--format", "lines", "--verify"]
        with running(command, stdout=stdout, stderr=stderr) as watch:
            wait_until(lambda: "whole machine" in err.read_text() or watch.poll() is not None, "it starts")
            assert watch.poll() is None, err.read_text()
            kept = PTRACE | READ if "ptrace" in capabilities else 0
            # The bounding set needs CAP_SETPCAP to be narrowed; with no_new_privs it gives nothing to anybody.
            assert all(found | {"CapBnd": kept} == only(kept) for found in threads(watch.pid))
            pids = run_workload()
            wait_until(lambda: f"({pids[1]})  exited" in out.read_text(), "events are told")
            watch.send_signal(signal.SIGINT)
            assert watch.wait(timeout=30) == 0, err.read_text() + out.read_text()[-500:]
    assert "as in /proc" in out.read_text()
