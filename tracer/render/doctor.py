"""The doctor's answer as text and as JSON (`ctrace.doctor/1`, docs/reference/doctor.md)."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, TextIO

from tracer.clean import clean, clean_surrogates
from tracer.doctor.report import Check, Purpose, Section, Status
from tracer.render.lines import Line, Painter, Span
from tracer.render.prose import Prose
from tracer.version import __version__

SCHEMA = "ctrace.doctor/1"

_UNCUT = 1 << 16
"""Columns: a command that is cut, or broken, cannot be copied."""
_STATUS = 2
_TITLE = 13
_FOUND = 29
_LEAST = 24
"""Cells for what was found: with fewer it stands below the title."""

_SIGNS = {Status.OK: "✓", Status.LIMITED: "!", Status.MISSING: "✗", Status.UNKNOWN: "?"}
_ASCII_SIGNS = {Status.OK: "+", Status.LIMITED: "!", Status.MISSING: "x", Status.UNKNOWN: "?"}
_STYLES = {Status.OK: "good", Status.LIMITED: "inferred", Status.MISSING: "bad", Status.UNKNOWN: "dim"}
_VERDICTS = {
    Status.OK: "works",
    Status.LIMITED: "works, with limits",
    Status.MISSING: "does not work",
    Status.UNKNOWN: "not tried",
}
_HEADINGS = {
    Purpose.REPLAY: "replay: read logs and recordings",
    Purpose.TREE: "tree, explain, whatif: this machine now",
    Purpose.LIVE: "watch, record: live",
}


class Page:
    """Writes the answer to a file or terminal, section by section."""

    def __init__(self, out: TextIO, *, width: int | None = None, ascii_only: bool | None = None) -> None:
        self._painter = Painter(out, width=width, ascii_only=ascii_only)
        self._prose = Prose(self._painter.width, self._painter.text)
        self._uncut = Painter(out, width=_UNCUT, ascii_only=ascii_only)
        self._out = out
        self._signs = _ASCII_SIGNS if self._painter.ascii_only else _SIGNS

    def head(self, system: str) -> None:
        """What was looked at."""
        self._painter.paint(self._prose.lines([Span(f"ctrace {__version__}", "name"), Span(f"   {system}", "dim")]))
        self._out.flush()

    def section(self, section: Section) -> None:
        """One purpose: the verdict, and every check."""
        verdict = section.verdict
        heading = [Span(_HEADINGS[section.purpose], "name"), Span("   "), Span(_VERDICTS[verdict], _STYLES[verdict])]
        self._painter.paint([Line([]), *self._prose.lines(heading, hang=2)])
        for check in section.checks:
            self._check(check)
        self._out.flush()

    def _check(self, check: Check) -> None:
        style = _STYLES[check.status]
        status = f"{self._signs[check.status]} {check.status.value}"
        lead = [Span(" " * _STATUS), Span(status, style), Span(" " * (_TITLE - _STATUS - len(status)))]
        title = clean(check.title)
        lead += [Span(title.ljust(_FOUND - _TITLE - 1) + " ", "name" if check.status is not Status.OK else "")]
        narrow = self._painter.width < _FOUND + _LEAST
        indent = _TITLE if narrow else _FOUND
        room = self._painter.width - indent
        found = _wrapped(check.found, room)
        if narrow:
            self._painter.paint([Line(lead)])
        for i, text in enumerate(found if narrow else found or [""]):
            before = lead if i == 0 and not narrow else [Span(" " * indent)]
            self._painter.paint([Line([*before, Span(text)])])
        notes = [(check.loss, "dim"), (check.advice and f"→ {check.advice}", "mark")]
        for note, note_style in notes:
            for text in _wrapped(note, room):
                self._painter.paint([Line([Span(" " * indent), Span(text, note_style)])])
        self._commands(check)

    def _commands(self, check: Check) -> None:
        """Each on a line of its own, never cut or broken."""
        for what, command in (("", check.mend), *check.commands):
            if what:
                self._painter.paint([Line([Span(" " * _TITLE), Span(f"{what}:", "dim")])])
            if command:
                self._uncut.paint([Line([Span(" " * _TITLE), Span(command, "mark")])])


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(clean(text), max(width, 7), break_on_hyphens=False)


def write_json(out: TextIO, system: str, sections: Iterable[Section]) -> bool:
    """One document; whether everything works."""
    found = list(sections)
    works = all(section.works for section in found)
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "system": clean_surrogates(system),
        "works": works,
        "sections": [_section(section) for section in found],
    }
    out.write(json.dumps(document, indent=1) + "\n")
    return works


def _section(section: Section) -> dict[str, Any]:
    return {
        "purpose": section.purpose.value,
        "verdict": section.verdict.value,
        "works": section.works,
        "checks": [_check_object(check) for check in section.checks],
        "trials": [
            {**asdict(trial), "error": clean_surrogates(trial.error), "hint": clean_surrogates(trial.hint)}
            for trial in section.trials
        ],
    }


def _check_object(check: Check) -> dict[str, Any]:
    texts = {key: clean_surrogates(getattr(check, key)) for key in ("title", "found", "loss", "mend", "advice")}
    commands = [{"what": what, "command": clean_surrogates(command)} for what, command in check.commands]
    return {"name": check.name, "status": check.status.value, **texts, "commands": commands}
