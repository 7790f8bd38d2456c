"""Times of day, Unix times and time differences, as strace prints them, to ns that only grow."""

from __future__ import annotations

from collections.abc import Callable

from tracer.sources.strace.lines.style import Style

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND

ToNs = Callable[[bytes], int | None]


def make_clock(style: Style) -> ToNs:
    """A function from the text of one line's time to ns; call it in the order of the lines.

    b'' gives None, and so does a time of another kind than the log's.

    With `-r` alone it has to be called for *every* line, since each time counts from the line before.
    """
    if style.clock == "day":
        return _day()
    if style.clock == "epoch":
        return _decimal
    if style.clock == "start":
        return _sum()
    return lambda _text: None


def first_time(sample: bytes, style: Style) -> int | None:
    """The time of the first line."""
    row = style.rows.match(sample)
    return make_clock(style)(row[2] or b"") if row is not None else None


def _day() -> ToNs:
    last = b""
    base = 0
    days = 0

    def ns(text: bytes) -> int | None:
        nonlocal last, base, days
        second = text[:8]
        if second == last and len(text) == 15:  # -tt, as most logs have it
            return base + int(text[9:]) * 1000
        if second != last:
            if text[2:3] != b":":  # none, or damaged: another way to write times in the same log
                return None
            last = second
            before = base
            base = days + (int(text[:2]) * 3600 + int(text[3:5]) * 60 + int(text[6:8])) * _SECOND
            if base < before - _DAY // 2:  # midnight; a clock that was set back a little stays where it is
                days += _DAY
                base += _DAY
        return base + _fraction(text[9:])

    return ns


def _decimal(text: bytes) -> int | None:
    if not text:
        return None
    whole, _, fraction = text.partition(b".")
    try:
        return int(whole) * _SECOND + _fraction(fraction)
    except ValueError:  # damaged: another way to write times in the same log
        return None


def _sum() -> ToNs:
    now = 0

    def ns(text: bytes) -> int | None:
        nonlocal now
        now += _decimal(text.strip()) or 0
        return now

    return ns


def _fraction(digits: bytes) -> int:
    return int(digits[:9].ljust(9, b"0")) if digits else 0
