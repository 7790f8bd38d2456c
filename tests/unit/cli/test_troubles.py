"""What a user runs into around the commands: streams that are closed, files that may not be read, slips of the pen."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.render.paint import painted
from tests.unit.cli.command import ARGV, LOG, ctrace, ctrace_on_a_terminal, environment
from tracer.cli import COMMANDS
from tracer.render.machine import machine_line
from tracer.runtime.containers import Names


def shell(redirected: str, *args: str | Path) -> subprocess.CompletedProcess[bytes]:
    """`ctrace ARGS` under a shell that redirects: `>&-` closes stdout."""
    command = ["sh", "-c", f'exec "$@" {redirected}', "sh", *ARGV, *map(str, args)]
    return subprocess.run(command, capture_output=True, env=environment(), timeout=60, check=False)


@pytest.mark.parametrize("args", [["replay", "LOG"], ["tree"], ["--help"], ["doctor", "replay"]])
def test_stdout_is_closed(args: list[str], log: Path) -> None:
    done = shell(">&-", *(str(log) if arg == "LOG" else arg for arg in args))
    assert (done.returncode, done.stderr) == (1, b"ctrace: Bad file descriptor\n")


def test_a_file_is_written_also_where_stdout_is_closed(log: Path, tmp_path: Path) -> None:
    done = shell(">&-", "replay", log, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "daemon (103)" in (tmp_path / "out").read_text()


def test_stderr_is_closed(log: Path) -> None:
    assert b"daemon (103)" in shell("2>&-", "replay", log).stdout
    assert shell("2>&-", "replay", f"{log}.not-there").returncode == 1


def test_stdin_is_closed(log: Path) -> None:
    assert shell("<&-", "replay", log).returncode == 0
    done = shell("<&-", "replay", "-")
    assert (done.returncode, done.stderr) == (1, b"ctrace: cannot read stdin: Bad file descriptor\n")


def test_ctrl_c_while_it_loads(tmp_path: Path) -> None:
    """The first module of others that the command loads, and a user in a hurry."""
    (tmp_path / "click.py").write_text("import os, time; os.kill(os.getpid(), 2); time.sleep(10)")
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    done = subprocess.run(
        [*ARGV, "tree"], capture_output=True, env=environment(PYTHONPATH=path), timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_a_slip_in_a_command() -> None:
    done = ctrace("repla", "x")
    assert done.returncode == 2
    assert b"Did you mean 'replay'?" in done.stderr
    assert b"mean" not in ctrace("zzzz").stderr


@pytest.mark.parametrize("command", [["explain"], ["whatif", "exit"]])
def test_the_file_before_the_process(command: list[str], log: Path) -> None:
    done = ctrace(*command, log, "103")
    assert done.returncode == 2
    assert done.stderr.decode().endswith(f"First who is meant, then the file: 103 {log}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_into_a_narrow_terminal(command: str) -> None:
    """But for the examples, which are there to be copied."""
    before, _, rest = ctrace(command, "--help", COLUMNS="60").stdout.decode().partition("  Examples:\n")
    _, blank, after = rest.partition("\n\n")
    assert blank
    assert [line for line in (before + after).splitlines() if len(line) > 60] == []


def test_a_missing_choice_is_named_in_plain_words() -> None:
    done = ctrace("completion")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(b"Choose from: bash, zsh, fish")


def test_several_logs_are_not_one_input(log: Path, tmp_path: Path) -> None:
    (tmp_path / "trace.100").write_text('execve("/bin/sh", ["sh"], 0x7 /* 9 vars */) = 0\n')
    for files in ([log, log], [tmp_path / "trace.100", log]):
        done = ctrace("replay", *files)
        assert done.returncode == 1
        assert b"give logs one at a time" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--verify", "ps.txt", "--format", "json"],
        ["--unreadable", "--format", "json"],
        ["--unreadable", "--findings"],
        ["--verify", "ps.txt", "--findings"],
    ],
)
def test_what_is_shown_instead_of_the_tree_is_one_thing_and_text(options: list[str], log: Path) -> None:
    """Not silently another format, or one of two."""
    done = ctrace("replay", log, *options)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize("view", ["now", "cgroup", "both"])
def test_nobody_on_this_machine_matches(view: str) -> None:
    assert ctrace("tree", "--comm", "no-such-name", "--view", view).stdout.endswith(
        b"\n\nNo process matches these filters.\n"
    )


def test_one_kernel_thread_is_one() -> None:
    text = painted([machine_line([], Names(), 1)])
    assert text.endswith("0 processes · 1 kernel thread left out\n")


def test_before_the_first_process(log: Path) -> None:
    assert ctrace("replay", log, "--at", "0").stdout.endswith(b"0 unreadable\n\nNo process yet.\n")


def test_in_a_narrow_terminal_the_counts_stand_below_the_name(log: Path) -> None:
    code, shown = ctrace_on_a_terminal("replay", "-", columns=40, stdin=log.read_bytes(), NO_COLOR="1")
    assert (code, shown.splitlines()[:4]) == (
        0,
        ["stdin", "  10 lines · 4 processes · 0 inferred ·", "  0 unreadable", ""],
    )
    assert ctrace_on_a_terminal("replay", "-", columns=80, stdin=log.read_bytes(), NO_COLOR="1")[1].startswith(
        "stdin   10 lines · 4 processes · 0 inferred · 0 unreadable\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
@pytest.mark.parametrize("command", [["replay"], ["explain", "100"], ["whatif", "exit", "100"], ["diff", "now"]])
@pytest.mark.parametrize("closed", ["the file", "its folder", "the folder itself"])
def test_what_may_not_be_read(command: list[str], closed: str, tmp_path: Path) -> None:
    """Exit code 1, as for any input that cannot be used, and what to do about it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    log = folder / "strace.log"
    log.write_text(LOG)
    (log if closed == "the file" else folder).chmod(0)
    path = folder if closed == "the folder itself" else log
    # Without what lets root read everything; every folder on the way is root's.
    unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    done = subprocess.run(
        [*unprivileged, *ARGV, *command, str(path)], capture_output=True, env=environment(), timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"ctrace: cannot read {path}: Permission denied\nYou may not read it: try sudo.\n"


def test_compressed_otherwise(tmp_path: Path) -> None:
    packed = tmp_path / "log.xz"
    packed.write_bytes(b"\xfd7zXZ\0\0\4")
    done = ctrace("replay", packed)
    assert (done.returncode, f"xz -dc {packed} | ctrace replay -\n" in done.stderr.decode()) == (1, True)
    assert b"stdin is xz data" in ctrace("replay", "-", stdin=packed.read_bytes()).stderr


def test_what_cannot_be_read_is_named() -> None:
    done = ctrace("replay", "/proc/self/mem")
    assert (done.returncode, done.stderr) == (1, b"ctrace: cannot read /proc/self/mem: Input/output error\n")
