"""Log text in, events out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.sources.detect import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from tracer.event import Event
    from tracer.sources.base import SourceStats


def read(path: Path | str) -> tuple[list[Event], SourceStats]:
    source = open_source([str(path)])
    events = [event for batch in source.batches() for event in batch]
    assert source.stats.events == len(events)
    return events, source.stats


def events_of(folder: Path, text: str | bytes) -> list[str]:
    """The events, short: class name and what matters, without place and time."""
    path = folder / "strace.log"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [short(event) for event in read(path)[0]]


def short(event: Event) -> str:
    fields = event._asdict()
    for name in ("at", "time", "start_time", "ns_pids", "cgroup", "parent", "sure"):
        fields.pop(name, None)
    shown = [f"{v}" if k in ("tid", "child") else f"{k}={v!r}" for k, v in fields.items() if v or k in ("tid", "child")]
    return f"{type(event).__name__}({', '.join(shown)})"
