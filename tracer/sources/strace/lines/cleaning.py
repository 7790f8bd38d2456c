"""What others have put around strace's text is taken off, and what strace has torn is put together, block by block."""

from __future__ import annotations

import codecs
import itertools
import re

_LINE_NUMBER = re.compile(rb"(?m)^ *(\d{1,18})(?:\t|[:-](?=[\[\da-z+< ,)=-]))")
_DATE = rb"\d{4}-\d\d-\d\d[T ][\d:.,]+(?: ?(?:Z|[+-]\d\d:?\d\d|[A-Z]{3,5}))?"
_PREFIXES = (
    # journalctl (short, -o short-iso, short-precise), rsyslog; -o short-full, short-monotonic, short-unix
    rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|" + _DATE + rb") [\w.-]+ [^\s:]+: ",
    rb"(?:[A-Z][a-z]{2} " + _DATE + rb"|\[ *\d+\.\d+\]|\d{10}\.\d{6}) [\w.-]+ [\w.-]+\[\d+\]: ",
    # docker logs -t, kubectl logs --timestamps --prefix, the files of a container runtime
    rb"(?:\[pod/[^\]\n]{1,300}\] )?" + _DATE + rb" (?:std(?:out|err) [FP] )?",
    rb"\[pod/[^\]\n]{1,300}\] ",
    rb"[\w.-]+ +\| ",  # docker compose logs
    rb"(?:> ?)+| {4}(?! *\d+\.\d)",  # quoted in a mail or a ticket
    rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ",  # ts
)
_JUNK = [re.compile(rb"(?m)^(?:" + prefix + rb")") for prefix in _PREFIXES]
_COLOUR = re.compile(rb"\x1b\[[0-9;]*[mK]")


def is_coloured(sample: bytes) -> bool:
    """Escape sequences stand in it (--color, strace 7.0)."""
    return _COLOUR.search(sample) is not None


def clean(block: bytes, junk: re.Pattern[bytes] | None) -> bytes:
    """Take off what strace did not write: carriage returns, colours, a byte order mark, what `junk` finds."""
    if block[:3] == codecs.BOM_UTF8:
        block = block[3:]
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if b"\x1b" in block:
        block = _COLOUR.sub(b"", block)
    return junk.sub(b"", block) if junk is not None else block


def junk_of(sample: bytes) -> re.Pattern[bytes] | None:
    """What stands in front of most lines and is not strace's."""
    lines = sample.split(b"\n")[:200]
    numbers = [int(found[1]) for line in lines if (found := _LINE_NUMBER.match(line)) is not None]
    if len(numbers) * 2 > len(lines) and all(a < b for a, b in itertools.pairwise(numbers)):
        return _LINE_NUMBER
    for junk in _JUNK:
        if sum(junk.match(line) is not None for line in lines) * 2 > len(lines):
            return junk
    return None


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
