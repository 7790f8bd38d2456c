"""Whatever is in the file: a graph that does not contradict itself, or an error that says so. Never anything else."""

# ruff: noqa: E501
from __future__ import annotations

import tempfile
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.examples import many
from tests.hostile.invariants import check_graph
from tests.hostile.strange_events import damaged_recordings
from tests.hostile.strange_logs import NASTY, logs
from tracer import replay
from tracer.errors import CtraceError


def _read(raw: bytes) -> None:
    with tempfile.NamedTemporaryFile(prefix="ctrace-hostile-") as file:
        file.write(raw)
        file.flush()
        try:
            graph = replay(file.name)
        except CtraceError:
            return
        check_graph(graph)
        graph.to_networkx()


@many(150)
@given(logs())
def test_logs_from_nearly_right_to_nonsense(raw: bytes) -> None:
    _read(raw)


@many(100)
@given(st.binary(max_size=2000))
def test_any_bytes(raw: bytes) -> None:
    _read(raw)


@many(100)
@given(
    logs(),
    st.sampled_from([b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b'{"schema"', b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"CTRC"]),
)
def test_magic_bytes_of_other_kinds_in_front(raw: bytes, magic: bytes) -> None:
    _read(magic + raw)


@many(150)
@given(damaged_recordings())
def test_damaged_recordings(raw: bytes) -> None:
    _read(raw)


_PIECES = (
    b"a", b"(", b")", b" ", b"=", b'"', b"\\", b"<", b">", b"[", b"]", b"{", b"}", b"0", b"1:", b",", b"|", b" = ", b"\\x",
    b"<... ", b" resumed>", b"...", b"/*", b"CLONE_", b" attached", b"strace: Process 1 attached", b"+++ ", b"--- ", b"\x1b[", b"\r",
)  # fmt: skip
_SHELLS = (
    b"%s", b"5     %s", b'5     execve("%s", ["a"], 0x7 /* 1 var */) = 0', b'5     execve("a", ["%s"], 0x7 /* 1 var */) = 0',
    b"5     clone(child_stack=%s) = 7", b"5     <... clone resumed>%s", b"[pid %s", b"5<%s> fork() = 7", b"5     wait4(%s",
    b"5     --- SIGCHLD {%s} ---", b'5     prctl(PR_SET_NAME, "%s") = 0', b"5     12:00:00 %s", b"5     clone3({%s}, 88) = 7",
)  # fmt: skip


@pytest.mark.parametrize("shell", _SHELLS)
def test_long_lines_take_linear_time(shell: bytes) -> None:
    """No regex may backtrack over a line: ten times the length, not a hundred times the time."""
    head = b'5     execve("/bin/t", ["t"], 0x7ff /* 1 var */) = 0\n'
    for piece in _PIECES:
        times = []
        for size in (3_000, 30_000):
            raw = head + shell.replace(b"%s", piece * (size // len(piece))) + b"\n"
            start = time.process_time()
            _read(raw)
            times.append(time.process_time() - start)
        assert times[1] < 30 * times[0] + 0.3, f"{piece!r}: {times}"


@pytest.mark.parametrize("text", NASTY)
def test_names_of_a_megabyte(text: str) -> None:
    name = (text or "x").encode("utf-8", "surrogatepass") * (1_000_000 // max(1, len(text)))
    name = name.replace(b"\n", b"\\n").replace(b'"', b'\\"')
    raw = b'5     execve("%s", ["%s"], 0x7ff /* 1 var */) = 0\n5     prctl(PR_SET_NAME, "%s") = 0\n' % (
        name,
        name,
        name,
    )
    _read(raw)
