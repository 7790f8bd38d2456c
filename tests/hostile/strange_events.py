"""Hypothesis strategies for events and recordings: any values of the right types, tids that meet, and damaged files."""

# ruff: noqa: E501
from __future__ import annotations

import json
from collections.abc import Callable
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import zstandard
from hypothesis import strategies as st

from tests.hostile.strange_logs import NASTY
from tracer import event
from tracer.event import CLONE_NEWPID, CLONE_PARENT, CLONE_THREAD, CLONE_VFORK, CLONE_VM, Event
from tracer.sources.recording import Header, encode_event

_TASKS = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8])
_TEXT = st.one_of(st.sampled_from(NASTY), st.text(max_size=8))
_SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("tid", "child", "tgid", "ppid", "old_tid", "other", "parent", "ns_child"), _TASKS),
    "flags": st.sampled_from([0, 0, CLONE_VM | CLONE_VFORK, CLONE_THREAD | CLONE_VM, CLONE_PARENT, CLONE_NEWPID, 2**40]),
    "at": st.integers(0, 100),
    "count": st.integers(0, 2**40),
    "start_time": st.sampled_from([0, 0, 10**9, 2 * 10**9, -1]),
    "ns_pids": st.sampled_from([(), (), (1,), (5, 1), (2,)]),
    "ns_id": st.sampled_from([0, 1, 2]),
    "pid_ns": st.sampled_from([0, 1, 2]),
    "status": st.one_of(st.none(), st.integers(-5, 70000)),
    "matched": st.sampled_from(["", "", "x", "\x1b[2J"]),
}  # fmt: skip


def _value(name: str, hint: Any) -> st.SearchStrategy[Any]:
    if name in _SPECIAL:
        return _SPECIAL[name]
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.one_of(st.integers(-1, 200), st.integers(-(2**63), 2**64 - 1))
    if hint is str:
        return _TEXT
    if get_origin(hint) in (Union, UnionType):
        inner = next(part for part in get_args(hint) if part is not type(None))
        return st.one_of(st.none(), _value("", inner))
    return st.lists(_value("", get_args(hint)[0]), max_size=4).map(tuple)


def _events_of(kind: Any) -> st.SearchStrategy[Event]:
    hints = get_type_hints(kind)
    make: Callable[..., Event] = kind
    return st.builds(make, **{name: _value(name, hints[name]) for name in kind._fields})


_HEADER = json.dumps(
    Header("ctrace.recording/1", "boot", 1_700_000_000 * 10**9, "host", "6.1", "", "0.1.0", "test")._asdict(),
    separators=(",", ":"),
)

any_event: st.SearchStrategy[Event] = st.one_of([_events_of(kind) for kind in event.KINDS])
_tree = st.one_of(
    [_events_of(k) for k in (event.Clone, event.Clone, event.Exit, event.Exec, event.Reap, event.Snapshot)]
)
any_events = st.lists(st.one_of(_tree, any_event), max_size=40)


def recording(events: list[Event]) -> bytes:
    """What `ctrace record` would write."""
    lines = [_HEADER, *map(encode_event, events)]
    return zstandard.ZstdCompressor().compress(("\n".join(lines) + "\n").encode())


_junk_line = st.one_of(
    st.sampled_from(
        [b"", b"[]", b"{}", b"null", b'["Exit"]', b'["Exit",1,2,3,4,5,6,7]', b'["Nope",1]', b'["Exit",1e400,1,1,1]',
         b'["Clone"' + b",1" * 12 + b"]", b"[" * 5000, b'["Exit",true,false,null,"x"]', b"1,2", b'["a"', b'"b"]', b"\xff\xfe",
         b'["Exec",1,1,1,1,"\\ud800",["\\u0000"],false]', b'["Exit",1,1,' + b"9" * 5000 + b",0]", b"NaN", b'["Exit",NaN,1,1,1]']
    ),
    st.binary(max_size=30),
)  # fmt: skip


@st.composite
def damaged_recordings(draw: st.DrawFn) -> bytes:
    """A recording with strange lines in it, then with strange bytes, then cut."""
    header = _HEADER.encode()
    lines = [encode_event(e).encode() for e in draw(any_events)]
    for line in draw(st.lists(_junk_line, max_size=5)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    raw = b"\n".join([header, *lines]) + b"\n"
    packed = zstandard.ZstdCompressor().compress(raw) if draw(st.booleans()) else raw
    damage = draw(st.integers(0, 3))
    if damage == 1:
        packed = packed[: draw(st.integers(0, len(packed)))]
    if damage == 2:
        place = draw(st.integers(0, len(packed)))
        packed = packed[:place] + draw(st.binary(min_size=1, max_size=5)) + packed[place + draw(st.integers(0, 5)) :]
    return packed
