"""Paint lines to text of a fixed width, and compare with what is kept in snapshots/."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path

from tracer.graph import ProcessGraph
from tracer.render.lines import Line, Painter
from tracer.render.tree import tree_lines
from tracer.view import build_view

SNAPSHOTS = Path(__file__).parent / "snapshots"


def painted(lines: Iterable[Line], *, width: int | None = 100, ascii_only: bool = False) -> str:
    """The lines as a file would have them; cut to `width` as on a terminal of that size."""
    out = io.StringIO()
    Painter(out, width=width, ascii_only=ascii_only).paint(lines)
    return out.getvalue()


def tree(graph: ProcessGraph, view: str = "now", *, width: int | None = 100, **options: bool) -> str:
    """A view as text."""
    return painted(tree_lines(build_view(graph, view), width=width or 100, **options), width=width)


def check_snapshot(name: str, text: str) -> None:
    """Compare with snapshots/NAME; CTRACE_WRITE_SNAPSHOTS=1 writes it anew, for a person to read the difference."""
    path = SNAPSHOTS / name
    if os.environ.get("CTRACE_WRITE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
