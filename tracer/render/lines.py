"""Lines of styled text, and the painter that writes them: colours, alignment, cutting, ASCII, cleaning.

Rich decides what the terminal can do and how a style looks; the lines themselves are joined here, because rich's
layout costs some 50 µs a line and a tree can have 100,000.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TextIO

from tracer.clean import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

STYLES = {
    "": "",
    "dim": "dim",
    "name": "bold",
    "pid": "dim",
    "guide": "dim",
    "place": "dim",
    "context": "dim",
    "container": "bold green",
    "shim": "bold cyan",
    "pause": "cyan",
    "helper": "blue",
    "daemon": "bold magenta",
    "mark": "cyan",
    "zombie": "bold red",
    "bad": "red",
    "good": "green",
    "observed": "dim",
    "derived": "dim",
    "inferred": "italic yellow",
    "assumed": "italic yellow dim",
    "unknown": "bold red",
}
"""Every style that a span may name, in rich's words."""

DEFAULT_WIDTH = 100
"""For the placing of notes where there is no terminal to ask."""

_TO_ASCII = str.maketrans(
    {"│": "|", "├": "|", "└": "`", "─": "-", "↻": "~", "→": "->", "←": "<-", "·": ";", "×": "x", "…": "...", "≠": "!="}
)


class Span(NamedTuple):
    """Text in one style (a key of STYLES). The painter cleans it: raw names are fine."""

    text: str
    style: str = ""


@dataclass(slots=True)
class Line:
    """What is said, and at the right of it, from `column` on or later, what is to be noted."""

    left: list[Span]
    right: list[Span] = field(default_factory=list)
    column: int = 0
    shorter: Sequence[str] = ()
    """What the last span of `left` may say instead where there is no room, longest first."""
    least: Sequence[Span] | None = None
    """What of `right` is said before anything of `left` is cut; the rest of it gives way. None: all of it stays."""


