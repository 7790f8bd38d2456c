"""Damaged and made-up logs: never a traceback, never much time."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from tests.unit.sources.strace.logs import read
from tests.unit.sources.strace.test_spliced import SPLICED
from tracer.errors import InputError

CASE = Path(__file__).parents[5] / "shared" / "cases" / "k8s-static-pod" / "strace.logs"
LOG = (
    b'100 05:17:35.033443 execve("/bin/sh", ["sh", "\\303\\"\\n"...], 0x7ffd /* 9 vars */) = 0\n'
    b"100 05:17:35.033443 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD <unfinished ...>\n"
    b"101 05:17:35.033443 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n"
    b"100 05:17:35.033443 <... clone resumed>) = 101\n101 05:17:36.033443 fork() = 2\n"
    b'102 05:17:37.033443 execveat(3</x>, "", ["y"], 0x7 /* 0 vars */, AT_EMPTY_PATH <pid changed to 101 ...>\n'
    b"101 05:17:37.033443 +++ superseded by execve in pid 102 +++\n101 05:17:37.1 <... execveat resumed>) = 0\n"
    b"100 05:17:38.033443 waitid(P_ALL, 0, {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=101}, WEXITED, NULL) = 0\n"
    b"101 05:17:39.033443 +++ killed by SIGSEGV (core dumped) +++\n"
)


def survives(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        read(path)


@pytest.mark.parametrize("end", ["head", "tail"])
def test_cut_at_every_byte(tmp_path: Path, end: str) -> None:
    for log in (LOG, SPLICED["in a word"].encode(), SPLICED["unfinished"].encode()):
        for place in range(len(log)):
            survives(tmp_path / "log", log[:place] if end == "head" else log[place:])


def test_every_byte_replaced(tmp_path: Path) -> None:
    for place in range(0, len(LOG), 2):
        for byte in (b"\n", b"\x00", b"\xff", b"9", b'"', b"("):
            survives(tmp_path / "log", LOG[:place] + byte + LOG[place + 1 :])


TWO_CLOCKS = b"""\
5 12:00:00.123456 fork( <unfinished ...>
5 1700000000.200000 <... fork resumed>) = 6
5 1700000000.300000 fork() = 7
6 12:00:02 exit_group(0) = ?
6 1700000000.500000 +++ exited with 0 +++
5 <a> 12:00:03.5 (+     0.000010) fork() = 8<c467 (+     0.000010) [  60] [?????????0
"""


def test_two_ways_to_write_times_in_one_log(tmp_path: Path) -> None:
    """Pasted together, or damaged: a time of the other kind is no time, in whichever line it stands."""
    lines = TWO_CLOCKS.splitlines(keepends=True)
    for first in range(len(lines)):
        survives(tmp_path / "log", b"".join(lines[first:] + lines[:first]))
        survives(tmp_path / "log", b"".join(lines[first:]))
        survives(tmp_path / "log", lines[first] * 3 + TWO_CLOCKS)


@pytest.mark.parametrize("drop", [2, 3, 5])
def test_lines_left_out(tmp_path: Path, drop: int) -> None:
    lines = LOG.splitlines(keepends=True)
    for first in range(len(lines)):
        survives(tmp_path / "log", b"".join(line for n, line in enumerate(lines) if (n + first) % drop))
        survives(tmp_path / "log", b"".join(lines[first:] + lines[:first]))


@pytest.mark.parametrize(
    "line",
    [
        b'100 execve("' + b"\\" * 3_000_000,
        b'100 execve("/x", ["' + b'\\"' * 1_000_000,
        b"100 clone(" + b") = 1 " * 500_000,
        b"100 wait4(" + b" = " * 900_000,
        b"100 --- SIGCHLD {" + b"si_code=" * 300_000,
        b"[pid " + b"1" * 2_000_000,
        b"1" * 2_000_000 + b" clone() = 1",
        b"100<" * 600_000,
        b"100 clone(flags=" + b"A|" * 1_000_000 + b") = 5",
        b"\x1b[" * 1_000_000,
        b"strace: Process " * 150_000 + b" attached",
    ],
    ids=lambda line: line[:12].decode(),
)
def test_endless_lines_take_no_endless_time(tmp_path: Path, line: bytes) -> None:
    start = time.process_time()
    survives(tmp_path / "log", b"100 exit(0 <unfinished ...>\n" + line + b"\n100 +++ exited with 0 +++\n")
    assert time.process_time() - start < 5


def test_a_line_of_100_mb_is_counted_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.write(b"100 exit(0 <unfinished ...>\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n100 +++ exited with 0 +++\n")
    events, stats = read(path)
    assert (stats.lines, stats.unreadable, len(events)) == (3, 1, 3)
    assert all(len(text) <= 200 for _, text in stats.unreadable_lines)


@pytest.mark.skipif(not CASE.exists(), reason=f"the reference case is not beside the project ({CASE.parent})")
def test_the_reference_case() -> None:
    events, stats = read(CASE)
    assert stats.unreadable == 0
    births = {event.child: event for event in events if type(event).__name__ == "Clone"}
    assert births[1224703].tid == 1224700
    assert births[1224727].tid == 1224726
    assert births[1224749].tid == 1224741
    for worker in (1224788, 1224789):
        assert births[worker].tid == 1224754
        assert births[worker].ns_child in (29, 30)
    assert not any(child < 1000 for child in births), "numbers of the container's namespace are no processes"


@pytest.mark.parametrize(
    "shape",
    ["{c} fork( <unfinished ...>\n{u} exit(0) = ?\n", "{c} fork( <unfinished ...>\n{c} +++ killed by SIGKILL +++\n"],
)
def test_many_open_calls_take_linear_time(tmp_path: Path, shape: str) -> None:
    took = []
    for count in (2_000, 20_000):
        path = tmp_path / "log"
        path.write_text("".join(shape.format(c=n + 10, u=n + 2_000_000) for n in range(count)))
        start = time.process_time()
        read(path)
        took.append(time.process_time() - start)
    assert took[1] < 30 * took[0] + 1, took
