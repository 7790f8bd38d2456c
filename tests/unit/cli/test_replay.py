from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO

import jsonschema
import pytest
from click.testing import CliRunner

import tracer
from tests.unit.cli.command import ARGV, LOG, ctrace, ctrace_on_a_terminal, environment
from tracer.cli import cli
from tracer.errors import UsageError

SCHEMA = json.loads(Path("docs/reference/graph.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def big_log(tmp_path: Path) -> Path:
    path = tmp_path / "big.log"
    lines = [
        f'100 clone(child_stack=NULL, flags=SIGCHLD) = {n}\n{n} execve("/bin/a", ["a"], 0x7) = 0\n'
        for n in range(200, 20_200)
    ]
    path.write_text("".join(lines))
    return path


def test_tree(log: Path) -> None:
    done = ctrace("replay", log)
    assert (done.returncode, done.stderr) == (0, b"")
    head, empty, *tree = done.stdout.decode().splitlines()
    assert head == f"{log}   10 lines · 4 processes · 0 inferred · 0 unreadable"
    assert empty == ""
    assert tree == [
        "sh (100)                                                        parent not in the trace",
        "└─ sh (101)  subreaper",
        "   ├─ 1 finished: daemonize ×1",
        "   └─ daemon (103)",
        "         ↻ from daemonize (102), which exited → nearest subreaper, sh (101)         derived",
    ]


def test_json_by_the_schema(log: Path) -> None:
    done = ctrace("replay", log, "--format", "json")
    parsed = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(parsed)
    assert [p["pid"] for p in parsed["processes"]] == [100, 101, 102, 103]
    assert parsed["source"] == {"kind": "strace", "path": str(log), "clock": None}


def test_jsonl_timeline_and_dot(log: Path) -> None:
    assert [json.loads(line) for line in ctrace("replay", log, "--format", "jsonl").stdout.splitlines()]
    timeline = ctrace("replay", log, "--format", "timeline").stdout.decode()
    assert "daemon (103)  adopted from daemonize (102), which exited" in timeline
    assert "\\x1b]0;owned\\x07" in timeline
    dot = ctrace("replay", log, "--format", "dot").stdout.decode()
    assert '"101#0" -> "103#0" [style=solid, label="derived"]' in dot
    assert '"102#0" -> "103#0" [style=dashed' in dot


def test_at_a_line(log: Path) -> None:
    shown = ctrace("replay", log, "--at", "7").stdout.decode()
    assert "↻" not in shown
    assert "      └─ daemon (103)" in shown


def test_at_a_time_is_as_at_its_line() -> None:
    """Lines without a time (`Process N attached`, what resumes) count as of the last time before them."""
    log = "fixtures/logs/containerd-pod/strace.log"
    trees = [ctrace("replay", log, "--at", moment).stdout for moment in ("82", "07:02:18.80")]
    assert b"containerd (57)" in trees[0]
    assert trees[0] == trees[1]


@pytest.mark.parametrize(
    ("log", "last", "beyond", "said"),
    [
        ("containerd-pod/strace.log", "548", "549", "has no line 549: shown is its end, line 548"),
        ("containerd-pod/strace.log", "07:02:19.408492", "7:03:00", "tells of nothing after 07:02:19.408492: "),
        ("double_fork/ff-tt.log", "8", "1000", "has no event 1,000: shown is its end, event 8"),
    ],
)
def test_a_moment_beyond_the_end_is_said_to_be(log: str, last: str, beyond: str, said: str) -> None:
    path = f"fixtures/logs/{log}"
    whole = ctrace("replay", path)
    at_end, after = ctrace("replay", path, "--at", last), ctrace("replay", path, "--at", beyond)
    assert whole.stdout == at_end.stdout == after.stdout
    assert (at_end.returncode, at_end.stderr, after.returncode) == (0, b"", 0)
    assert after.stderr.decode().startswith(f"ctrace: {path} {said}")


def test_filters_that_leave_nothing(log: Path) -> None:
    done = ctrace("replay", log, "--pid", "77777")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[2:] == ["No process matches these filters."]
    done = ctrace("replay", log, "--pid", "77777", "--format", "timeline")
    assert done.stdout.decode() == "No process matches these filters.\n"


def test_what_is_asked_for_is_not_folded(log: Path) -> None:
    shown = ctrace("replay", log, "--pid", "102").stdout.decode()
    assert "All that match had ended" in shown
    assert "daemonize (102)" in shown


def test_filters_compose(log: Path) -> None:
    done = ctrace("replay", log, "--comm", "sh", "--pid", "101", "--format", "json")
    assert [p["pid"] for p in json.loads(done.stdout)["processes"]] == [101]
    done = ctrace("replay", log, "--state", "dead", "--view", "lineage")
    assert "daemonize (102)" in done.stdout.decode()
    assert "daemon (103)" not in done.stdout.decode()


def test_everything_has_ended(log: Path) -> None:
    log.write_text(LOG + "".join(f"{tid} +++ exited with 0 +++\n" for tid in (103, 101, 100)))
    shown = ctrace("replay", log).stdout.decode()
    assert "Everything had ended" in shown
    assert "daemon (103)" in shown
    assert "daemon (103)" not in ctrace("replay", log, "--view", "now").stdout.decode()


def test_unreadable_lines_are_listed_clean(log: Path) -> None:
    log.write_bytes(LOG.encode() + b"101 what\x1b[31m is \xff this\n")
    done = ctrace("replay", log, "--unreadable")
    assert done.returncode == 0
    assert b"11  " in done.stdout
    assert b"\x1b" not in done.stdout
    assert "1 unreadable" in ctrace("replay", log).stdout.decode()


def test_stdin_and_output_file(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    done = ctrace("replay", "-", "-o", out, stdin=LOG.encode())
    assert (done.returncode, done.stdout) == (0, b"")
    assert out.read_text().startswith("stdin   10 lines")
    assert "daemon (103)" in out.read_text()


def test_verify(log: Path, tmp_path: Path) -> None:
    text = tmp_path / "pstree.txt"
    text.write_text("init(1)───sh(100)───sh(101)───daemon(103)\n")
    done = ctrace("replay", log, "--verify", text)
    assert done.returncode == 0
    assert "2 of 2 parents agree" in done.stdout.decode()
    text.write_text("init(1)─┬─sh(100)───sh(101)\n        └─daemon(103)\n")
    done = ctrace("replay", log, "--verify", text)
    assert done.returncode == 3
    assert "1 of 2 parents agree" in done.stdout.decode()
    assert re.search(r"parent of daemon \(103\) +101 sh +1 init +derived", done.stdout.decode())


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["replay"], 2, "Missing argument"),
        (["replay", "LOG", "--at", "noon"], 2, "noon: neither a line number nor a time"),
        (["replay", "LOG", "--at", "05:17:35"], 2, "this trace has no times"),
        (["replay", "LOG", "--format", "xml"], 2, "xml"),
        (["replay", "LOG", "--nonsense"], 2, "--nonsense"),
        (["nonsense"], 2, "nonsense"),
        (["replay", "/nonexistent/x"], 1, "/nonexistent/x"),
        (["replay", "LOG", "--verify", "/nonexistent/x"], 1, "/nonexistent/x"),
        (["replay", "LOG", "--verify", "LOG"], 1, "no process ids"),
        (["replay", "LOG", "-o", "/nonexistent/x"], 1, "cannot write"),
        (["replay", "LOG", "--subtree", "9"], 1, "no process 9"),
        (["replay", "a\x1b[31m\udcff"], 1, "a\\x1b[31m"),
    ],
)
def test_errors_are_one_message_and_a_code(log: Path, args: list[str], code: int, said: str) -> None:
    done = ctrace(*[str(log) if arg == "LOG" else arg for arg in args])
    assert done.returncode == code
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stderr
    assert done.stdout == b""


