"""`ctrace diff`: literal traces in, literal differences out; and this machine before and after something real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.unit.cli.command import ARGV, LOG, ctrace

SCHEMA = json.loads(Path("docs/reference/diff.schema.json").read_text(encoding="utf-8"))

WORKED = """\
200 execve("/bin/sh", ["sh"], 0x7ffd /* 9 vars */) = 0
200 clone(flags=SIGCHLD) = 210
210 execve("/usr/bin/server", ["server"], 0x7ffd /* 9 vars */) = 0
200 clone(flags=SIGCHLD) = 220
220 execve("/usr/bin/client", ["client"], 0x7ffd /* 9 vars */) = 0
"""
FAILED = """\
300 execve("/bin/sh", ["sh"], 0x7ffd /* 9 vars */) = 0
300 clone(flags=SIGCHLD) = 301
301 execve("/usr/bin/server", ["server"], 0x7ffd /* 9 vars */) = 0
301 exit_group(1) = ?
301 +++ exited with 1 +++
300 wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 1}], 0, NULL) = 301
300 clone(flags=SIGCHLD) = 302
302 execve("/usr/bin/client", ["client"], 0x7ffd /* 9 vars */) = 0
"""


def diff(*args: str | Path, differs: bool = True) -> str:
    done = ctrace("diff", *args)
    assert done.returncode == (3 if differs else 0), done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    (tmp_path / "a.log").write_text(LOG)
    (tmp_path / "worked.log").write_text(WORKED)
    (tmp_path / "failed.log").write_text(FAILED)
    monkeypatch.chdir(tmp_path)
    return "a.log"


def test_two_moments_of_one_trace(log: str) -> None:
    assert diff(log, "--at1", "6") == (
        """\
a.log at line 6 → a.log
  4 → 3 processes: 1 went, 1 moved, 1 changed program

- daemonize (102)   exited with 0, line 9
↻ daemon (103)   from daemonize (102), which exited → sh (101), line 9                     derived
~ daemon (103)   runs /usr/sbin/daemon; before: daemonize, /usr/bin/daemonize
"""
    )


def test_what_came_in_between_is_counted(log: str) -> None:
    assert diff(log, "--at1", "1") == (
        """\
a.log at line 1 → a.log
  1 → 3 processes: 2 came; 1 came and went in between

+ sh (101)   created by sh (100), line 2
+ daemon (103)   created by daemonize (102), line 6; child of sh (101) since line 9
"""
    )


def test_nothing_differs(log: str) -> None:
    assert diff(log, log, differs=False) == "a.log → a.log\n  3 → 3 processes: no difference\n"
    assert diff(log, "--at1", "7", "--at2", "7", differs=False).endswith("4 → 4 processes: no difference\n")


def test_a_flag_changes(log: str) -> None:
    assert diff(log, "--at1", "2", "--at2", "3").endswith("\n\n~ sh (101)   became a subreaper\n")


def test_a_zombie_is_a_change(log: str) -> None:
    assert "~ daemonize (102)   is a zombie now: exited with 0\n" in diff(log, "--at1", "6", "--at2", "9")


def test_runs_without_a_number_in_common(log: str) -> None:
    by_number = json.loads(diff("worked.log", "failed.log", "--format", "json"))
    assert (len(by_number["came"]), len(by_number["went"])) == (2, 3)
    assert diff("worked.log", "failed.log", "--by", "lineage") == (
        "worked.log → failed.log\n  3 → 2 processes: 1 went\n\n- server (210)\n"
    )


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_saved_graphs_say_the_same_as_their_traces(log: str, form: str) -> None:
    for name, at in [("a", "6"), ("b", "10")]:
        assert ctrace("replay", log, "--at", at, "--format", form, "-o", f"{name}.json").returncode == 0
    saved = json.loads(diff("a.json", "b.json", "--format", "json"))
    direct = json.loads(diff(log, "--at1", "6", "--format", "json"))
    for key in ("came", "went", "moved", "changed", "same"):
        assert saved[key] == direct[key], key
    jsonschema.validate(saved, SCHEMA)
    assert diff("a.json", log).replace("a.json", "X") == diff(log, log, "--at1", "6").replace("a.log at line 6", "X")


def test_a_parent_that_a_filter_left_out_has_not_ended(log: str) -> None:
    for name, at, pid in [("a", "6", "103"), ("b", "10", "103")]:
        assert ctrace("replay", log, "--at", at, "--pid", pid, "--format", "json", "-o", f"{name}.json").returncode == 0
    assert diff("a.json", "a.json", differs=False).endswith("  1 → 1 processes: no difference\n")
    assert "↻ daemon (103)   from process (102), which exited → " in diff("a.json", "b.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"schema": "ctrace.graph/1", "processes": 3}', "its processes are no list"),
        ('{"schema": "ctrace.graph/1", "processes": [7]}', "process 0 is no object"),
        ('{"schema": "ctrace.graph/1", "processes": [{"uid": "1#0"}]}', "process 0 has no good 'pid'"),
        ('{"schema": "ctrace.graph/1", "processes": [', "is no ctrace.graph/1"),
        ('{"schema": "other", "x": "ctrace.graph/1"}', "has the schema 'other'"),
        ('{"schema": "ctrace.graph/1", "x": ' + "[" * 100_000, "is no ctrace.graph/1"),
    ],
)
def test_documents_that_are_none(text: str, said: str, log: str) -> None:
    Path("bad.json").write_text(text)
    done = ctrace("diff", "bad.json", log)
    assert done.returncode == 1
    assert said in done.stderr.decode()


@pytest.mark.parametrize("arguments", [["a.log"], ["now", "a.log", "--at1", "3"], ["a.log", "--at1", "x"]])
def test_wrong_usage(arguments: list[str], log: str) -> None:
    assert ctrace("diff", *arguments).returncode == 2


def test_nothing_hostile_gets_to_the_terminal(log: str) -> None:
    Path("bad.json").write_text(
        json.dumps(
            {
                "schema": "ctrace.graph/1",
                "processes": [
                    {"uid": "1#0", "pid": 7, "comm": "\x1b]0;x\x07[red]", "state": "running", "parent": None},
                    {"uid": "2#0", "pid": 8, "comm": "\u202ea", "state": "\x1b[2J", "parent": 7, "exe": "/\x9b1m"},
                ],
            }
        )
    )
    text = diff("bad.json", log) + diff(log, "bad.json")
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "[red]" in text


ORPHAN = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
middle = os.fork()
if middle == 0:
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    signal.pause()
print(middle, flush=True)
os.waitpid(middle, 0)
print("gone", flush=True)
time.sleep(60)
"""


