"""`ctrace watch` without a terminal: a line for each event, of text or of JSON."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from tests.live.harness import running, wait_until
from tests.live.watching import ctrace, run_workload, started, workload

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/events.schema.json").read_text())


def test_a_line_for_each_event(tmp_path: Path) -> None:
    with started(tmp_path, "watch", "--all", "--verify") as watch:
        watch.wait_for("watching the whole machine")
        top, child, orphan, killed = run_workload(0.2, "orphan")
        watch.wait_for(f"({top})  exited with 0", "stdout")
        assert watch.end() == 0, watch.why
    lines = watch.stdout.splitlines()

    def said(pid: int) -> list[str]:
        return [line.partition(f"({pid})  ")[2] for line in lines if f"({pid})  " in line]

    assert any(text == "became a subreaper" for text in said(top))
    assert [text for text in said(child) if "exited" in text] == ["exited with 3"]
    adoption, to_init = [text for text in said(orphan) if text.startswith("adopted")]
    assert f"({child}), which exited → nearest subreaper" in adoption
    assert f"({top})" in adoption.partition("→")[2]
    assert f"from {Path(sys.executable).name} ({top}), which exited" in to_init
    assert said(orphan).index("exited with 7") < said(orphan).index(to_init)
    assert said(killed)[-1] == "killed by SIGKILL"
    assert "as in /proc" in watch.stdout
    assert " 0 lost" in watch.stderr


def test_json_lines_obey_the_schema_and_tell_the_story(tmp_path: Path) -> None:
    with started(tmp_path, "watch", "--all", "--format", "jsonl", "--threads", "--verify") as watch:
        watch.wait_for('"event":"begin"', "stdout")
        watch.wait_for('"event":"found"', "stdout")
        top, child, orphan, killed = run_workload()
        watch.wait_for(f'"pid":{top}', "stdout")
        assert watch.end() == 0, watch.why
    lines = watch.json_lines()
    validator = jsonschema.Draft202012Validator(SCHEMA)
    kinds = {line["event"]: line for line in lines}
    for line in [*kinds.values(), *lines[:300]]:
        validator.validate(line)
    assert lines[0]["schema"] == "ctrace.events/1"
    assert [line["event"] for line in lines[-2:]] == ["verified", "end"]
    assert lines[-2]["differences"] == []

    mine = [line for line in lines if line.get("pid") in {top, child, orphan, killed}]
    story = [(line["event"], line["pid"]) for line in mine if line["event"] not in {"reaped", "renamed"}]
    assert story.index(("created", orphan)) > story.index(("created", child))
    adopted = next(line for line in mine if line["event"] == "adopted")
    assert (adopted["pid"], adopted["from"], adopted["to"]) == (orphan, child, top)
    assert (adopted["rule"], adopted["evidence"]) == ("subreaper", "derived")
    ends = {line["pid"]: line["exit"] for line in mine if line["event"] == "exited"}
    assert ends == {
        top: {"code": 0},
        child: {"code": 3},
        orphan: ends[orphan],
        killed: {"signal": "SIGKILL", "core": False},
    }
    assert len({line["start_time"] for line in mine if line["pid"] == orphan}) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_polite_signal_ends_it_with_the_numbers(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, "watch", "--all") as watch:
        watch.wait_for("watching")
        assert watch.end(number) == 0, watch.why
    assert "events · 0 lost" in watch.stderr


def test_nohup_is_honoured(tmp_path: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with started(tmp_path, "watch", "--all", preexec_fn=ignore) as watch:
        watch.wait_for("watching")
        watch.process.send_signal(signal.SIGHUP)
        run_workload()
        watch.wait_for("killed by SIGKILL", "stdout")
        assert watch.end() == 0, watch.why


def test_duration_ends_it(tmp_path: Path) -> None:
    done = ctrace("watch", "--all", "--duration", "1.5s", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    end = json.loads(done.stdout.splitlines()[-1])
    assert end["event"] == "end"
    assert 1.5 <= end["duration"] < 10


def test_only_the_end_of_the_daemon_is_said_not_that_of_its_workers(tmp_path: Path) -> None:
    """cron, sshd and PostgreSQL fork for each job: their children are called as they are."""
    program = shutil.copy("/bin/sh", tmp_path / "a-daemon")
    script = "read answer; (exit 4) & (sh -c 'exit 5'; exit 6) & wait; read answer; exit 7"
    with subprocess.Popen([program, "-c", script], stdin=subprocess.PIPE) as daemon:
        try:
            with started(tmp_path, "watch", "a-daemon") as watch:
                watch.wait_for("watching a-daemon")
                assert daemon.stdin is not None
                daemon.stdin.write(b"go on\n")
                daemon.stdin.flush()
                watch.wait_for("exited with 6", "stdout")
                daemon.stdin.close()
                watch.wait_for("has ended")
                assert watch.end() == 0, watch.why
        finally:
            daemon.kill()
    assert "exited with 4" in watch.stdout
    assert [line for line in watch.stderr.splitlines() if "has ended" in line] == [
        f"ctrace: a-daemon ({daemon.pid}) has ended; what it left is still watched, and so is the next a-daemon"
    ]


def test_compare_on_demand(tmp_path: Path) -> None:
    with started(tmp_path, "watch", "--all") as watch, running(workload(5, 5)):
        watch.wait_for("watching")
        for count in (1, 2):
            watch.process.send_signal(signal.SIGUSR1)
            wait_until(lambda n=count: watch.stdout.count("verified: ") == n, "no comparison")  # type: ignore[misc]
        assert watch.end() == 0, watch.why
    assert watch.stdout.count("as in /proc") == 2


def test_a_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    error = tmp_path / "err"
    error.touch()
    script = '"$0" -m tracer watch --all --duration 20 2>"$1" | head -n 1'
    with subprocess.Popen(["sh", "-c", script, sys.executable, str(error)], stdout=subprocess.PIPE) as pipe:
        wait_until(lambda: "watching" in error.read_text(), "it did not start")
        begun = time.monotonic()
        run_workload()
        run_workload()
        out, _ = pipe.communicate(timeout=30)
    assert out.count(b"\n") == 1
    assert time.monotonic() - begun < 10
    assert error.read_text().count("\n") == 1


def test_a_hostile_name_is_shown_and_does_nothing(tmp_path: Path) -> None:
    name = "[red]\x1b[2J\x9b\u202e"
    program = tmp_path / name
    shutil.copy("/bin/true", program)
    with started(tmp_path, "watch", "--all") as watch:
        watch.wait_for("watching")
        subprocess.run([program, "\x1b]0;owned\x07", "\udcff"], check=True)
        watch.wait_for("owned", "stdout")
        assert watch.end() == 0, watch.why
    assert r"[red]\x1b[2J" in watch.stdout
    assert not set("\x1b\x9b\u202e\x07") & set(watch.stdout)
