"""`ctrace completion SHELL`, asked as the shell asks it; and the manual page, as groff reads it."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.command import ARGV, ctrace, environment
from tracer.cli import COMMANDS

ROOT = Path(__file__).parents[3]


def script(shell: str) -> str:
    done = ctrace("completion", shell)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """`ctrace`, whether it is installed or not."""
    path = tmp_path / "bin" / "ctrace"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.join(ARGV)} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["re"], ["replay", "record"]),
        (["comp"], ["completion"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["replay", "--vi"], ["--view"]),
        (["watch", "--format", "js"], ["jsonl"]),
        (["whatif", "st"], ["stop"]),
    ],
)
def test_bash_offers(words: list[str], offered: list[str], command: Path) -> None:
    ask = f"""
        {script("bash")}
        COMP_WORDS=(ctrace {shlex.join(words)}); COMP_CWORD={len(words)}
        _ctrace_completion {shlex.quote(str(command))}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.split(), done.stderr) == (offered, "")


@pytest.mark.parametrize(
    "words",
    ["replay fo", "replay --verify fo", "tree -o fo", "explain 12 fo", "diff fo", "diff a fo", "whatif exit 1 fo"],
)
def test_files_are_left_to_the_shell(words: str) -> None:
    number = len(words.split())
    done = ctrace(_CTRACE_COMPLETE="bash_complete", COMP_WORDS=f"ctrace {words}", COMP_CWORD=str(number))
    assert done.stdout == b"file,fo\n"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_can_read_theirs(shell: str, tmp_path: Path) -> None:
    text = script(shell)
    assert f"_CTRACE_COMPLETE={shell}_complete" in text
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(text)
    done = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


OFFERS = [
    ("ctrace comp", "ctrace completion"),
    ("ctrace replay --vi", "ctrace replay --view"),
    ("ctrace watch --format js", "ctrace watch --format jsonl"),
    ("ctrace replay fo", "ctrace replay found.log"),
    ("ctrace explain 12 fo", "ctrace explain 12 found.log"),
]
"""What is typed, and what stands there after the tabulator key."""


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(command: Path, tmp_path: Path) -> None:
    (tmp_path / "found.log").touch()
    asked = [f"complete -C {shlex.quote(typed)}" for typed, _ in OFFERS]
    text = "\n".join([script("fish"), *asked])
    path = f"{command.parent}:{os.environ['PATH']}"
    environ = environment(PATH=path, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))
    ask = ["fish", "--no-config", "-c", text]
    done = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=environ)
    assert ([line.split("\t")[0] for line in done.stdout.splitlines()], done.stderr) == (
        [completed.split()[-1] for _, completed in OFFERS],
        "",
    )


ZSHRC = """
autoload -Uz compinit && compinit -u -d "$ZDOTDIR/dump"
show() { print -r -- "$BUFFER" >> "$ZDOTDIR/shown"; BUFFER= }
zle -N show && bindkey '^T' show
zle-line-init() { touch "$ZDOTDIR/ready" }
zle -N zle-line-init
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes(command: Path, tmp_path: Path) -> None:
    """At its own prompt, on a terminal: its completion works nowhere else."""
    (tmp_path / "found.log").touch()
    (tmp_path / ".zshrc").write_text(f"{ZSHRC}\n{script('zsh')}")
    path = f"{command.parent}:{os.environ['PATH']}"
    environ = environment(PATH=path, ZDOTDIR=str(tmp_path), HOME=str(tmp_path))
    ours, theirs = pty.openpty()
    zsh = subprocess.Popen(
        ["zsh", "-d", "-i"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env=environ,
        start_new_session=True,
    )
    os.close(theirs)
    shown = tmp_path / "shown"
    try:
        _read_until(ours, (tmp_path / "ready").exists)
        for number, (typed, _) in enumerate(OFFERS):
            os.write(ours, typed.encode() + b"\t\x14")
            _read_until(ours, lambda n=number: shown.exists() and len(shown.read_text().splitlines()) > n)
    finally:
        zsh.kill()
        zsh.wait()
        os.close(ours)
    assert [line.rstrip() for line in shown.read_text().splitlines()] == [completed for _, completed in OFFERS]


def _read_until(terminal: int, done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    seen = b""
    while not done():
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 0.05)[0]:
            seen += os.read(terminal, 65536)


def test_commands_are_offered_with_their_whole_line() -> None:
    done = ctrace(_CTRACE_COMPLETE="fish_complete", COMP_WORDS="ctrace rec", COMP_CWORD="rec")
    assert done.stdout.decode() == f"plain,record\t{COMMANDS['record']}\n"


def test_an_unknown_shell_is_an_error() -> None:
    assert ctrace("completion", "csh").returncode == 2


def test_only_what_is_completed_is_loaded() -> None:
    """A press of the tabulator key must not wait for what it does not need."""
    code = "import sys; from tracer.cli import main; main(); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"_CTRACE_COMPLETE": "bash_complete", "COMP_WORDS": "ctrace re", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.split() == ["plain,replay", "plain,record"]
    assert {"rich", "networkx", "hyperscan", "psutil", "tracer.graph"}.isdisjoint(done.stderr.split())


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_page_is_read_without_a_warning() -> None:
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", str(ROOT / "docs" / "ctrace.1")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ctrace replay strace.log" in done.stdout
