"""What a log does not have is said under its tree, where something could not be known for it, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.command import LOG, ctrace
from tracer.reconstruct import reconstruct
from tracer.render.lacking import lacking
from tracer.sources.detect import COMPLETE_LOG, open_source

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"


@pytest.mark.parametrize(
    ("log", "lacks"),
    [
        ("clone_parent_chain/tt.log", []),  # prctl was traced, and everything is known
        ("exec_chain/f.log", []),  # nothing calls prctl, and nothing needs it
        ("containerd-pod/strace.log", []),  # what is assumed there lies above the trace
        ("deep_chain/no-prctl.log", ["prctl", "wait4"]),  # nobody waits in it, and there are zombies
        ("clone_parent/no-clone3.log", ["clone3", "wait4"]),
        ("containerd-pod/no-clone3.log", ["clone3", "wait4"]),
    ],
)
def test_recorded_logs(log: str, lacks: list[str]) -> None:
    source = open_source([str(LOGS / log)])
    said = lacking(reconstruct(source).processes, source.stats.calls)
    assert [call for call in ("clone,", "clone3", "prctl", "wait4") if call in said] == lacks


def test_it_is_said_under_the_tree(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    log.write_text("".join(line for line in LOG.splitlines(keepends=True) if "prctl" not in line))
    shown = ctrace("replay", log).stdout.decode()
    said = "Not in this log: prctl (who is a subreaper). If strace was not asked for that, trace it again:"
    assert shown.endswith(f"\n{said}\n  {COMPLETE_LOG}\n")
    assert "Not in this log" not in ctrace("replay", log, "--pid", "101").stdout.decode()


def test_only_execve_was_traced(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    log.write_text('10 execve("/bin/a", ["a"], 0x7) = 0\n11 execve("/bin/b", ["b"], 0x7) = 0\n')
    assert b"clone, clone3, fork, vfork (who created whom)" in ctrace("replay", log).stdout


JOBS = """\
10 execve("/bin/a", ["a"], 0x7) = 0
10 clone(child_stack=NULL, flags=SIGCHLD) = 11
11 +++ exited with 0 +++
10 clone(child_stack=NULL, flags=SIGCHLD) = 12
12 clone(child_stack=NULL, flags=SIGCHLD) = 13
13 +++ exited with 1 +++
10 clone(child_stack=NULL, flags=SIGCHLD) = 14
"""
WAIT = "10 wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 11\n"


def test_zombies_of_a_log_without_waits_are_counted_as_such_and_not_shouted(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    log.write_text(JOBS)
    shown = ctrace("replay", log).stdout.decode().splitlines()
    assert shown[2:8] == [
        "a (10)                                                          parent not in the trace",
        "├─ 1 finished, perhaps a zombie: a ×1",
        "├─ a (12)",
        "│  └─ 1 finished, perhaps a zombie: a ×1",
        "└─ a (14)",
        "",
    ]
    assert "wait4" in shown[8]
    asked = ctrace("replay", log, "--state", "zombie").stdout.decode()
    assert asked.count("perhaps a zombie") == 2
    assert "└─ a (13)" in asked
    assert "perhaps a zombie: no wait of anybody" in ctrace("explain", "13", log).stdout.decode()
    assert "already" not in ctrace("whatif", "exit", "12", log).stdout.decode()
    assert ctrace("replay", log, "--findings").stdout.count(b"unless strace was") == 2


def test_zombies_of_a_log_with_waits_are_zombies(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    log.write_text(JOBS + WAIT)
    shown = ctrace("replay", log).stdout.decode()
    assert "├─ 1 finished: a ×1" in shown
    assert "zombie: exited with 1, not reaped yet" in shown
    assert "13) is one already, and goes to init (1)" in ctrace("whatif", "exit", "12", log).stdout.decode()
    assert "unless strace" not in ctrace("replay", log, "--findings").stdout.decode()
    log.write_text(JOBS + "12 clone(child_stack=NULL, flags=SIGCHLD) = 15\n15 +++ exited with 0 +++\n" + WAIT)
    both = ctrace("whatif", "exit", "12", log).stdout.decode()
    assert "a (13) and a (15) are zombies already, and go to init (1), which waits for them: they\n" in both


ALONE = """\
execve("/bin/a", ["a"], 0x7) = 0
clone(child_stack=NULL, flags=SIGCHLD) = 11
clone(child_stack=NULL, flags=SIGCHLD) = 12
exit_group(0) = ?
+++ exited with 0 +++
"""


@pytest.mark.parametrize("notice", ["", "strace: Process 10 attached\n"])
def test_strace_did_not_follow_the_children(tmp_path: Path, notice: str) -> None:
    log = tmp_path / "strace.log"
    log.write_text(notice + ALONE)
    shown = ctrace("replay", log, "--reasons").stdout.decode()
    assert "Not in this log: what the children did (-f), prctl" in shown
    assert f"above {'10' if notice else 'the first process'}\n" in shown


def test_strace_followed_them(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    log.write_text(ALONE.replace("exit_group", "[pid    11] getppid() = 10\nexit_group"))
    assert b"(-f)" not in ctrace("replay", log).stdout


def test_children_that_are_quiet_under_f(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    log.write_text("".join(f"10 {line}" for line in ALONE.splitlines(keepends=True)))
    assert b"(-f)" not in ctrace("replay", log).stdout
