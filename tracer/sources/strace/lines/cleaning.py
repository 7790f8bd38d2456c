"""What others have put around strace's text is taken off, and what strace has torn is put together, block by block."""

from __future__ import annotations

import codecs
import re

_COLOUR = re.compile(rb"\x1b\[[0-9;]*[mK]")


def is_coloured(sample: bytes) -> bool:
    """Escape sequences stand in it (--color, strace 7.0)."""
    return _COLOUR.search(sample) is not None


def clean(block: bytes, junk: re.Pattern[bytes] | None) -> bytes:
    """Take off what strace did not write: carriage returns, colours, a byte order mark, what `junk` finds, and the
    blanks with which a terminal fills its lines (what is copied from it can have them)."""
    if block[:3] == codecs.BOM_UTF8:
        block = block[3:]
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if b"\x1b" in block:
        block = _COLOUR.sub(b"", block)
    if b" \n" in block:
        block = b"\n".join([line.rstrip(b" ") for line in block.split(b"\n")])
    return junk.sub(b"", block) if junk is not None else block


UNFINISHED_LINE = b" <unfinished ...>\n"
_STAGED = re.compile(
    rb" <unfinished \.\.\.>\n(?!\[pid |\d[\d:.]*(?:<[^\n]*>)? |\w+\(|<\.\.\. |\+\+\+ |--- )([^\n]*\) += [^\n]*)\n"
)
"""Two halves of one line of -z: strace kept the first one until the call returned, after another task's line."""
_GLUED = re.compile(rb"(?m)^[^\n(\"]{0,80}\?{3,4}\((?=\[pid +\d|\d+[ <])")
"""A call of -z of which strace could read nothing, for its task was killed: the next line follows without a newline."""


def mend(block: bytes) -> bytes:
    """Halves of lines of -z put together, and two in one parted; the number of lines stays the same."""
    if b"???(" in block:
        block = _GLUED.sub(b"", block)
    return _STAGED.sub(rb"\1\n\n", block)


def without_number(block: bytes) -> bytes:
    """The beginning of a log that is torn: what is left of a number names another task."""
    return block.lstrip(b"0123456789")
