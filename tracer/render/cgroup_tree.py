"""The processes by cgroup as lines. No recursion: cgroups can be nested as deep as a path is long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.cgroup_view import Folder, walk
from tracer.render import words
from tracer.render.lines import Line, Span, note_column
from tracer.runtime.cgroup import facts, short_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.graph import Process
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles
    from tracer.runtime.units import Units


def cgroup_lines(roots: list[Folder], *, roles: Roles, names: Names, units: Units, width: int) -> Iterator[Line]:
    """The lines, top down: a cgroup, the processes in it, the cgroups in it. `width` as for tree_lines."""
    levels = max((width - 46) // 3, 4)
    column = note_column(width)
    bars: list[str] = []
    titled: set[str] = set()
    for row in walk(roots):
        del bars[max(row.depth - 1, 0) :]
        before = _prefix(bars, row.depth, levels, last=row.last)
        if row.depth:
            bars.append("   " if row.last else "│  ")
        if isinstance(row.item, Folder):
            container = facts(row.item.path).container_id
            # Cgroups below are the container's own affair (systemd in it, crun's `container`).
            named = [Span(_title(row.item, names), "container")] if container and container not in titled else []
            titled.add(container)
            yield Line([Span(before, "guide"), Span(short_ids(row.item.name), "name")], named, column)
        else:
            yield _process(row.item, before, roles, units, column)


def _prefix(bars: list[str], depth: int, levels: int, *, last: bool) -> str:
    if depth == 0:
        return ""
    connector = "└─ " if last else "├─ "
    if depth <= levels:
        return "".join(bars[: depth - 1]) + connector
    return f"…+{depth - levels}".ljust((levels - 1) * 3) + connector


def _title(folder: Folder, names: Names) -> str:
    """Of the container whose cgroup it is, by one of its processes."""
    inside = folder
    while not inside.processes:
        inside = next(iter(inside.folders.values()))
    name = names.of(inside.processes[0])
    return "" if name is None or not (name.name or name.pod) else name.title


def _process(process: Process, before: str, roles: Roles, units: Units, column: int) -> Line:
    left = [
        Span(before, "guide"),
        Span(roles.label(process), words.name_style(process, roles)),
        Span(f" ({process.tgid})", "pid"),
    ]
    marks = words.marks(process, roles)
    if marks:
        left.append(Span("  " + ", ".join(marks), "mark"))
    notes = words.state_notes(process)
    if units.disagreement(process) is not None and process.parent is not None:
        notes += [Span(", " if notes else ""), Span(f"≠ child of {words.title(process.parent, roles)}", "inferred")]
    return Line(left, notes, column, least=[])