def test_a_closed_pipe_ends_quietly(big_log: Path) -> None:
    for form in ("tree", "json", "timeline", "dot"):
        process = subprocess.Popen(
            [*ARGV, "replay", str(big_log), "--format", form],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize("args", [["--help"], ["replay", "LOG"], ["replay", "LOG", "--format", "json"]])
def test_a_full_disk_is_one_message(log: Path, args: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        argv = [*ARGV, *[str(log) if arg == "LOG" else arg for arg in args]]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (1, b"ctrace: No space left on device\n")


def test_ctrl_c_is_no_traceback() -> None:
    process = subprocess.Popen(
        [*ARGV, "replay", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdin is not None
    process.stdin.write(LOG.encode())
    process.stdin.flush()
    while _waiting_in(process.stdin):  # until it reads, Ctrl-C just ends it
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def _waiting_in(pipe: IO[bytes]) -> int:
    """Bytes that the other side has not read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_terminal(log: Path, columns: int) -> None:
    code, shown = ctrace_on_a_terminal("replay", log, columns=columns)
    assert code == 0
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= columns
    assert "daemon (103)" in plain


def test_terminal_without_colour_and_dumb(log: Path) -> None:
    assert "\x1b" not in ctrace_on_a_terminal("replay", log, NO_COLOR="1")[1]
    shown = ctrace_on_a_terminal("replay", log, TERM="dumb")[1]
    assert "\x1b" not in shown
    assert shown.isascii()
    assert "`- daemon (103)" in shown


def test_ascii_by_option_encoding_and_locale(log: Path) -> None:
    for done in (
        ctrace("replay", log, "--ascii"),
        ctrace("replay", log, LC_ALL="C"),
        ctrace("replay", log, LANG="C"),
        ctrace("replay", log, PYTHONIOENCODING="latin-1"),
    ):
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.isascii()
        assert b"`- daemon (103)" in done.stdout
    assert "└─ daemon (103)" in ctrace("replay", log, LANG="C", LC_CTYPE="C.UTF-8").stdout.decode()


def test_a_pipe_is_never_cut(log: Path) -> None:
    log.write_text(LOG.replace("/usr/sbin/daemon", "/usr/sbin/" + "d" * 200))
    assert b"d" * 200 in ctrace("replay", log).stdout
    assert b"d" * 200 not in ctrace("replay", log, "--width", "80").stdout


def test_findings_of_a_kind_stand_under_one_heading_and_say_what_the_log_lacks(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = ["9 fork() = 10", "10 fork() = 11", "11 +++ exited with 0 +++", "9 fork() = 12", "12 fork() = 13"]
    log.write_text("\n".join([*lines, "13 +++ exited with 0 +++", ""]))
    done = ctrace("replay", log, "--findings")
    assert done.returncode == 3
    assert done.stdout.splitlines().count(b"zombies") == 1
    assert done.stdout.count(b" has not called wait.") == 2
    assert b"\nNot in this log: wait4 and waitid (when a zombie goes). If strace was not asked" in done.stdout
    log.write_text("\n".join([*lines, "13 +++ exited with 0 +++", "10 wait4(11, NULL, 0, NULL) = 11", ""]))
    done = ctrace("replay", log, "--findings")
    assert done.stdout.count(b" has not called wait.") == 1
    assert b"Not in this log" not in done.stdout


def test_help_is_quick_and_loads_nothing() -> None:
    code = "import sys; from tracer.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "Exit codes" in done.stdout
    assert not loaded & {"networkx", "rich", "psutil", "hyperscan", "tracer.reconstruct", "tracer.cli.replay"}
    best = min(_seconds("--help") for _ in range(3))
    assert best < 1.0


def _seconds(*args: str) -> float:
    """Of processor time: the machine may have other things to do."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ctrace(*args).returncode == 0
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def test_version() -> None:
    assert ctrace("--version").stdout == f"ctrace {tracer.__version__}\n".encode()


def test_every_subcommand_of_the_list_is_there_with_examples() -> None:
    from tracer.cli import COMMANDS

    for name in COMMANDS:
        done = ctrace(name, "--help")
        assert done.returncode == 0
        assert b"Examples:" in done.stdout
        assert b"Exit codes:" in done.stdout


def test_python_api(log: Path) -> None:
    graph = tracer.replay(log)
    daemon = graph.find(103)[0]
    assert daemon.parent is not None
    assert daemon.parent.tgid == 101
    earlier = tracer.replay(str(log), at=7).find(103)[0]
    assert earlier.parent is not None
    assert earlier.parent.tgid == 102
    with pytest.raises(UsageError):
        tracer.replay(log, at="05:17:35")


@pytest.mark.parametrize("seconds", [0.0, 1.6])
def test_a_progress_bar_when_it_takes_long(seconds: float) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*ARGV, "replay", "-", "--format", "json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=environment(),
    )
    os.close(theirs)
    assert process.stdin is not None
    filler = b"100 getpid() = 100\n" * (30_000 if seconds else 1)  # a busy machine takes a second for more
    for part in (LOG.encode() + filler, filler, filler):
        process.stdin.write(part)
        process.stdin.flush()
        time.sleep(seconds / 2)
    process.stdin.close()
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the last writer is gone
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait(60) == 0
    assert (b"reading" in shown) is (seconds > 0)


def test_a_great_many_that_all_ended_are_folded(tmp_path: Path) -> None:
    log = tmp_path / "loop.log"
    lines = ['100 execve("/bin/sh", ["sh"], 0x7ffd7c2a9d48 /* 9 vars */) = 0']
    for tid in range(101, 101 + 2500):
        lines += [f"100 fork() = {tid}", f"{tid} exit_group(0) = ?", f"{tid} +++ exited with 0 +++"]
    log.write_text("\n".join([*lines, "100 +++ exited with 0 +++", ""]))
    result = CliRunner().invoke(cli, ["replay", str(log)])
    assert "Everything had ended; --view lineage shows who created whom, a line each." in result.output
    assert len(result.output.splitlines()) < 12
    every = CliRunner().invoke(cli, ["replay", str(log), "--view", "lineage"])
    assert len(every.output.splitlines()) > 2500
