"""Moments of a trace as people read them, by the clock of the source (SourceInfo.midnight)."""

from __future__ import annotations

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND


def show_time(time: int, midnight: int | None) -> str:
    """`05:17:35.033443` since that midnight, else seconds; all in ns."""
    if midnight is None:
        sign = "-" if time < 0 else ""
        return f"{sign}{abs(time) // _SECOND}.{abs(time) % _SECOND // 1000:06d}"
    days, rest = divmod(time - midnight, _DAY)
    seconds, fraction = divmod(rest, _SECOND)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction // 1000:06d}"
    return f"+{days}d {text}" if days else text
