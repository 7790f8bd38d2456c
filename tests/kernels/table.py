"""The table of kernels, in docs/limits.md between two marks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kernels.machine import Boot

BEGIN = "<!-- kernels: written by `make test-kernels` -->"
END = "<!-- end of kernels -->"
HEADINGS = (
    *("kernel", "from", "CO-RE: load", "bcc: load", "first tree", "probe tests"),
    *("random trees: processes", "right", "wrong", "notes"),
)


@dataclass(slots=True)
class Row:
    """One kernel."""

    release: str
    origin: str
    cells: list[str] = field(default_factory=lambda: ["–"] * 7)
    """From `CO-RE: load` to `wrong`."""
    notes: list[str] = field(default_factory=list)
    fine: bool = False
    """Every step did what it should."""


def row(release: str, origin: str, result: Boot) -> Row:
    """From what the guest told."""
    steps = {step["step"]: step for step in result.steps if "step" in step}
    made = Row(release, origin, fine=result.finished and all(s.get("ok", True) for s in steps.values()))
    trees = [s for name, s in steps.items() if name.startswith("trees") and "processes" in s]
    tests = steps.get("tests", {})
    made.cells = [
        _load(steps.get("load core")),
        _load(steps.get("load bcc")),
        _first_tree(steps),
        f"{tests['passed']} of {tests['total']}" if "total" in tests else "–",
        *(f"{sum(s[key] for s in trees):,}" if trees else "–" for key in ("processes", "right", "wrong")),
    ]
    if not result.finished:
        made.notes.append(f"did not end: {result.stopped}")
    if result.trouble:
        made.notes.append("the kernel complained")
        made.fine = False
    made.notes += [f"{name}: {_why(step)}" for name, step in steps.items() if not step.get("ok", True)]
    missed, lost = (sum(s.get(key, 0) for s in trees) for key in ("missed_runs", "lost"))
    if missed:
        made.notes.append(f"{missed} runs of probes left out, {lost} events lost")
    if trees and not all(s.get("reuse", True) for s in trees):
        made.notes.append("pid_max is the whole machine's: numbers not made scarce")
    return made


def _why(step: dict[str, Any]) -> str:
    if step.get("bad"):
        return ", ".join(step["bad"])
    if step.get("problems"):
        return f"{step['wrong']:,} of {step['processes']:,} differ"
    return str(step.get("why", "failed")).split("\n")[0][:120]


def _load(step: dict[str, Any] | None) -> str:
    if step is None:
        return "–"
    return f"{step['load_ms']:,} ms" if step.get("ok") else "**no**"


def _first_tree(steps: dict[str, dict[str, Any]]) -> str:
    step = next((s for name, s in steps.items() if name.startswith("watch")), None)
    if step is None:
        return "–"
    return f"{step['first_tree_ms'] / 1000:.1f} s ({step['cpu_ms'] / 1000:.1f} s CPU)" if step.get("ok") else "**no**"


def _age(row: Row) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", row.release)[:3]]


def text(rows: list[Row]) -> str:
    """Markdown."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS)]
    lines += [(r.release, r.origin, *r.cells, "; ".join(r.notes)) for r in sorted(rows, key=_age)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def write(path: Path, rows: list[Row]) -> None:
    """Put the table between the marks. Raises ValueError where they are missing."""
    document = path.read_text()
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} has no marks for the table of kernels")
    path.write_text(f"{before}{BEGIN}\n\n{text(rows)}\n\n{END}{after}")
