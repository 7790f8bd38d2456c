"""What people's tools put in front of each line of a log: journals, container runtimes, mails, line numbers."""

from __future__ import annotations

import itertools
import re

from tracer.sources.strace.lines.grammar import ANY

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
_KNOWN = [_LINE_NUMBER] + [re.compile(rb"(?m)^(?:" + prefix + rb")") for prefix in _PREFIXES]
_LINES = 200
"""So many of the sample are looked at."""
_LONGEST = 200
_BEHIND = re.compile(rb"(?<=[\s:|>\])}#$])(?=[\w\[<+?-])")
"""Where a line of strace can begin behind something else."""
_MOVING = re.compile(rb"(\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d(?:[.,]\d+)?|\d{10}\.\d+|\d+)")
"""A date, a time, or some other number."""

_SURE = re.compile(
    rb"\w+\(.*\) += (?:-?\d|\?|0x)|\w+\(.* <(?:unfinished|detached|pid changed to \d+) \.\.\.>$"
    rb"|<\.\.\. [\w?]+ resumed>|\+\+\+ (?:exited with|killed by|superseded by) |--- SIG\w+ [{(]|--- stopped by SIG",
    re.S,
)


def begins(line: bytes, place: int = 0) -> bool:
    """A line of strace begins at that place, beyond doubt."""
    found = ANY.match(line, place)
    return found is not None and _SURE.match(line, found.start(5)) is not None


def find_front(sample: bytes) -> re.Pattern[bytes] | None:
    """What stands in front of most lines and is not strace's; None for nothing."""
    lines = sample.split(b"\n")[:_LINES]
    for front in _KNOWN:
        found = [(line, match) for line in lines if (match := front.match(line)) is not None]
        counts = front is not _LINE_NUMBER or all(int(a[1]) < int(b[1]) for (_, a), (_, b) in itertools.pairwise(found))
        if counts and len(found) * 2 > len(lines) and any(begins(line, match.end()) for line, match in found):
            return front
    return None if any(begins(line) for line in lines) else _unknown_front(lines)


def _unknown_front(lines: list[bytes]) -> re.Pattern[bytes] | None:
    """Text that is the same in most lines but for clocks and line numbers.

    Any other number that changes is of somebody: of a host, a container, a task. Lines of several of those are not put
    into one log.
    """
    told: dict[tuple[bytes, ...], list[list[bytes]]] = {}
    for line in lines:
        places = (found.start() for found in _BEHIND.finditer(line, 1, _LONGEST))
        start = next((place for place in places if begins(line, place)), 0)
        parts = _MOVING.split(line[:start])
        if start:
            told.setdefault(tuple(parts[::2]), []).append(parts[1::2])
    found: list[tuple[int, re.Pattern[bytes]]] = []
    for texts, moving in told.items():
        columns = [_column(column) for column in zip(*moving, strict=True)]
        if None not in columns:
            pieces = zip(map(re.escape, texts), [*columns, b""], strict=True)
            front = re.compile(rb"(?m)^" + b"".join(text + (column or b"") for text, column in pieces))
            if sum(front.match(line) is not None for line in lines) * 2 > len(lines):
                found.append((len(b"".join(texts)), front))
    return max(found, key=lambda each: each[0])[1] if found else None


def _column(values: tuple[bytes, ...]) -> bytes | None:
    """The regex for what stands there in all lines; None where that is no clock, no counter, and not the same."""
    if not all(value.isdigit() for value in values):
        return rb"[\d:.,-]+"
    if len(set(values)) == 1:
        return values[0]
    return rb"\d+" if all(int(a) < int(b) for a, b in itertools.pairwise(values)) else None
