"""Short lives that are not built: what is written and what is left is as if they had been."""

from __future__ import annotations

import io
from typing import Any

import pytest
import zstandard

from tests.unit.live.memory import LiveMemory
from tests.unit.sources.random_records import ROOT, Machine, with_losses
from tracer.cli.watch_outputs import JsonlOutput, LinesOutput
from tracer.event import Event
from tracer.graph import Process
from tracer.life import ShortLife
from tracer.live.lives import Untold
from tracer.live.session import Session
from tracer.live.start import Scope
from tracer.sources.ebpf.lives import Condenser
from tracer.sources.recording import Header, RecordingWriter

BATCH = 150
"""Records."""


class Records(LiveMemory):
    """A source that decodes them, a batch at each poll."""

    def __init__(self, seed: int, steps: int, *, losses: bool = False) -> None:
        super().__init__([])
        self._decoder = Condenser(lambda _tgid, _start: None, lambda _tgid, _start: False)
        Machine.know(self._decoder)
        records = Machine(seed).run(steps)
        records = with_losses(records, seed) if losses else records
        self._batches = iter([records[i : i + BATCH] for i in range(0, len(records), BATCH)])  # type: ignore[assignment]

    def poll(self, timeout: float) -> list[Event]:
        events = self._decoder.decode(next(self._batches, []))  # type: ignore[arg-type]
        self.stats.events = self._decoder.at
        return events

    def poll_lives(self, timeout: float) -> list[Event | ShortLife]:
        items = self._decoder.condense(next(self._batches, []))  # type: ignore[arg-type]
        self.stats.events = self._decoder.at
        return items


class Nothing(Scope):
    """Of the processes that the target named only those with one name are left."""

    def __init__(self, named: str = "") -> None:
        super().__init__(None)
        self._named = named

    def is_root(self, process: Process | None) -> bool:
        return process is not None and process.comm == self._named


def watched(
    seed: int, *, lives: bool, steps: int = 2000, named: str = "", jsonl: bool = False, losses: bool = False
) -> tuple[str, dict[str, Any]]:
    """The lines, and what is left at the end."""
    out = io.StringIO()
    output: LinesOutput | JsonlOutput = JsonlOutput("this", out, threads=False)
    if not jsonl:
        output = LinesOutput("this", out, width=None, ascii_only=False, threads=False)
    session = Session(Records(seed, steps, losses=losses), tell=output.tell, lives=output if lives else None)
    session.feed([*Machine.snapshot()])
    output.begin(session, Nothing(named))
    if isinstance(output, JsonlOutput):
        output._writer._offset = 0
    else:
        output._clock.epoch_offset = 0
    out.truncate(out.seek(0))  # the first line has the offset
    while session.step(0):
        output.tick(session, changed=True)
    finished = session.finished.count(session.graph.processes)
    living = {p.tgid: (p.comm, p.state, p.parent.tgid if p.parent else 0, p.evidence) for p in session.graph.live()}
    counts = {p.tgid if p else 0: (dict(sorted(f.kinds.items())), f.below) for p, f in finished.items()}
    left = {"seen": session.seen, "living": living, "finished": counts, "built": len(session.graph.processes)}
    return out.getvalue(), left


@pytest.mark.parametrize("losses", [False, True])
@pytest.mark.parametrize("jsonl", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_the_same_lines_and_the_same_tree(
    seed: int, jsonl: bool, losses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    lines, left = watched(seed, lives=False, jsonl=jsonl, losses=losses)
    fewer_lines, fewer_left = watched(seed, lives=True, jsonl=jsonl, losses=losses)
    assert fewer_lines.splitlines() == lines.splitlines()
    assert fewer_left.pop("built") <= left.pop("built")
    assert fewer_left == left


@pytest.mark.parametrize("jsonl", [False, True])
def test_lives_like_those_before_are_not_built(jsonl: bool) -> None:
    built = [sum(watched(seed, lives=lives, jsonl=jsonl)[1]["built"] for seed in range(10)) for lives in (False, True)]
    assert built[1] < built[0] - 250


def test_the_end_of_who_was_named_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for lives in (False, True):
        watched(1, lives=lives, named="make")
        said.append(capsys.readouterr().err)
    assert said[0].count("make (") > 20
    assert said[1] == said[0]


def recorded(seed: int, *, lives: bool) -> tuple[list[bytes], dict[int, tuple[object, ...]], int]:
    """The recording's lines, who is left, and how many processes were built."""
    file = io.BytesIO()
    writer = RecordingWriter(file, Header("ctrace.recording/1", "boot", 0, "", "", "", "", ""))
    session = Session(Records(seed, 2000), recorder=writer, lives=Untold() if lives else None)
    session.feed([*Machine.snapshot()])
    while session.step(0):
        pass
    writer.close()
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(file.getvalue()).splitlines()
    left = {p.tgid: (p.comm, p.state, p.parent and p.parent.tgid, p.evidence) for p in session.graph.live()}
    return lines, left, len(session.graph.processes)


@pytest.mark.parametrize("seed", range(30))
def test_the_same_recording(seed: int) -> None:
    lines, left, built = recorded(seed, lives=False)
    same_lines, same_left, fewer_built = recorded(seed, lives=True)
    assert len(lines) > 1000
    assert same_lines == lines
    assert same_left == left
    assert fewer_built <= built


def test_what_is_told_last_is_built() -> None:
    """The screen tells no lives: it has the last changes of a batch with their processes."""
    told: list[int] = []

    class Screen:
        def learn(self, process: Process) -> tuple[str, ...]:
            return ()

        def tell_life(self, life: ShortLife, words: tuple[str, ...]) -> None:
            raise AssertionError("not asked for")

    source = Records(5, 2000)
    session = Session(source, tell=lambda h: told.append(h.at), tell_last=20, lives=Screen())
    session.feed([*Machine.snapshot()])
    while session.step(0):
        assert source.stats.events - told[-1] <= 3
    _, left = watched(5, lives=False)
    assert session.seen == left["seen"]
    assert {p.tgid for p in session.graph.live()} == left["living"].keys()
    assert ROOT in left["living"]
