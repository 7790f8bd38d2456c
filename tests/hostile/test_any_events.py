"""Events in any order with any values, from a recording that anybody may have written."""

from __future__ import annotations

import json
import tempfile

import pytest
from hypothesis import given

from tests.hostile.examples import many
from tests.hostile.invariants import check_graph, check_tame
from tests.hostile.strange_events import any_event, any_events, recording
from tests.hostile.test_output_bytes import FORMATS, run_ctrace
from tracer.event import CLONE_THREAD, SIGCHLD, Clone, Event, Exec, Exit, Snapshot
from tracer.reconstruct.engine import Engine
from tracer.sources.recording import decode_event, encode_event


@many(300)
@given(any_events)
def test_the_engine_never_raises_nor_contradicts_itself(events: list[Event]) -> None:
    engine = Engine()
    engine.feed(events)
    graph = engine.finish()
    check_graph(graph)
    graph.to_networkx()


def test_nobody_creates_the_init_of_the_tracers_own_namespace() -> None:
    """PID 1 adopted 2; a creation of PID 1 by 2 would close the circle."""
    engine = Engine()
    engine.feed([_clone(10, 11), _clone(11, 2), Exit(3, None, 11, 0), _clone(2, 1)])
    graph = engine.finish()
    check_graph(graph)
    assert {p.tgid: p.parent and p.parent.tgid for p in graph.live()} == {10: None, 11: 10, 2: 1, 1: None}


def test_a_matched_thread_that_calls_exec_as_itself_is_a_process() -> None:
    engine = Engine()
    thread = _clone(10, 12)._replace(flags=CLONE_THREAD, matched="the only new task")
    engine.feed([_clone(10, 11), thread, _clone(12, 13), Exec(4, None, 12, 12, "/bin/a", ("a",), False)])
    graph = engine.finish()
    check_graph(graph)
    assert {p.tgid: p.parent and p.parent.tgid for p in graph.live()} == {10: None, 11: 10, 12: None, 13: 12}
    (stranger,) = graph.find(12)
    assert stranger.evidence == "unknown"


def test_no_exec_goes_on_under_the_number_of_a_zombie() -> None:
    engine = Engine()
    engine.feed([_clone(9, 10), _clone(9, 11), Exit(2, None, 10, 0), _clone(11, 12)])
    engine.feed([Exec(4, None, 10, 11, "/bin/a", ("a",), False)])
    graph = engine.finish()
    check_graph(graph)
    assert [(p.tgid, p.parent and p.parent.tgid, p.comm) for p in graph.live() if p.tgid > 10] == [
        (11, 9, "a"),
        (12, 11, ""),
    ]


def test_a_zombie_of_proc_has_lost_its_children() -> None:
    engine = Engine()
    zombie = Snapshot(3, None, 11, 11, 10, "a", "", (), 0, True, (), "", None)
    engine.feed([_clone(10, 11), _clone(11, 12), zombie])
    graph = engine.finish()
    check_graph(graph)
    (orphan,) = graph.find(12)
    assert orphan.parent is not None
    assert orphan.parent.tgid == 1


def _clone(creator: int, child: int) -> Clone:
    return Clone(1, None, creator, child, 0, SIGCHLD)


@many(300)
@given(any_event)
def test_an_event_comes_back_from_its_line_as_it_was(one: Event) -> None:
    line = encode_event(one)
    assert line.isascii()
    assert "\n" not in line
    assert decode_event(json.loads(line)) == one


@pytest.mark.parametrize("options", FORMATS, ids=" ".join)
@many(40)
@given(events=any_events)
def test_recordings_print_tame(options: list[str], events: list[Event]) -> None:
    with tempfile.NamedTemporaryFile(prefix="ctrace-hostile-") as file:
        file.write(recording(events))
        file.flush()
        code, output = run_ctrace(["replay", file.name, *options])
    assert code == 0, output
    check_tame(output)
    if options[-1] == "json":
        json.loads(output)
