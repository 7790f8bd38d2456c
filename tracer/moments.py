"""A place in a trace as people write it: `--at LINE|TIME`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracer.errors import UsageError
from tracer.identity import Moment

if TYPE_CHECKING:
    from tracer.sources.base import SourceInfo

_SECOND = 1_000_000_000
_CLOCK = re.compile(r"(?:\+(\d+)d ?)?(\d{1,2}):([0-5]\d):([0-5]\d)(?:[.,](\d{1,9}))?", re.ASCII)
_SECONDS = re.compile(r"(\d+)\.(\d{0,9})", re.ASCII)
_FORMS = "Give a line number (120), a time of day (05:17:35.5) or seconds with a dot (1130322148.9)."


def parse_moment(text: str) -> Moment:
    """A line for `120`; a time for `05:17:35.5`, `+1d 05:17:35`, or seconds with a dot: `1130322148.9`.

    Raises UsageError for anything else.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return Moment(line=int(text))
    match = _CLOCK.fullmatch(text)
    if match:
        days, hours, minutes, seconds, fraction = match.groups()
        whole = ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)
        return Moment(time=whole * _SECOND + _nanoseconds(fraction))
    match = _SECONDS.fullmatch(text)
    if match:
        return Moment(time=int(match[1]) * _SECOND + _nanoseconds(match[2]))
    raise UsageError(f"{text}: neither a line number nor a time", _FORMS)


def on_clock(moment: Moment, text: str, info: SourceInfo) -> Moment:
    """A time of day by the clock of a trace that counts from elsewhere: a recording's, from boot."""
    if moment.time is None or ":" not in text or info.midnight is None:
        return moment
    return Moment(time=moment.time + info.midnight)


def check_clock(moment: Moment, text: str, info: SourceInfo) -> None:
    """Raise UsageError where the trace's clock is another than the one that `text` was written for."""
    if moment.time is None:
        return
    if info.clock is None:
        raise UsageError(f"{text}: this trace has no times", "Give a line number, or trace with `strace -tt`.")
    if info.midnight is None if ":" in text else info.clock == "day":
        form = "times of day, such as 05:17:35.5" if info.clock == "day" else "seconds, such as 1130322148.9"
        raise UsageError(f"{text}: the times of this trace are {form}")


def _nanoseconds(fraction: str | None) -> int:
    return int((fraction or "").ljust(9, "0"))
