"""One frame of the screen: as many rows as the terminal has, each as wide as it is, whatever is on them."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len

from tests.unit.live.memory import LiveMemory, there
from tests.unit.reconstruct.build import parse
from tracer.live.journal import Happened
from tracer.live.session import Session
from tracer.render.beside import Beside
from tracer.render.happened import WallClock
from tracer.render.lines import Line, Painter, Span
from tracer.render.live import Screen, Stream, live_view

STYLE = re.compile(r"\x1b\[[0-9;]*m")
EVENTS = "100 fork 101\n101 exec ls\n101 exit 0\n100 reap 101\n200 fork 201\n200 fork 202\n202 exit 9"
SIZES = [(100, 40), (100, 7), (20, 3), (7, 2), (1, 1), (300, 60)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=["colour", "plain", "ascii"])
def painter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Painter:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if request.param == "plain":
        monkeypatch.setenv("NO_COLOR", "1")
    return Painter(Terminal(), ascii_only=request.param == "ascii")


def screen(painter: Painter) -> Screen:
    """A small tree with wide and hostile names, and what happened in it."""
    shells = [there(100, 1, "漢字の名前" * 3), there(200, 1, "\x1b[2J\x1b[H\x9b[red]")]
    told: list[Happened] = []
    session = Session(LiveMemory([[there(1, 0), *shells], parse(EVENTS)]), tell=told.append)
    session.step(0)
    told.clear()
    session.step(0)
    stream = Stream(session.roles, session.names, WallClock())
    stream.muted = False
    for happened in told:
        stream.tell(happened)
    made = Screen(painter, stream, Beside(session.names, session.roles))
    made.head = [Line([Span("watching 漢字")]), Line([])]
    made.view = live_view(session.graph, session.roles, session.finished.count(session.graph.processes))
    return made


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_row_is_filled(painter: Painter, width: int, height: int) -> None:
    frame = screen(painter).draw(width, height)
    assert frame.startswith("\x1b[H")
    rows = [STYLE.sub("", row) for row in frame[3:].split("\r\n")]
    assert [cell_len(row) for row in rows] == [width] * height
    assert not any(c in row for row in rows for c in "\x1b\x9b\n\r")
    assert rows[0].startswith("watching" if width > 8 else "")


def test_what_is_shown(painter: Painter) -> None:
    text = STYLE.sub("", screen(painter).draw(100, 30))
    assert "(100)" in text
    assert "(201)  created by" in text
    assert "(101)  exited with 0" in text
    assert painter.ascii_only == text.isascii()


def test_no_colour_is_no_escape(painter: Painter) -> None:
    styled = STYLE.search(screen(painter).draw(100, 30)) is not None
    assert styled == (painter._codes is not None)


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (80, "j k scroll · v compares with /proc · q ends"),
        (43, "j k scroll · v compares with /proc · q ends"),
        (42, "v compares with /proc · q ends"),
        (29, "q ends"),
        (5, ""),
    ],
)
def test_the_keys_are_named_at_the_bottom(painter: Painter, width: int, said: str) -> None:
    made = screen(painter)
    made.hints = ("j k scroll", "v compares with /proc", "q ends")
    rows = STYLE.sub("", made.draw(width, 10)).split("\r\n")
    if said:
        assert rows[-1].rstrip() == painter.text(said)
    assert not any("q ends" in row for row in STYLE.sub("", made.draw(width, 7)).split("\r\n"))
