"""Processes of this machine that attack whoever looks at them: by name, program, arguments and cgroup."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.hostile.invariants import check_tame
from tests.hostile.strange_logs import NASTY
from tests.live.terminal import watching

ARGV = [sys.executable, "-m", "tracer"]
RENAMED = "import ctypes, sys, time; ctypes.CDLL(None).prctl(15, sys.stdin.buffer.read()); print(flush=True)"
CGROUPS = (b"\x1b[2Jx", b"[bold]y", b"\xe2\x80\xaez.service", b"\xff\xfe.slice", b"kubepods-\x07.slice", b"a b:c.scope")
NAMES = [name.encode("utf-8", "surrogatepass").replace(b"\0", b"")[:200] for name in NASTY]
JSON = ("json", "jsonl")
_OWN = re.compile("\x1b(?:\\[[0-9;]*m|\\[H|\\[J|\\[K|\\[\\?25[lh]|\\[\\?1049[lh])|\\r+(?=\\n)")
"""Colours, to the corner, erasing, and the modes of the screen."""


@contextlib.contextmanager
def cgroup(name: bytes, tgid: int) -> Iterator[None]:
    """Puts a process into a cgroup called so, where this user can."""
    bases = [path for path in map(Path, ("/sys/fs/cgroup/pids", "/sys/fs/cgroup")) if (path / "cgroup.procs").exists()]
    try:
        folder = bases[0] / (f"{os.getpid()}-" + os.fsdecode(name))
        folder.mkdir()
        (folder / "cgroup.procs").write_text(str(tgid))
    except (IndexError, OSError):
        yield
        return
    yield
    (bases[0] / "cgroup.procs").write_text(str(tgid))
    folder.rmdir()


@pytest.fixture(scope="module")
def attackers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """One for each nasty name; the last one has a megabyte of arguments."""
    folder = tmp_path_factory.mktemp("x")
    with contextlib.ExitStack() as stack:
        found = []
        for i, name in enumerate(NAMES):
            program = folder / f"{i}{os.fsdecode(name.replace(b'/', b'')[:100])}"
            shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
            found.append(stack.enter_context(subprocess.Popen([name, b"1000"], executable=program)))
            stack.callback(found[-1].kill)
        many = [b"\x1b[2J%d" % i for i in range(100_000)]
        for name, args in [*((n[:15], []) for n in NAMES), (b"many", many)]:
            process = subprocess.Popen(
                [sys.executable, "-c", f"{RENAMED}; time.sleep(1000)", *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            found.append(stack.enter_context(process))
            stack.callback(process.kill)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(name)
            process.stdin.close()
            process.stdout.readline()
        for name, process in zip(CGROUPS, found, strict=False):
            stack.enter_context(cgroup(name, process.pid))
        yield [process.pid for process in found]


def printed(*args: str | int) -> bytes:
    done = subprocess.run(
        [*ARGV, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False
    )
    assert done.returncode in (0, 3), done.stdout
    check_tame(done.stdout)
    return done.stdout


@pytest.mark.parametrize("view", ["now", "cgroup", "both"])
@pytest.mark.parametrize("form", ["tree", "json", "jsonl", "dot"])
def test_tree(form: str, view: str, attackers: list[int]) -> None:
    output = printed("tree", "--format", form, "--view", view)
    if form in JSON:
        lines = [output] if form == "json" else output.splitlines()
        documents = [json.loads(line) for line in lines]
        assert documents
    assert form not in JSON or b"\\\\x1b[2J" in output or b"\\u001b[2J" in output
    assert form in (*JSON, "dot") or b"\\x1b[2J" in output, "the names were shown, escaped"


def test_what_is_kept_of_a_megabyte_of_arguments(attackers: list[int]) -> None:
    (process,) = json.loads(printed("tree", "--pid", attackers[-1], "--format", "json"))["processes"]
    assert process["argv"][3:1024] == [f"\x1b[2J{i}" for i in range(1021)]
    assert (len(process["argv"]), process["argv_cut"]) == (1024, True)
    (process,) = json.loads(printed("tree", "--pid", attackers[0], "--format", "json"))["processes"]
    assert process["argv_cut"] is False


def test_explain_whatif_findings_and_diff(attackers: list[int], tmp_path: Path) -> None:
    before = tmp_path / "before"
    printed("tree", "--format", "json", "-o", before)
    for form in ("text", "json"):
        for tgid in (os.getpid(), attackers[0], attackers[-1]):
            for command in (["explain", tgid], ["whatif", "exit", tgid]):
                output = printed(*command, "--format", form)
                assert form == "text" or json.loads(output)
        output = printed("diff", before, "now", "--format", form)
        assert form == "text" or json.loads(output)
    printed("tree", "--findings")


def short_lives() -> None:
    """Each nasty name once more, as what a short-lived program calls itself."""
    for name in NAMES:
        subprocess.run([name, b"0.01"], executable=shutil.which("sleep"), check=True)
        renamed = subprocess.run([sys.executable, "-c", RENAMED], input=name[:15], stdout=subprocess.PIPE, check=True)
        assert renamed.stdout


@pytest.mark.live
def test_watch_and_record(attackers: list[int], tmp_path: Path) -> None:
    path = tmp_path / "trace"
    forms = ["lines", "jsonl"]
    with ThreadPoolExecutor() as pool:
        watched = [pool.submit(printed, "watch", "--all", "--duration", "8", "--format", f, "--threads") for f in forms]
        recorded = pool.submit(printed, "record", "--all", "--duration", "8", "-o", path)
        time.sleep(3)
        short_lives()
        lines, jsonl = (found.result() for found in watched)
        recorded.result()
    assert b"\\x1b[2J" in lines
    for line in jsonl.splitlines():
        if not line.startswith(b"ctrace: "):
            json.loads(line)
    for form in ("tree", "timeline", "json", "jsonl", "dot"):
        assert b"[2J" in printed("replay", path, "--format", form)


@pytest.mark.live
def test_the_screen_of_watch(attackers: list[int]) -> None:
    """Besides the movements and colours that are its own there is nothing on it that a terminal would obey."""
    with watching("--all", rows=200) as (terminal, process):
        terminal.wait_for("watching")
        for keys in (b"", b"v", b"\x1b[6~", b"G"):
            terminal.type(keys)
            short_lives()
            terminal.wait_frames(2)
        assert "\\x1b[2J" in terminal.text
        terminal.type(b"q")
        assert process.wait(timeout=60) == 0
        terminal.final()
    check_tame(_OWN.sub("", terminal.text).encode())


@pytest.mark.parametrize("column", ["comm", "pstree"])
def test_the_text_of_pstree_and_ps(column: str, tmp_path: Path) -> None:
    log, listing = tmp_path / "log", tmp_path / "listing"
    log.write_text('5     execve("/bin/t", ["t"], 0x7ff /* 1 var */) = 0\n5     fork() = 6\n')
    names = [name.replace(b"\n", b" ") for name in NAMES]
    if column == "comm":
        rows = [b"%7d %7d %s" % (100 + i, 5, name) for i, name in enumerate(names)]
        text = b"    PID    PPID COMMAND\n      5       1 t\n" + b"\n".join(rows)
    else:
        text = b"t(5)" + b"".join(b"-+-%s(%d)\n    " % (name, 100 + i) for i, name in enumerate(names))
    for damaged in (text, text[: len(text) // 2], text.replace(b"(", b"((")):
        listing.write_bytes(damaged + b"\n")
        done = subprocess.run([*ARGV, "replay", log, "--verify", listing], capture_output=True, timeout=60, check=False)
        assert b"Traceback" not in done.stderr
        check_tame(done.stdout + done.stderr)
        assert done.returncode in (1, 3)
