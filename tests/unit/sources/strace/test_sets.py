"""Real strace, many options, one program: the same events."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.harness import STRACE, strace_refuses
from tests.unit.sources.strace.logs import read
from tracer.errors import EmptyInput, UnreadableInput
from tracer.event import Clone, Exec, Exit, ExitBegin, SetSubreaper
from tracer.sources.detect import open_source

if TYPE_CHECKING:
    from pathlib import Path

needs_strace = pytest.mark.skipif(shutil.which(STRACE) is None, reason="strace is not installed")
SCRIPT = "(/bin/true; /bin/true) & /bin/echo 'a b' >/dev/null; x=$(/bin/echo hi); wait; (exit 3); exit 5"
WHAT = (Clone, Exec, Exit, ExitBegin, SetSubreaper)

FORMS = {
    "o": ["-o", "{log}"],
    "tt": ["-tt", "-T", "-o", "{log}"],
    "ttt": ["-ttt", "-o", "{log}"],
    "r": ["-r", "-o", "{log}"],
    "t-r": ["-t", "-r", "-o", "{log}"],
    "i-n": ["-i", "-n", "-o", "{log}"],
    "Y-y": ["-Y", "-y", "-o", "{log}"],
    "v": ["-v", "-o", "{log}"],
    "raw": ["-X", "raw", "-o", "{log}"],
    "verbose": ["-X", "verbose", "-o", "{log}"],
    "xx": ["-xx", "-o", "{log}"],
    "N": ["-N", "-o", "{log}"],
    "stderr-N-colour": ["-N", "--color=always"],
    "stderr": [],
    "stderr-Y-tt": ["-Y", "-tt"],
    "stderr-q": ["-q"],
    "ff": ["-ff", "-o", "{log}/t"],
    "ff-tt": ["-ff", "-tt", "-o", "{log}/t"],
}


def shape(path: Path) -> Counter[tuple[object, ...]]:
    """What happened, without numbers and order."""
    events, stats = read(path)
    assert stats.unreadable == 0, stats.unreadable_lines
    found: Counter[tuple[object, ...]] = Counter()
    for event in events:
        if isinstance(event, WHAT):
            skip = ("at", "time", "tid", "child", "old_tid", "flags", "start_time")
            found[(type(event).__name__, *(v for k, v in event._asdict().items() if k not in skip))] += 1
    return found


def record(folder: Path, options: list[str]) -> Path:
    log = folder / "log"
    if "-ff" in options:
        log.mkdir()
    command = [STRACE, "-f", "-e", "trace=process,prctl", "-s", "4096", *(o.format(log=log) for o in options)]
    done = subprocess.run(
        [*command, "/bin/sh", "-c", SCRIPT], capture_output=True, timeout=20, env={"PATH": "/usr/bin:/bin"}, check=False
    )
    if b"ptrace" in done.stderr and done.returncode == 1:
        pytest.skip("ptrace is not permitted here")
    if not log.exists():
        log.write_bytes(done.stderr)
    return log


@needs_strace
@pytest.mark.parametrize("options", FORMS.values(), ids=FORMS.keys())
def test_same_events_in_every_form(tmp_path: Path, options: list[str]) -> None:
    refused = strace_refuses([o for o in options if o not in ("-o", "-ff") and "{log}" not in o])
    if refused:
        pytest.skip(refused)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = shape(record(tmp_path / "a", ["-o", "{log}"]))
    assert sum(n for what, n in plain.items() if what[0] == "Clone") >= 4
    assert shape(record(tmp_path / "b", options)) == plain


def test_a_set_that_is_still_being_written(tmp_path: Path) -> None:
    """strace -ff -p: the first task has not left the call in which it was found."""
    (tmp_path / "t.100").write_text("restart_syscall(<... resuming interrupted read ...>")
    (tmp_path / "t.101").write_text("fork() = 102\nwait4(-1, ")
    (tmp_path / "t.102").write_text("pause(")
    events, stats = read(tmp_path)
    assert [event.child for event in events if isinstance(event, Clone)] == [102]
    assert stats.unreadable == 0


def test_a_set_by_the_name_that_strace_was_given(tmp_path: Path) -> None:
    (tmp_path / "t[1].100").write_text("fork() = 101\nexit_group(0) = ?\n+++ exited with 0 +++\n")
    (tmp_path / "t[1].101").write_text("exit_group(0) = ?\n+++ exited with 0 +++\n")
    assert read(tmp_path / "t[1]")[0] == read(tmp_path)[0]


def test_a_log_that_is_kept_with_a_number_is_no_set(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_text("100 fork() = 101\n101 exit_group(0) = ?\n101 +++ exited with 0 +++\n")
    with pytest.raises(UnreadableInput, match="No such file"):
        read(tmp_path / "log")


def test_no_name() -> None:
    with pytest.raises(UnreadableInput, match="the file has no name: ''"):
        open_source([""])


def test_a_set_in_which_nothing_has_happened(tmp_path: Path) -> None:
    (tmp_path / "t.100").write_text("pause(")
    with pytest.raises(EmptyInput, match="no call has returned in any file of the set"):
        read(tmp_path)
