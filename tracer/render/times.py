"""Moments of a trace as people read them, by the clock of the source (SourceInfo.clock)."""

from __future__ import annotations

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND


def show_time(time: int, clock: str | None) -> str:
    """`05:17:35.033443` on a clock of the day, seconds on any other; `time` in ns."""
    if clock != "day":
        sign = "-" if time < 0 else ""
        return f"{sign}{abs(time) // _SECOND}.{abs(time) % _SECOND // 1000:06d}"
    days, rest = divmod(time, _DAY)
    seconds, fraction = divmod(rest, _SECOND)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction // 1000:06d}"
    return f"+{days}d {text}" if days else text