def note_column(width: int) -> int:
    """Where notes on processes begin; on a wide screen not so far that the eye loses the line."""
    return min(max(width * 64 // 100, 40), 90)


def far_column(width: int) -> int:
    """Where notes on sentences begin."""
    return min(max(width * 84 // 100, 52), 118)


_ASCII_LOCALES = {"C", "POSIX"}

_WORTH_CUTTING = 8
"""Cells: what is left of a note in less room says nothing."""


def width_of(text: str) -> int:
    """Terminal cells."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def layout(line: Line, limit: int | None, safe: Callable[[str], str] = clean) -> list[Span]:
    """The spans of a line, made safe by `safe`, placed, and cut to `limit` cells (None: not cut).

    Notes at the right stay whole (or what Line.least says of them) while the left keeps a third of the room, and the
    shortest of its texts if it has several; else they follow it and are cut with it.
    """
    left = [Span(safe(text), style) for text, style in line.left if text]
    right = [Span(safe(text), style) for text, style in line.right if text]
    column = line.column
    if limit is not None:
        if line.least is not None and _cells(left) + 2 + _cells(right) > limit:
            least = [Span(safe(text), style) for text, style in line.least]
            room = limit - _cells(left) - 2
            right = least or (_cut_spans(right, room, safe) if room >= _WORTH_CUTTING else [])
        noted = _cells(right)
        room = limit - noted - 2 if right else limit
        if line.shorter:
            left = _shortened(left, line.shorter, room, safe)
        if right and (room < limit // 3 or (line.shorter and _cells(left) > room)):
            left, right, noted, room = [*left, Span("  "), *right], [], 0, limit
        left = _cut_spans(left, room, safe)
        column = min(column, limit - noted)
    if right:
        left.append(Span(" " * max(column - _cells(left), 2)))
    return left + right


def _shortened(left: list[Span], texts: Sequence[str], room: int, safe: Callable[[str], str]) -> list[Span]:
    """With the longest of the texts that fits at its end; with the shortest where none does."""
    for text in texts:
        if _cells(left) <= room:
            break
        left = [*left[:-1], Span(safe(text), left[-1].style)]
    return left


def _cells(spans: list[Span]) -> int:
    return sum([width_of(span.text) for span in spans])


def _cut_spans(spans: list[Span], room: int, safe: Callable[[str], str]) -> list[Span]:
    if _cells(spans) <= room:
        return spans
    ellipsis = safe("…")[: max(room, 0)]
    room = max(room - width_of(ellipsis), 0)
    kept: list[Span] = []
    for text, style in spans:
        cells = width_of(text)
        if cells > room:
            return [*kept, Span(_cut(text, room) + ellipsis, style)]
        kept.append(Span(text, style))
        room -= cells
    return kept


def _cut(text: str, cells: int) -> str:
    if text.isascii():
        return text[:cells]
    from rich.cells import set_cell_size

    return set_cell_size(text, cells)


class Painter:
    """Writes lines to a file or terminal.

    width   None: as wide as the terminal; without a terminal nothing is cut
    """

    def __init__(self, out: TextIO, *, width: int | None = None, ascii_only: bool | None = None) -> None:
        self._out = out
        terminal = out.isatty()
        color_system: str | None = None
        if terminal or os.environ.get("FORCE_COLOR"):
            from rich.console import Console

            console = Console(file=out, width=width)
            color_system = console.color_system
            width = console.width if terminal else width
        self.limit = width
        """Cells that a line may have; None: any number."""
        self.width = width or DEFAULT_WIDTH
        """Cells to lay things out in."""
        self.ascii_only = needs_ascii(out) if ascii_only is None else ascii_only
        self._codes = _codes(color_system) if color_system and not os.environ.get("NO_COLOR") else None

    @property
    def plain(self) -> bool:
        """Lines are neither cut nor coloured here."""
        return self._codes is None and self.limit is None

    def text(self, text: str) -> str:
        """The text as it may be printed here."""
        text = clean(text)
        if self.ascii_only and not text.isascii():
            text = text.translate(_TO_ASCII).encode("ascii", "backslashreplace").decode("ascii")
        return text

    def paint(self, lines: Iterable[Line]) -> None:
        """Write them one by one."""
        write = self._out.write
        for line in lines:
            write(self.render(line))
            write("\n")

    def render(self, line: Line) -> str:
        """One line as text, without its end."""
        text = self._styled(layout(line, self.limit, self.text))
        return text.rstrip() if self._codes is None else text

    def row(self, line: Line, width: int) -> str:
        """One row of a screen: cut, or filled with blanks, to `width` cells."""
        spans = layout(line, width, self.text)
        return self._styled(spans) + " " * (width - _cells(spans))

    def _styled(self, spans: list[Span]) -> str:
        codes = self._codes
        if codes is None:
            return "".join([span.text for span in spans])
        return "".join([f"{codes[style][0]}{text}{codes[style][1]}" for text, style in spans])


def needs_ascii(out: TextIO) -> bool:
    """Whether box drawing would not be shown: another encoding than UTF-8, LC_ALL=C or LANG=C, or a dumb terminal."""
    encoding = (getattr(out, "encoding", None) or "utf-8").lower().replace("-", "")
    if encoding not in {"utf8", "utf8sig"} or os.environ.get("LC_ALL") in _ASCII_LOCALES:
        return True
    # Python goes on in UTF-8 where the locale is C (PEP 538, PEP 540), and makes LC_CTYPE say so; the flag tells.
    if sys.flags.utf8_mode and os.environ.get("LANG") in _ASCII_LOCALES:
        return True
    return out.isatty() and os.environ.get("TERM") == "dumb"


def _codes(color_system: str) -> dict[str, tuple[str, str]]:
    """The escape sequences before and after text of each style."""
    from rich.color import ColorSystem as RichSystem
    from rich.style import Style

    system = {
        "standard": RichSystem.STANDARD,
        "256": RichSystem.EIGHT_BIT,
        "truecolor": RichSystem.TRUECOLOR,
        "windows": RichSystem.WINDOWS,
    }[color_system]
    codes = {}
    for name, definition in STYLES.items():
        before, _, after = Style.parse(definition).render("\0", color_system=system).partition("\0")
        codes[name] = (before, after)
    return codes
