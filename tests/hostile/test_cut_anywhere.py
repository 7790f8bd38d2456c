"""Real logs and a recording cut at every byte, at either end: what is left tells of no parent that the whole does not.

The graph of the whole is the kernel's (tests/replay/test_fixture_logs.py). An edge of the rest that is called observed
or derived has to be one that the whole had at that moment.
"""

from __future__ import annotations

import gc
import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

import tracer
from tests.hostile.invariants import STRONG, check_graph
from tests.hostile.strange_events import recording
from tests.script import Script
from tracer.errors import CtraceError
from tracer.graph import ProcessGraph

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
PLAIN = ("double_fork/f.log", "clone_parent/stderr.log", "pidns_orphan_inside/qq.log")
SET = "double_fork/ff-tt.log"
EVER = (0, 10**9)

Steps = dict[tuple[int, int], list[tuple[int, int | None]]]
"""By tgid and serial: from which line on who was the parent."""


@pytest.fixture(autouse=True)
def _little_garbage() -> Iterator[None]:
    """A second pass collects garbage before it begins: not through all that the other tests have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def steps_of(graph: ProcessGraph) -> Steps:
    found: Steps = {}
    for process in graph.processes:
        moves = process.reparentings or []
        first = moves[0].old if moves else process.parent
        later = [(move.at, move.new and move.new.tgid) for move in moves]
        found[process.tgid, process.serial] = [(process.born_at, first and first.tgid), *later]
    return found


def between(steps: list[tuple[int, int | None]], first: int, last: int) -> set[int | None]:
    """The parents from one line to another."""
    before = [step for step in steps if step[0] <= first][-1:] or steps[:1]
    return {parent for _, parent in before} | {parent for at, parent in steps if first < at <= last}


def check(path: Path, whole: Steps, moment: tuple[int, int]) -> bool:
    """Whether anything could be read."""
    try:
        graph = tracer.replay(str(path))
    except CtraceError:
        return False
    check_graph(graph)
    for process in graph.live():
        parent = process.parent and process.parent.tgid
        if str(process.evidence) in STRONG and parent != 0:  # 0: the first task, which no line has named so far
            assert parent in between(whole[process.tgid, process.serial], *moment), f"{process.tgid}: {parent}"
    return True


def cuts(raw: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """All beginnings and all ends of a log, with the lines between which its last moment lies.

    Where no end of a task is shown so far, as with -qq, a call of exit counts as one: a line early.
    """
    last = raw.count(b"\n")
    for place in range(1, len(raw)):
        line = raw.count(b"\n", 0, place)
        yield raw[:place], (line, line + 2)
        yield raw[place:], (last, last)


@pytest.mark.parametrize("name", PLAIN)
def test_a_log(name: str, tmp_path: Path) -> None:
    raw = (LOGS / name).read_bytes()
    whole = steps_of(tracer.replay(str(LOGS / name)))
    path = tmp_path / "log"
    read = 0
    for piece, moment in cuts(raw):
        path.write_bytes(piece)
        read += check(path, whole, moment)
    assert read > len(raw)


def test_each_file_of_a_set(tmp_path: Path) -> None:
    whole = steps_of(tracer.replay(str(LOGS / SET)))
    folder = Path(shutil.copytree(LOGS / SET, tmp_path / "ff"))
    for path in folder.iterdir():
        raw = path.read_bytes()
        for piece, _ in cuts(raw):
            path.write_bytes(piece)
            check(folder, whole, EVER)
        path.write_bytes(raw)


def unpacked() -> bytes:
    """A recording: a subreaper inherits, and lives on."""
    s = Script(timed=True)
    s.attach(10, "sh")
    s.fork(10, 11)
    s.subreaper(11)
    s.fork(11, 12)
    s.fork(12, 13)
    s.exec(13, "/bin/app", "app", "-x")
    s.exit(12)
    s.reap(11, 12)
    return zstandard.ZstdDecompressor().decompressobj().decompress(recording(s.events))


@pytest.mark.parametrize("kind", ["recording", "packed recording", "gzip", "zstd"])
def test_what_is_packed_and_recordings(kind: str, tmp_path: Path) -> None:
    """Also with each byte left out, or another in its place."""
    packed = {
        "recording": unpacked,
        "packed recording": lambda: zstandard.ZstdCompressor(write_checksum=True).compress(unpacked()),
        "gzip": lambda: gzip.compress((LOGS / PLAIN[0]).read_bytes()),
        "zstd": lambda: zstandard.compress((LOGS / PLAIN[0]).read_bytes()),
    }
    raw = packed[kind]()
    path = tmp_path / "packed"
    path.write_bytes(raw)
    whole = steps_of(tracer.replay(str(path)))
    changed = kind != "recording"  # there a byte can make another event of one, which is as good as any
    for place in range(1, len(raw)):
        others = [raw[:place] + raw[place + 1 :], raw[:place] + bytes([raw[place] ^ 0x41]) + raw[place + 1 :]]
        for piece in [raw[:place], raw[place:], *(others if changed else ())]:
            path.write_bytes(piece)
            check(path, whole, EVER)
