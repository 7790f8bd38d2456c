"""Lines of `ctrace watch` in a hurry: the short ways say what the long ones say."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tracer.event import Clone, Event, Exec, Exit, Lost, Reap, Rename, Snapshot
from tracer.live.journal import Happened, Journal
from tracer.reconstruct.engine import Engine
from tracer.render.happened import WallClock, happened_line, happened_text
from tracer.render.jsonl_events import EventWriter
from tracer.render.lines import Painter
from tracer.runtime.containers import Names
from tracer.runtime.roles import Roles
from tracer.sources.detect import open_source

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
SIGCHLD = 17


def fixture_events() -> list[list[Event]]:
    """Of every log that is there as one file."""
    logs = sorted(path for path in LOGS.glob("*/*.log") if path.is_file())
    return [[event for batch in open_source([str(log)]).batches() for event in batch] for log in logs]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_line_is_the_same_in_both_ways(ascii_only: bool) -> None:
    painter = Painter(io.StringIO(), ascii_only=ascii_only)
    assert painter.plain
    told = 0
    for events in fixture_events():
        engine, clock = Engine(), WallClock()
        roles, names = Roles(engine.graph), Names()

        def tell(happened: Happened, roles: Roles = roles, names: Names = names, clock: WallClock = clock) -> None:
            nonlocal told
            told += 1
            line = happened_line(happened, roles, clock, width=painter.width, names=names)
            text = happened_text(happened, roles, clock, painter.text, width=painter.width, names=names)
            assert text == painter.render(line)

        Journal(engine, tell).feed([*events, Lost(10**9, None, 0, 1234)], [])
    assert told > 1000


def test_what_was_said_of_one_is_not_said_of_another() -> None:
    """Texts are kept by what they say; each of these differs from the one before in one thing only."""
    out = io.StringIO()
    engine = Engine()
    writer = EventWriter(out, Roles(engine.graph), Names(), 0)
    hostile = 'a"b\\\x1b[1m\u202e\udcff😀'
    events: list[Event] = [
        Snapshot(1, 5, 7, 7, 0, "sh", "/bin/sh", ("sh",), 3, False, (), ""),
        Clone(2, 6, 7, 8, 0, SIGCHLD, start_time=6),
        Exec(3, 7, 8, 8, "/bin/x", (hostile,), False),
        Exec(4, None, 8, 8, "/bin/x", (hostile,), True),
        Exec(5, 8, 8, 8, "/bin/x", (hostile, ""), True),
        Rename(6, 9, 8, hostile),
        Exit(7, 10, 8, 0x89),
        Reap(8, 11, 7, 8, 0x89),
        Clone(9, 12, 7, 9, 0, SIGCHLD, start_time=12, ns_pids=(3, 1)),
        Exit(10, 13, 9, 9),
        Lost(11, None, 0, 5),
    ]
    Journal(engine, lambda happened: writer.write([writer.line(happened)])).feed(events, [])
    assert out.getvalue().isascii()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    by_at = {line["at"]: line for line in lines}
    clean = 'a"b\\\x1b[1m\u202e\\xff😀'
    assert by_at[3]["argv"] == [clean]
    assert by_at[3]["argv_cut"] is False
    assert by_at[4]["argv"] == [clean]
    assert by_at[4]["argv_cut"] is True
    assert by_at[4]["utc"] is None
    assert by_at[5]["argv"] == [clean, ""]
    assert (by_at[6]["comm"], by_at[6]["from"]) == (clean, "x")
    assert by_at[7]["exit"] == {"signal": "SIGKILL", "core": True}
    assert by_at[8]["event"] == "reaped"
    assert "exit" not in by_at[8]
    assert by_at[9]["ns_pids"] == [3, 1]
    assert (by_at[9]["creator"], by_at[9]["creator_pid"]) == (7, 7)
    assert by_at[10]["exit"] == {"signal": "SIGKILL", "core": False}
    assert by_at[11] == {"event": "lost", "at": 11, "time": None, "utc": None, "count": 5}