def test_this_machine_before_and_after(tmp_path: Path) -> None:
    """A process whose parent is killed between two looks at /proc."""
    reaper = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True)
    assert reaper.stdout is not None
    middle = int(reaper.stdout.readline())
    orphans: list[int] = []
    try:
        while not orphans:
            orphans = [int(pid) for pid in Path(f"/proc/{middle}/task/{middle}/children").read_text().split()]
        (orphan,) = orphans
        before = tmp_path / "before.json"
        assert ctrace("tree", "--format", "json", "-o", before).returncode == 0
        os.kill(middle, 9)
        assert reaper.stdout.readline() == "gone\n"
        found = json.loads(diff(before, "now", "--format", "json"))
    finally:
        for pid in orphans:
            os.kill(pid, 9)
        reaper.kill()
        reaper.wait()
    jsonschema.validate(found, SCHEMA)
    assert middle in {item["pid"] for item in found["went"]}
    (moved,) = by_pid(found["moved"], orphan)
    assert (moved["from"], moved["to"], moved["parent_ended"]) == (middle, reaper.pid, True)
    assert by_pid(found["came"] + found["went"], orphan) == []


def test_who_only_looks_is_no_difference(tmp_path: Path) -> None:
    """ctrace is a process each time, and `now` has the kernel's threads, which `ctrace tree` leaves out."""
    before, kernel = tmp_path / "before.json", tmp_path / "kernel.json"
    with subprocess.Popen([*ARGV, "tree", "--format", "json", "-o", before]) as look:
        assert look.wait(60) == 0
    assert json.loads(before.read_text())["source"]["pid"] == look.pid
    assert ctrace("tree", "--format", "jsonl", "--kernel-threads", "-o", kernel).returncode == 0
    with subprocess.Popen([*ARGV, "diff", before, "now", "--format", "json"], stdout=subprocess.PIPE) as compare:
        assert compare.stdout is not None
        found = json.loads(compare.stdout.read())
    differing = {item["pid"] for item in found["came"] + found["went"]}
    assert not differing & {look.pid, compare.pid, 2}
    assert not [item for item in found["came"] if item["parent"] == 2 and not item["exe"]]
    again = json.loads(ctrace("diff", kernel, before, "--format", "json").stdout)
    assert 2 not in {item["pid"] for item in again["came"] + again["went"]}


def test_where_nobody_lives_it_is_said(log: str) -> None:
    Path("all.log").write_text("100 exit_group(0) = ?\n100 +++ exited with 0 +++\n")
    assert "everything had ended on both sides" in diff("all.log", "all.log", differs=False)
    assert "ended on both" not in diff("worked.log", "all.log")


def by_pid(items: list[dict[str, Any]], pid: int) -> list[dict[str, Any]]:
    return [item for item in items if item["pid"] == pid]
