"""Where there is little room, an adoption keeps what matters most: who the new parent is."""

from __future__ import annotations

import re

import pytest

from tests.render.paint import painted, tree
from tests.script import Script, pod
from tracer.graph import Process, ProcessGraph, Reparenting
from tracer.live.journal import ADOPTED, Happened
from tracer.render.happened import WallClock, happened_line
from tracer.render.lines import Line, Span, layout
from tracer.render.timeline import timeline_lines
from tracer.runtime.containers import ContainerName, Names
from tracer.runtime.roles import Roles

WIDTHS = [70, 80, 90, 100, 110, 140, 200]


def adopted(graph: ProcessGraph, tgid: int) -> tuple[Process, Reparenting]:
    (process,) = graph.find(tgid)
    assert process.reparentings
    return process, process.reparentings[0]


class Known(Names):
    """Every process is of one container."""

    def of(self, process: Process) -> ContainerName:
        return ContainerName(id="c" * 12, pod="web", pod_namespace="default", name="app")


@pytest.mark.parametrize("width", WIDTHS)
def test_lineage(width: int) -> None:
    lines = [line for line in tree(pod().graph(), "lineage", width=width).splitlines() if "↻" in line]
    assert len(lines) == 3
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    assert sum("the shim (220)" in line or "containerd-shim-runc-v2 (220)" in line for line in lines) == 2
    assert all(line.endswith(("  derived", "  assumed")) for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("timed", [False, True])
def test_timeline(width: int, timed: bool) -> None:
    script = pod(timed=timed)
    graph = script.graph()
    shown = timeline_lines(graph.processes, Roles(graph), midnight=script.info.midnight, width=width)
    lines = [line for line in painted(shown, width=width).splitlines() if "adopted" in line and "init (" in line]
    assert len([line for line in lines if "runc init (" in line]) == 2
    assert all("the shim (220)" in line or "containerd-shim-runc-v2 (220)" in line for line in lines if "runc" in line)


@pytest.mark.parametrize("width", WIDTHS)
def test_watch(width: int) -> None:
    graph = pod().graph()
    process, change = adopted(graph, 304)
    event = Happened(ADOPTED, change.at, 10**9, process, change)
    line = painted([happened_line(event, Roles(graph), WallClock(), width=width, names=Known())], width=width)
    assert "the shim (220)" in line or "containerd-shim-runc-v2 (220)" in line
    assert len(line.rstrip("\n")) <= width
    if width >= 80:
        assert line.endswith("  default/web app\n")


def test_as_much_as_fits_is_said() -> None:
    graph = pod().graph()
    process, change = adopted(graph, 304)
    event = Happened(ADOPTED, change.at, 10**9, process, change)
    said = {}
    for width in (90, 115, 130, 150):
        line = happened_line(event, Roles(graph), WallClock(), width=width, names=Known())
        said[width] = painted([line], width=width).split("(304)  ")[1].split("  ")[0]
    assert said == {
        90: "adopted by the shim (220)",
        115: "adopted from runc create (300) → nearest subreaper, the shim (220)",
        130: "adopted from runc create (300), which exited → nearest subreaper, the shim (220)",
        150: "adopted from runc create (300), which exited → nearest subreaper, containerd-shim-runc-v2 (220)",
    }


def test_a_new_parent_nobody_knows() -> None:
    graph = Script().graph()
    old = pod().graph().find(300)[0]
    change = Reparenting(1, None, old, None, "", "exit of 300", old.evidence, "")
    line = happened_line(Happened(ADOPTED, 1, 0, old, change), Roles(graph), WallClock(), width=80)
    assert line.shorter == []
    assert "nobody knows whom" in line.left[-1].text


def test_the_shortest_text_comes_before_the_notes() -> None:
    line = Line([Span("1234 "), Span("a long text", "bad")], [Span("note")], 0, ["short", "s"])
    said = {limit: "".join(span.text for span in layout(line, limit)) for limit in (None, 22, 21, 16, 15, 12, 11, 6, 5)}
    assert said == {
        None: "1234 a long text  note",
        22: "1234 a long text  note",
        21: "1234 short  note",
        16: "1234 short  note",
        15: "1234 s  note",
        12: "1234 s  note",
        11: "1234 s  no…",
        6: "1234 …",
        5: "1234…",
    }


def test_a_process_keeps_its_name_and_number_before_its_notes() -> None:
    """And an edge that is less than sure is never shown as if it were."""
    wide = tree(pod().graph(), "lineage", width=140).splitlines()
    narrow = tree(pod().graph(), "lineage", width=44).splitlines()
    names = [re.findall(r"[\w:. -]+ \(\d+\)", line)[0].strip() for line in wide if "↻" not in line and "(" in line]
    assert len(names) > 8
    assert max(map(len, narrow)) <= 44
    for name in names:
        assert any(name in line for line in narrow), name
    weak = Line(
        [Span("n" * 30)],
        [Span("exited with 0"), Span(", "), Span("inferred", "inferred")],
        32,
        least=[Span("inferred")],
    )
    assert "".join(span.text for span in layout(weak, 40)) == "n" * 30 + "  inferred"
    assert "".join(span.text for span in layout(weak, 38)) == "n" * 27 + "…  inferred"
    note = Line([Span("n" * 30)], [Span("exited with 0")], 32, least=[])
    assert "".join(span.text for span in layout(note, 40)) == "n" * 30 + "  exited …"
    assert "".join(span.text for span in layout(note, 39)) == "n" * 30


def test_on_a_wide_screen_notes_stay_near() -> None:
    shown = tree(pod().graph(), "now", width=250).splitlines()
    assert max(map(len, shown)) < 130
