"""Times and sizes as people write them: `30s`, `1.5m`, `2h`; `512k`, `8M`."""

from __future__ import annotations

import re

import click

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_BYTES = {"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_TIME = re.compile(r"(\d+(?:\.\d*)?)\s*(ms|s|min|m|h)?", re.ASCII)
_SIZE = re.compile(r"(\d+)\s*([kMG])?i?B?", re.ASCII)
_BUFFER_MIN, _BUFFER_MAX = 1 << 12, 1 << 30


def parse_duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Seconds; a bare number is seconds. A click callback: raises BadParameter."""
    if value is None:
        return None
    match = _TIME.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(f"{value}: not a time; write 30s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2] or ""]


def parse_buffer(_ctx: click.Context, _param: click.Parameter, value: str) -> int:
    """Bytes, rounded up to a power of two as the kernel wants it. A click callback: raises BadParameter."""
    match = _SIZE.fullmatch(value.strip())
    size = int(match[1]) * _BYTES[match[2] or ""] if match else 0
    if not _BUFFER_MIN <= size <= _BUFFER_MAX:
        raise click.BadParameter(f"{value}: not a size from 4k to 1G; write 512k or 32M")
    return 1 << (size - 1).bit_length()


buffer_option = click.option(
    "--buffer",
    callback=parse_buffer,
    default="8M",
    show_default=True,
    metavar="SIZE",
    help="The kernel's room for events that are not read yet; what finds none is lost, and counted.",
)
"""Adds --buffer: bytes."""

loader_option = click.option(
    "--loader",
    type=click.Choice(["auto", "core", "bcc"]),
    default="auto",
    show_default=True,
    envvar="CTRACE_LOADER",
    show_envvar=True,
    help="How the probes get into the kernel. core: compiled ones, by libbpf. bcc: compiled here, from kernel headers.",
)
"""Adds --loader: a loader.Loader."""
