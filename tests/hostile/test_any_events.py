"""Events in any order with any values, from a recording that anybody may have written."""

from __future__ import annotations

import json
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings

from tests.hostile.invariants import check_graph, check_tame
from tests.hostile.strange_events import any_event, any_events, damaged_recordings, recording
from tests.hostile.test_output_bytes import FORMATS, run_ctrace
from tracer import replay
from tracer.errors import CtraceError
from tracer.event import Event
from tracer.reconstruct.engine import Engine
from tracer.sources.recording import decode_event, encode_event


def _many(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )


@pytest.mark.xfail(
    raises=(AssertionError, BaseExceptionGroup),
    strict=False,
    reason="known gap, see docs/trust.md: events that no kernel sends can make a process its own ancestor",
)
@_many(300)
@given(any_events)
def test_the_engine_never_raises_nor_contradicts_itself(events: list[Event]) -> None:
    engine = Engine()
    engine.feed(events)
    graph = engine.finish()
    check_graph(graph)
    graph.to_networkx()


@_many(300)
@given(any_event)
def test_an_event_comes_back_from_its_line_as_it_was(one: Event) -> None:
    line = encode_event(one)
    assert line.isascii()
    assert "\n" not in line
    assert decode_event(json.loads(line)) == one


@_many(150)
@given(damaged_recordings())
def test_damaged_recordings(raw: bytes) -> None:
    with tempfile.NamedTemporaryFile(prefix="ctrace-hostile-") as file:
        file.write(raw)
        file.flush()
        try:
            graph = replay(file.name)
        except CtraceError:
            return
    check_graph(graph)


@pytest.mark.parametrize("options", FORMATS, ids=" ".join)
@_many(40)
@given(events=any_events)
def test_recordings_print_tame(options: list[str], events: list[Event]) -> None:
    with tempfile.NamedTemporaryFile(prefix="ctrace-hostile-") as file:
        file.write(recording(events))
        file.flush()
        code, output = run_ctrace(["replay", file.name, *options])
    assert code in (0, 1)
    check_tame(output)
    if code == 0 and options[-1] == "json":
        json.loads(output)
