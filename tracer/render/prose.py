"""Sentences laid out in lines: broken between words, never cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tracer.clean import clean
from tracer.render.lines import Line, Span, width_of

_NARROWEST = 20
_NOTE = 9
"""Notes at the right begin in one column, if they are not wider than that."""


class Prose:
    """Breaks text for one width.

    safe    makes text printable where it goes (Painter.text): what is measured is what will be shown
    """

    def __init__(self, width: int, safe: Callable[[str], str] = clean) -> None:
        self.width = width
        self._safe = safe

    def lines(
        self, text: Sequence[Span], *, first: str = "", hang: int = 0, notes: Sequence[Span] = ()
    ) -> Iterator[Line]:
        """One paragraph. `first` stands before its first line, the others are indented by `hang` cells.

        `notes` go to the right end of the first line; they are short.
        """
        noted = sum(width_of(self._safe(note.text)) for note in notes)
        room = max(self.width - hang, _NARROWEST)
        lead = first
        row: list[Span] = []
        used = 0
        limit = max(room - (max(noted, _NOTE) + 2 if noted else 0), _NARROWEST)
        right = list(notes)
        column = self.width - max(noted, _NOTE)
        for word, style in self._words(text, room):
            cells = width_of(word)
            if row and used + cells > limit and word != " ":
                yield Line([Span(lead, "dim"), *_trimmed(row)], right, column)
                lead, row, used, limit, right, noted = " " * hang, [], 0, room, [], 0
            if word == " " and not row:
                continue
            row.append(Span(word, style))
            used += cells
        if row or lead.strip() or right:
            yield Line([Span(lead, "dim"), *_trimmed(row)], right, column)

    def _words(self, text: Sequence[Span], room: int) -> Iterator[tuple[str, str]]:
        """Words and single spaces, with their style; what is longer than a line in pieces, a path behind a `/`.

        A place (`line 157, 09:32:22`) is one word. Words of different spans that touch are one word for the reader
        but may be broken there: it is rare.
        """
        for raw, style in text:
            safe = self._safe(raw)
            for i, word in enumerate([safe] if style == "place" else safe.split(" ")):
                if i:
                    yield " ", style
                while width_of(word) > room:
                    piece = word[: room if word.isascii() else max(room // 2, 1)]
                    folder = piece.rfind("/") + 1
                    piece = piece[:folder] if folder > len(piece) // 2 else piece
                    yield piece, style
                    word = word[len(piece) :]
                if word:
                    yield word, style


def _trimmed(row: list[Span]) -> list[Span]:
    while row and row[-1].text == " ":
        row = row[:-1]
    return row
