"""Whoever is asked may hang, crash, lie or not be there: it becomes a line of the answer."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tracer.doctor import Task, made
from tracer.doctor.ask import NoAnswer, find_program, in_child, run
from tracer.doctor.report import Check, Status


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program; pytest's folders are in /tmp, from which root runs nothing."""
    monkeypatch.setattr("tracer.doctor.ask._only_root_changes", lambda _: True)
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_that_hangs_with_its_children(script: Path) -> None:
    note = script.with_name("pid")
    script.write_text(f"#!/bin/sh\nsleep 60 & echo $! > {note}\nwait\n")
    begin = time.monotonic()
    with pytest.raises(NoAnswer, match=r"did not answer within 0\.5 s"):
        run(str(script), timeout=0.5)
    assert time.monotonic() - begin < 5
    sleeping = int(note.read_text())
    deadline = time.monotonic() + 5
    while _runs(sleeping) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(sleeping)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_program_that_fails(script: Path) -> None:
    script.write_text("#!/bin/sh\necho first >&2; echo second >&2; exit 3\n")
    with pytest.raises(NoAnswer, match=r"^program: first$"):
        run(str(script))
    script.write_text("#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(NoAnswer, match="killed by signal 9"):
        run(str(script))
    with pytest.raises(NoAnswer, match="cannot be run"):
        run(str(script) + ".not-there")


def test_what_it_gets_and_what_is_kept_of_it(script: Path) -> None:
    script.write_text('#!/bin/sh\npwd; echo "$LC_ALL $SECRET $#:$1"; cat; head -c 3000000 /dev/zero >&2\n')
    os.environ["SECRET"] = "told"
    try:
        said = run(str(script), "$(id)")
    finally:
        del os.environ["SECRET"]
    assert said.startswith("/\nC  1:$(id)\n")
    assert len(said) < 1_000_000


@pytest.mark.skipif(os.geteuid() != 0, reason="this is about what root does")
def test_root_runs_nothing_that_others_can_change(tmp_path: Path) -> None:
    path = tmp_path / "strace"
    path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    path.chmod(0o755)
    for owner, mode in ((1, 0o755), (0, 0o777), (0, 0o755)):  # the last one: /tmp itself is for all
        os.chown(path, owner, 0)
        path.chmod(mode)
        with pytest.raises(NoAnswer, match="others than root"):
            run(str(path))
    assert not (tmp_path / "ran").exists()
    program = find_program("sh")
    assert program is not None
    assert run(program, "-c", "echo fine") == "fine\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="this is about what root does")
def test_roots_path_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "strace-of-mine"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("strace-of-mine") is None
    assert find_program("sh") is not None


def test_in_child() -> None:
    assert in_child(lambda: {"a": [1, "\udcff"]}, 10) == {"a": [1, "\udcff"]}
    with pytest.raises(NoAnswer, match="ZeroDivisionError"):
        in_child(lambda: 1 // 0, 10)
    with pytest.raises(NoAnswer, match="killed by signal 9"):
        in_child(lambda: os.kill(os.getpid(), signal.SIGKILL), 10)
    with pytest.raises(NoAnswer, match=r"within 0\.2 s"):
        in_child(lambda: time.sleep(60), 0.2)
    with pytest.raises(NoAnswer, match="exit code 0"):
        in_child(lambda: os._exit(0), 10)
    with pytest.raises(NoAnswer, match="SystemExit"):
        in_child(lambda: exit(1), 10)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # none is left


def test_in_child_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert in_child(lambda: os.write(1, b"noise") + os.write(2, b"noise"), 10) == 10
    assert capfd.readouterr() == ("", "")


def test_a_check_that_fails_is_a_line_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracer.doctor.TIMEOUT", 0.3)
    good = Check("good", "good", Status.OK, "fine", commands=(("what", "command"),))

    def raises() -> Check:
        raise PermissionError(13, "Permission denied", "/x")

    def hangs() -> Check:
        time.sleep(60)
        return good

    tasks = [Task("a", "A", raises), Task("b", "B", hangs), Task("c", "C", lambda: [good, good])]
    first, second, *rest = made(tasks)
    assert (first.name, first.title, first.status) == ("a", "A", Status.UNKNOWN)
    assert first.found == "could not be checked: PermissionError: [Errno 13] Permission denied: '/x'"
    assert second.found == "could not be checked: no answer within 0.3 s"
    assert rest == [good, good]
