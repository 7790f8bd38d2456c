"""Blocks of any length in, blocks of whole lines out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracer.sources.open import BLOCK

MAX_LINE = 1 << 20
"""What of a line is looked at; the rest is skipped, so that a line without end costs no memory."""


def whole_lines(blocks: Iterable[bytes], keep: bytes | None = None) -> Iterator[tuple[bytes, bool, bool]]:
    """(lines, each with its newline; whether the input ended without one; whether the first line was shortened).

    `keep`: a line that ends so stays together with the next one.
    """
    rest = b""
    too_long = shortened = False
    for block in blocks:
        if too_long:
            end = block.find(b"\n")
            if end < 0:
                continue
            too_long = False
            shortened = True
            block = rest + block[end:]
            rest = b""
        end = block.rfind(b"\n") + 1
        if keep is not None and block.endswith(keep, 0, end):
            end = block.rfind(b"\n", 0, end - 1) + 1
        if end:
            yield b"".join((rest, memoryview(block)[:end])), False, shortened
            shortened = False
            rest = block[end:]
        else:
            rest += block
        if len(rest) > MAX_LINE:
            rest = rest[:MAX_LINE]
            too_long = True
    if keep is not None and rest.endswith(b"\n"):
        yield rest, False, shortened
    elif rest:
        yield rest + b"\n", True, too_long


def pieces(block: bytes) -> Iterator[bytes]:
    """Whole lines in portions of which the work on one fits into a core's cache."""
    start = 0
    while len(block) - start > 2 * BLOCK:
        end = block.find(b"\n", start + BLOCK) + 1
        yield block[start:end]
        start = end
    yield block[start:] if start else block
