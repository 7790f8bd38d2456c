"""Names come from attackers: whatever they hold, no output has a control character that was not ours."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.render.paint import painted, tree
from tests.script import Script
from tracer.graph import ProcessGraph
from tracer.render.dot import write_dot
from tracer.render.json import document_head, write_json
from tracer.render.lines import Line, Painter, Span
from tracer.render.timeline import timeline_lines
from tracer.runtime.roles import Roles

HOSTILE = [
    "sh[/x]",
    ":smile:",
    "[bold red]x",
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "a\nb\r",
    "\u202etxt.exe",
    "\udc9b\ud800",
    '"]; evil [label="',
    "\\",
]
OURS = re.compile(r"\x1b\[[0-9;]*m")


def graph_with(name: str) -> ProcessGraph:
    s = Script()
    s.attach(10, name)
    s.fork(10, 11)
    s.exec(11, "/bin/" + name, name, name + name)
    s.fork(11, 12)
    s.rename(12, name)
    s.exit(12)
    s.reap(11, 12)
    s.fork(11, 13)
    s.exit(11)
    return s.graph()


def as_tree(graph: ProcessGraph) -> str:
    return tree(graph, threads=True, reasons=True)


def as_lineage(graph: ProcessGraph) -> str:
    return tree(graph, "lineage", width=None)


def as_timeline(graph: ProcessGraph) -> str:
    return painted(timeline_lines(graph.processes, Roles(graph), midnight=None, width=100), width=None)


def as_dot(graph: ProcessGraph) -> str:
    out = io.StringIO()
    write_dot(out, graph.processes, Roles(graph))
    return out.getvalue()


def as_json(graph: ProcessGraph) -> str:
    source = Script()
    source.info.path = "a\x1b\udcff"
    out = io.StringIO()
    write_json(out, document_head(graph, source.info, source.stats), graph.processes, Roles(graph))
    json.loads(out.getvalue())
    return out.getvalue()


@pytest.mark.parametrize("write", [as_tree, as_lineage, as_timeline, as_dot, as_json])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_output_lets_it_through(write: Callable[[ProcessGraph], str], name: str) -> None:
    text = write(graph_with(name))
    text.encode("utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    if name.isprintable() and write in (as_tree, as_lineage, as_timeline):
        assert name in text


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_no_name_at_all_gets_through(name: str) -> None:
    for write in (as_tree, as_lineage, as_timeline, as_dot, as_json):
        assert all(line.isprintable() for line in write(graph_with(name)).split("\n"))


@pytest.mark.parametrize("name", HOSTILE)
def test_with_colours_only_our_own_sequences_are_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = io.StringIO()
    Painter(out, width=100, ascii_only=False).paint([Line([Span(name, "zombie")], [Span(name, "inferred")], 30)])
    assert "\x1b[" in out.getvalue()
    assert OURS.sub("", out.getvalue()).rstrip("\n").isprintable()


def test_dot_strings_cannot_be_left() -> None:
    text = as_dot(graph_with('"]; evil [label="'))
    for line in text.splitlines():
        assert len(re.findall(r'(?<!\\)"', line.replace("\\\\", ""))) % 2 == 0
