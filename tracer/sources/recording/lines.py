"""Events as lines of JSON, and back: nothing that a line holds is trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from tracer import event
from tracer.event import Clone, Event, Exec, Exit, Reap
from tracer.life import ShortLife

TEXT_MAX = 1 << 18
"""Characters of all strings of an event together; longer arguments are cut by the writer."""

_PROGRAMS = 512
"""Programs whose JSON is kept: a machine runs few, and often."""

_NAMES: dict[type, str] = {kind: kind.__name__ for kind in event.KINDS}
_KINDS: dict[str, type] = {name: kind for kind, name in _NAMES.items()}
_encode = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_LIST_MAX = 1 << 16


def encode_event(one: Event) -> str:
    """One line, without its newline: `["Exit",17,2728319558949,26528,0]`. Pure ASCII."""
    in_short = _IN_SHORT.get(type(one))
    line = in_short(one) if in_short is not None else None
    if line is None:
        line = _encode((_NAMES[type(one)], *one))
    if len(line) > TEXT_MAX:
        line = _encode((_NAMES[type(one)], *_shortened(one)))
    return line


# The same lines for what happens most, in a quarter of the time; None for what is unusual.


def _clone_in_short(one: Clone) -> str | None:
    at, time, tid, child, flags, exit_signal, ns_child, matched, start, ns_pids, cgroup, parent, guessed, end = one
    if time is None or matched or ns_pids or guessed or end:
        return None
    return f'["Clone",{at},{time},{tid},{child},{flags},{exit_signal},{ns_child},"",{start},[],{cgroup},{parent}]'


def _exec_in_short(one: Exec) -> str | None:
    at, time, tid, old_tid, filename, argv, argv_cut = one
    return None if time is None else f'["Exec",{at},{time},{tid},{old_tid},{_program_text(filename, argv, argv_cut)}'


@lru_cache(_PROGRAMS)
def _program_text(filename: str, argv: tuple[str, ...], argv_cut: bool) -> str:
    return _encode((filename, argv, argv_cut))[1:]


def _exit_in_short(one: Exit) -> str | None:
    at, time, tid, status = one
    return None if time is None or status is None else f'["Exit",{at},{time},{tid},{status}]'


def _reap_in_short(one: Reap) -> str | None:
    at, time, tid, child, status = one
    return None if time is None or status is None else f'["Reap",{at},{time},{tid},{child},{status}]'


_IN_SHORT: dict[type, Callable[[Any], str | None]] = {
    Clone: _clone_in_short,
    Exec: _exec_in_short,
    Exit: _exit_in_short,
    Reap: _reap_in_short,
}


def encode_life(life: ShortLife) -> list[tuple[int, str]]:
    """`at` and line of each of its events: what encode_event() gives for them."""
    (
        at, time, tid, child, program, status, exec_at, exec_time, exit_at, exit_time, reap_at, reap_time,
        flags, exit_signal, start, cgroup, parent,
    ) = life  # fmt: skip
    lines = [
        (at, f'["Clone",{at},{time},{tid},{child},{flags},{exit_signal},0,"",{start},[],{cgroup},{parent}]'),
        (exit_at, f'["Exit",{exit_at},{exit_time},{child},{status}]'),
        (reap_at, f'["Reap",{reap_at},{reap_time},{tid},{child},{status}]'),
    ]
    if program is not None:
        lines.append((exec_at, f'["Exec",{exec_at},{exec_time},{child},{child},{_program_text(*program)}'))
    return lines


def _shortened(one: Event) -> Iterator[object]:
    """The fields, with long texts cut; an Exec then says that its argv is cut."""
    for name, value in zip(one._fields, one, strict=True):
        if isinstance(value, str):
            yield value[:4096]
        elif isinstance(value, tuple):
            yield [v[:512] if isinstance(v, str) else v for v in value[:32]]
        else:
            yield True if name == "argv_cut" else value


Check = Callable[[Any], Any]
"""Takes a decoded JSON value, gives the field's value; raises ValueError where it is of another kind."""


def _integer(value: Any) -> int:
    if type(value) is not int or not _INT_MIN <= value <= _INT_MAX:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _list_of(check: Check) -> Check:
    def checked(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or len(value) > _LIST_MAX:
            raise ValueError
        return tuple([check(v) for v in value])

    return checked


_PLAIN: dict[Any, Check] = {int: _integer, str: _text, bool: _boolean}


def _check_for(hint: Any) -> Check:
    """The check for a field of this type."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (part for part in get_args(hint) if part is not type(None))
        return _optional(_check_for(inner))
    return _list_of(_check_for(get_args(hint)[0]))


class _Layout(NamedTuple):
    """How the values of one kind of event are checked."""

    kind: type
    checks: tuple[Check, ...]
    required: int
    types: tuple[type, ...]
    """What JSON gives for each field where none is null: what a writer of this version writes nearly always."""
    lists: tuple[int, ...]
    """Places of the fields that are lists."""
    integers: Callable[[Sequence[Any]], tuple[int, ...]]
    """Picks the fields that are integers (there are always several)."""


def _layout(kind: Any) -> _Layout:
    hints = [get_type_hints(kind)[name] for name in kind._fields]
    types = tuple(map(_json_type, hints))
    places = {of: tuple(i for i, t in enumerate(types) if t is of) for of in (int, list)}
    required = len(hints) - len(kind._field_defaults)
    return _Layout(kind, tuple(map(_check_for, hints)), required, types, places[list], itemgetter(*places[int]))


def _json_type(hint: Any) -> type:
    if get_origin(hint) in (Union, UnionType):
        hint = get_args(hint)[0]
    return list if get_origin(hint) is tuple else hint


_LAYOUTS = {name: _layout(kind) for name, kind in _KINDS.items()}


class UnknownEventError(Exception):
    """A line of a kind that this version does not know: written by a later one."""


def decode_event(fields: Any) -> Event:
    """The event of one line of decoded JSON. Raises UnknownEventError, or ValueError where it is no event at all.

    Fields that a later version has added are left out; fields that an earlier one did not have get their default.
    """
    if type(fields) is not list or not fields or type(fields[0]) is not str:
        raise ValueError
    layout = _LAYOUTS.get(fields[0])
    if layout is None:
        raise UnknownEventError
    kind, checks, required, types, lists, integers = layout
    values = fields[1 : 1 + len(types)]
    decoded: Event
    if tuple(map(type, values)) == types:
        picked = integers(values)
        if min(picked) >= _INT_MIN and max(picked) <= _INT_MAX:
            for place in lists:
                values[place] = checks[place](values[place])
            decoded = tuple.__new__(kind, values)
            return decoded
    if len(values) < required:
        raise ValueError
    decoded = kind(*[check(value) for check, value in zip(checks, values, strict=False)])
    return decoded


def parse_lines(lines: Sequence[bytes]) -> Sequence[Any]:
    """The JSON value of each line; ValueError, where it is none, is given in its place.

    All lines at once where that works: that is three times as fast.
    """
    try:
        values: list[Any] = json.loads(b"[" + b",".join(lines) + b"]")
        if len(values) == len(lines):
            return values
    except (ValueError, RecursionError):
        pass
    return [_parse_line(line) for line in lines]


def _parse_line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return ValueError
