"""What `ctrace watch` says of a session as a whole, in all of its outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracer.render.lines import Line, Span

if TYPE_CHECKING:
    from tracer.live.check import Agreement
    from tracer.live.session import Session


def living(session: Session) -> int:
    """How many processes are in the tree now."""
    return sum(1 for _ in session.graph.live())


def duration_text(seconds: float) -> str:
    """`2 h 03 min`, `2 min 05 s`, `12 s`."""
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole // 60 % 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def summary_text(summary: dict[str, Any]) -> str:
    """`12 s · 1,204 events · 0 lost · 89 processes seen, 41 live`."""
    return (
        f"{duration_text(summary['duration'])} · {summary['events']:,} events · {summary['lost']:,} lost · "
        f"{summary['processes']:,} processes seen, {summary['live']:,} live"
        + (" · a larger --buffer loses less" if summary["lost"] else "")
    )


def agreement_lines(agreement: Agreement) -> list[Line]:
    """The comparison with /proc: one line, and one for each difference, both sides named."""
    count = f"{agreement.processes:,} processes and {agreement.threads:,} threads"
    if not agreement.differs:
        return [Line([Span("verified: ", "good"), Span(f"{count} as in /proc")])]
    number = len(agreement.differences)
    noun = "difference" if number == 1 else "differences"
    lines = [Line([Span("verified: ", "bad"), Span(f"{count} compared, {number} {noun}")])]
    for d in agreement.differences:
        left = [Span(f"  {d.name} ({d.pid})  "), Span(f"{d.what}: "), Span(f"graph {d.ours}", "inferred")]
        lines.append(Line([*left, Span(" ≠ "), Span(f"kernel {d.kernel}", "bad")]))
    return lines
