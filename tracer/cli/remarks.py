"""What is said on stderr: for people, and nothing depends on it."""

from __future__ import annotations

import contextlib

import click


def say(text: str) -> None:
    """Write a line, if it can be written (2>/dev/full, a closed terminal): else what is done goes on without it."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)
