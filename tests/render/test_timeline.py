from __future__ import annotations

from tests.render.paint import check_snapshot, painted
from tests.script import SECOND, Script, pod
from tracer.render.timeline import happenings, timeline_lines
from tracer.render.times import show_time
from tracer.runtime.roles import Roles


def timeline(script: Script, width: int | None = None) -> str:
    graph = script.graph()
    midnight = script.info.midnight
    return painted(timeline_lines(graph.processes, Roles(graph), midnight=midnight, width=width or 100), width=width)


def test_pod() -> None:
    check_snapshot("pod-timeline.txt", timeline(pod(timed=True)))
    check_snapshot("pod-timeline-100.txt", timeline(pod(), 100))


def test_in_the_order_of_the_trace() -> None:
    graph = pod().graph()
    everything = list(happenings(graph.processes))
    places = [happening.at for happening in everything]
    assert places == sorted(places)
    assert everything == sorted(everything, key=lambda happening: happening[:4])
    (adopted,) = [h for h in everything if h.process.tgid == 304 and h.at == 38]
    (exited,) = [h for h in everything if h.process.tgid == 300 and h.at == 38]
    assert everything.index(exited) < everything.index(adopted)


def test_names_are_those_of_the_moment() -> None:
    lines = timeline(pod()).splitlines()
    assert any("runc init (304)  adopted from runc create (300), which exited" in line for line in lines)
    assert any("pause (304)  runs /pause" in line for line in lines)


def test_times() -> None:
    assert show_time((5 * 3600 + 17 * 60 + 35) * SECOND + 33_443_000, 0) == "05:17:35.033443"
    assert show_time(25 * 3600 * SECOND, 0) == "+1d 01:00:00.000000"
    assert show_time(1_130_322_148_939_977_000, None) == "1130322148.939977"
    assert show_time(1_500_000_000, None) == "1.500000"
    assert show_time(1_500_000_000, -3600 * SECOND) == "01:00:01.500000"


def test_long_times_stand_in_a_column_of_their_own() -> None:
    script = pod(timed=True)
    graph = script.graph()
    unix = 1_700_000_000 * SECOND
    for process in graph.processes:
        process.born_time = None if process.born_time is None else process.born_time + unix
    lines = painted(timeline_lines(graph.processes, Roles(graph), midnight=None, width=120)).splitlines()
    timed = [line.split()[1:3] for line in lines if "created by" in line]
    assert all(time.startswith("1700") and time[-7] == "." and time[-6:].isdigit() for time, _ in timed)
    assert timed


def test_reasons_have_a_line_of_their_own() -> None:
    graph = pod().graph()
    lines = painted(timeline_lines(graph.processes, Roles(graph), midnight=None, width=100, reasons=True)).splitlines()
    adopted = next(i for i, line in enumerate(lines) if line.endswith("  assumed"))
    assert "→ init (1)" in lines[adopted]
    assert lines[adopted + 1].strip() == "no living subreaper was seen above 210"


def test_nothing() -> None:
    assert timeline(Script()) == ""
