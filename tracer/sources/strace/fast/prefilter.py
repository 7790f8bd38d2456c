"""Full logs (all system calls): find the lines that matter without looking at the others.

In a log of everything less than one line in a hundred is about processes. Hyperscan finds their words in blocks at
about 3 GB/s; where it is not installed (it is no dependency on other machines than x86_64), `re` does at some 200 MB/s.
Where many lines of a block matter, finding them costs more than it saves, so each block is probed first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain

from tracer.sources.strace.joining.state import CALLS

PROBE = 1 << 14
DENSE = 0.08
"""From this share of the bytes on, all lines are read."""

_NAMES = [name for name in CALLS if name not in ("vfork", "_exit")]
_LITERALS = [
    *chain.from_iterable((name + "(", name + " resumed>") for name in _NAMES),
    *("+++ exited with", "+++ killed by", "+++ superseded by", "<pid changed to ", "si_code=CLD_"),
    *(f"si_code={digits}{end}" for digits in ("1", "2", "3", "0x1", "0x2", "0x3") for end in (",", " ")),
    # The rest of a line that a notice or other output was written into.
    *("\n <unfinished", "\n, ", "\n) ", "\n => "),
]
_NOTICE = r"Process \d+(?:<[^\n]*>)? (?:at|de)tached"

Find = Callable[[bytes], list[int]]
"""Where in a block something that matters ends."""


def make_find() -> Find:
    """The fastest searcher that this machine has."""
    try:
        return _hyperscan()
    except ImportError:
        return _regex()


def _hyperscan() -> Find:
    import hyperscan

    database = hyperscan.Database()
    expressions = [*(re.escape(text).encode() for text in _LITERALS), rb"Process \d+ (?:at|de)tached", rb"Process \d+<"]
    database.compile(expressions=expressions, ids=list(range(len(expressions))), flags=0)
    ends: list[int] = []
    scan = database.scan

    def on_match(_id: int, _start: int, end: int, _flags: int, _context: object) -> None:
        ends.append(end)

    def find(block: bytes) -> list[int]:
        ends.clear()
        scan(block, match_event_handler=on_match)
        return ends

    return find


def _regex() -> Find:
    words = re.compile("|".join([*map(re.escape, _LITERALS), _NOTICE]).encode())
    return lambda block: [found.end() for found in words.finditer(block)]


class Prefilter:
    """Picks lines from blocks of whole lines."""

    def __init__(self) -> None:
        self._find = make_find()
        self._sparse = False

    def pays(self, block: bytes) -> bool:
        """Do few lines of the block matter? Only probed where the last block does not tell."""
        if self._sparse:
            return True
        probe = block[: block.find(b"\n", PROBE) + 1] or block
        self.pick(probe, 1)
        return self._sparse

    def pick(self, block: bytes, first: int) -> tuple[bytes, list[int], int]:
        """The lines that matter, their numbers, and the number of the line after the block; `first` is the first's."""
        lines: list[bytes] = []
        numbers: list[int] = []
        counted = 0
        last = -1
        for end in self._find(block):
            if end <= last:
                continue
            start = block.rfind(b"\n", 0, end) + 1
            last = block.find(b"\n", end) + 1
            lines.append(block[start:last])
            first += block.count(b"\n", counted, start)
            counted = start
            numbers.append(first)
        picked = b"".join(lines)
        self._sparse = len(picked) < DENSE * len(block)
        return picked, numbers, first + block.count(b"\n", counted)
