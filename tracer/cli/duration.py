"""How long, as people write it: `30`, `30s`, `1.5m`, `2h`."""

from __future__ import annotations

import re

import click

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_FORM = re.compile(r"(\d+(?:\.\d*)?)\s*(ms|s|min|m|h)?", re.ASCII)


def parse_duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Seconds; a bare number is seconds. A click callback: raises BadParameter."""
    if value is None:
        return None
    match = _FORM.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(f"{value}: not a time; write 30s, 5m or 1h")
    return float(match[1]) * _UNITS[match[2] or ""]
