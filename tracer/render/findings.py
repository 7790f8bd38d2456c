"""Findings as text and as JSON (`ctrace.findings/1`)."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any, TextIO

from tracer.clean import clean, clean_surrogates
from tracer.render.lines import Line, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracer.graph import Process
    from tracer.runtime.findings import Finding
    from tracer.runtime.roles import Roles

SCHEMA = "ctrace.findings/1"


def finding_lines(findings: Sequence[Finding], *, width: int) -> Iterator[Line]:
    """Each finding with what to do about it, wrapped to `width`; its kind above the first of a kind."""
    if not findings:
        yield Line([Span("Nothing found.", "good")])
        return
    kind = ""
    for i, finding in enumerate(findings):
        if i:
            yield Line([])
        if finding.kind != kind:
            kind = finding.kind
            yield Line([Span(kind, "bad")])
        for text in _wrapped(finding.message, width - 2):
            yield Line([Span(f"  {text}")])
        for j, text in enumerate(_wrapped(finding.advice, width - 4)):
            yield Line([Span("  → " if j == 0 else "    ", "mark"), Span(text, "mark")])


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(clean(text), max(width, 20), break_long_words=False, break_on_hyphens=False)


def write_findings(out: TextIO, findings: Sequence[Finding], roles: Roles, *, lines: bool) -> None:
    """One JSON document; or, with `lines`, one object a line."""
    if lines:
        for finding in findings:
            out.write(json.dumps(finding_object(finding, roles)) + "\n")
        return
    document = {"schema": SCHEMA, "findings": [finding_object(finding, roles) for finding in findings]}
    out.write(json.dumps(document, indent=1) + "\n")


def finding_object(finding: Finding, roles: Roles) -> dict[str, Any]:
    """One element of `findings`."""
    return {
        "kind": finding.kind,
        "process": _process(finding.process, roles),
        "others": [_process(process, roles) for process in finding.others],
        "message": clean_surrogates(finding.message),
        "advice": clean_surrogates(finding.advice),
    }


def _process(process: Process, roles: Roles) -> dict[str, Any]:
    return {"uid": str(process.uid), "pid": process.tgid, "name": clean_surrogates(roles.label(process))}
