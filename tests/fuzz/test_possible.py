"""Could another run have written a log? 6 has ended, and its child 7 is 1's, but lines are left out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import tracer
from tests.fuzz import possible, undecidable
from tests.fuzz.judge import Problem
from tests.fuzz.truth import TrueProcess, Truth

BEGIN = """\
5 execve("/p", ["p"], 0x1 /* 0 vars */) = 0
5 fork() = 6
6 fork() = 7
"""
DIES = "6 exit_group(3) = ?\n6 +++ exited with 3 +++\n"
TOLD = "5 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=6, si_uid=0, si_status=3} ---\n"
GOES_ON = '7 prctl(PR_SET_NAME, "x") = 0\n'


def why(folder: Path, log: str, got: int = 6) -> str:
    (folder / "log").write_text(log)
    truth = Truth(0, 1, (2,), {7: TrueProcess(7, 1, False, (7,), (), 0)})
    return possible.refuted(folder / "log", truth, [Problem("parent", 7, 1, got, "observed")])


def test_whoever_is_not_told_of_may_have_died_unseen(tmp_path: Path) -> None:
    """A run in which 6 lives writes the same."""
    assert why(tmp_path, BEGIN + GOES_ON) == ""


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(DIES + TOLD, id="its end is told"),
        pytest.param("6 +++ exited with 3 +++\n", id="nobody has called exit"),
        pytest.param(DIES + "6 <... wait4 resumed>NULL, 0, NULL) = 7\n", id="a wait that never began"),
        pytest.param("6 wait4(-1,  <unfinished ...>\n6 fork() = 8\n", id="a wait that never returned"),
        pytest.param("6 +++ killed by SIGTERM +++\n", id="a signal that nobody was given"),
        pytest.param("9 fork() = 10\n", id="nobody can have created 9"),
        pytest.param("5 wait4(7, NULL, WNOHANG, NULL) = 0\n", id="another one waits for 7"),
    ],
)
def test_what_refutes_it(tmp_path: Path, rest: str) -> None:
    assert why(tmp_path, BEGIN + rest + GOES_ON)


def test_a_line_without_number_is_of_the_only_task(tmp_path: Path) -> None:
    log = (
        'execve("/p", ["p"], 0x1 /* 0 vars */) = 0\nfork(strace: Process 6 attached\n) = 6\n'
        '[pid 6] fork(strace: Process 7 attached\n) = 7\n[pid 5] prctl(PR_SET_NAME, "y") = 0\n'
    )
    assert why(tmp_path, log) == ""
    assert "no number" in why(tmp_path, log + GOES_ON[2:])


def run(folder: Path, *options: str) -> tuple[list[str], undecidable.Tree]:
    """The log of a run of `left_out`, and who was whose child in the end."""
    program = folder / "left_out"
    subprocess.run(["cc", "-O1", *options, "-o", program, undecidable.PROGRAMS / "left_out.c"], check=True)
    (folder / "log").unlink(missing_ok=True)
    tree = undecidable.record(program, folder / "log", 0)
    assert tree is not None
    return (folder / "log").read_text().splitlines(), tree


@pytest.mark.skipif(bool(undecidable.cannot_run()), reason=undecidable.cannot_run() or "it can run")
def test_a_block_that_no_reader_can_miss(tmp_path: Path) -> None:
    """What is left of the one log is the whole other one, line by line, and the trees differ."""
    killed, one = run(tmp_path)
    whole, other = run(tmp_path, "-DLIVES")
    block = [i for i, line in enumerate(killed) if " +++ killed by " in line or " --- SIGCHLD " in line]
    assert block == [block[0], block[0] + 1]
    assert killed[: block[0]] + killed[block[1] + 1 :] == whole
    (child,) = {pid for pid, _ in other} & {pid for pid, parent in one if dict(other)[pid] != parent}
    found = tracer.replay(str(tmp_path / "log")).find(child)[0]
    assert found.parent is not None
    assert (found.parent.tgid, str(found.evidence)) == (dict(other)[child], "observed")
