"""`--findings`, for every subcommand that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.runtime.findings import Finding
    from tracer.runtime.roles import Roles


def write(
    out: TextIO, form: str, found: Sequence[Finding], roles: Roles, *, width: int | None, ascii_only: bool
) -> int:
    """As text (`form` tree), or as `ctrace.findings/1` (json, jsonl); the exit code. Raises UsageError for others."""
    from tracer.cli import EXIT_DIFFERENT
    from tracer.errors import UsageError
    from tracer.render.findings import finding_lines, write_findings
    from tracer.render.lines import Painter

    if form == "tree":
        painter = Painter(out, width=width, ascii_only=ascii_only or None)
        painter.paint(finding_lines(found, width=painter.width))
    elif form in {"json", "jsonl"}:
        write_findings(out, found, roles, lines=form == "jsonl")
    else:
        raise UsageError(f"--findings has no {form} format", "Use tree, json or jsonl.")
    return EXIT_DIFFERENT if found else 0
