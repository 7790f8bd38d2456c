"""Times and sizes of options."""

from __future__ import annotations

import click
import pytest

from tracer.cli.quantities import parse_buffer, parse_duration

CONTEXT, OPTION = click.Context(click.Command("x")), click.Option(["--x"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("1.5m", 90), ("2min", 120), ("2h", 7200), ("250ms", 0.25), (" 5 s ", 5)],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_duration(CONTEXT, OPTION, text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("4k", 4096),
        ("5k", 8192),
        ("8M", 8 << 20),
        ("8MiB", 8 << 20),
        ("512kB", 512 << 10),
        ("1G", 1 << 30),
    ],
)
def test_sizes_are_powers_of_two(text: str, size: int) -> None:
    assert parse_buffer(CONTEXT, OPTION, text) == size


@pytest.mark.parametrize("text", ["", "-5s", "5x", "1m30", "٣s", "nan", "1e9"])
def test_no_times(text: str) -> None:
    with pytest.raises(click.BadParameter, match="not a time; write 30s, 5m or 1h"):
        parse_duration(CONTEXT, OPTION, text)


@pytest.mark.parametrize("text", ["", "4095", "1025M", "2G", "8m", "8 T", "-8M"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(click.BadParameter, match="not a size from 4k to 1G"):
        parse_buffer(CONTEXT, OPTION, text)
