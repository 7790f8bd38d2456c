"""The proof: load the probes, fork a child that exits, and see both of its events."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from tracer.doctor.ask import NoAnswer, in_child
from tracer.doctor.report import Trial

if TYPE_CHECKING:
    from tracer.event import Event
    from tracer.sources.ebpf.source import EbpfSource

TIMEOUT = 40.0
"""Seconds for all of it: a busy machine with a cold disk may compile for long."""
PATIENCE = 5.0
"""Seconds for the two events to come."""
_CODE = 37
"""With which the child exits: no other one does."""

Choice = Literal["auto", "core", "bcc", "both"]


def attempts(choice: Choice) -> list[Trial]:
    """Try what would be used, or what is asked for."""
    if choice != "both":
        return [attempt(choice)]
    core, bcc = attempt("core"), attempt("bcc")
    return [replace(core, automatic=core.works), replace(bcc, automatic=bcc.works and not core.works)]


def attempt(loader: Literal["auto", "core", "bcc"]) -> Trial:
    """One trial, in a process of its own: a crash, or an endless compilation, is an answer like others."""
    automatic = loader == "auto"
    try:
        answer = in_child(lambda: _trace(loader), TIMEOUT)
    except NoAnswer as error:
        return Trial(loader, automatic, False, error=str(error))
    return Trial(automatic=automatic, **answer)


def _trace(loader: Literal["auto", "core", "bcc"]) -> dict[str, Any]:
    from tracer.errors import CtraceError
    from tracer.sources.ebpf.loader import load_probes
    from tracer.sources.ebpf.source import EbpfSource, Selection

    try:
        begin = time.monotonic()
        probes = load_probes(loader)
        loaded = time.monotonic()
        name = type(probes).__module__.rpartition(".")[2]
        with EbpfSource(probes=probes) as source:
            source.start(lambda _: Selection({os.getpid()}))
            started = time.monotonic()
            error = _fork_and_see(source)
            seen = time.monotonic()
    except CtraceError as problem:
        return {"loader": loader, "works": False, "error": problem.message, "hint": problem.hint}
    if error:
        return {"loader": name, "works": False, "error": error}
    return {
        "loader": name,
        "works": True,
        "load_ms": (loaded - begin) * 1000,
        "start_ms": (started - loaded) * 1000,
        "event_ms": (seen - started) * 1000,
    }


def _fork_and_see(source: EbpfSource) -> str:
    """'' when the child's birth and end were told as they were; else what was wrong."""
    child = os.fork()
    if child == 0:
        os._exit(_CODE)
    told: list[Event] = []
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            told += source.poll(0.1)
            lacking = _lacking(told, child)
            if not lacking:
                return ""
    finally:
        os.waitpid(child, 0)
    return f"loaded, but {lacking} within {PATIENCE:g} s ({len(told)} events came)"


def _lacking(told: list[Event], child: int) -> str:
    """What of the child has not been told yet."""
    from tracer.event import Clone, Exit

    births = [event for event in told if type(event) is Clone and event.child == child]
    ends = [event for event in told if type(event) is Exit and event.tid == child]
    if not births:
        return f"the birth of our child {child} was not seen"
    if not ends:
        return f"the end of our child {child} was not seen"
    if births[0].tid != os.getpid() or ends[0].status != _CODE << 8:
        return f"our child {child} was told wrongly"
    return ""
