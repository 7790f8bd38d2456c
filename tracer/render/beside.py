"""What stands beside a process: its pod or container, its unit, and a mark where unit and tree disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.render import words
from tracer.render.lines import Span
from tracer.runtime import cgroup
from tracer.runtime.containers import same_id

if TYPE_CHECKING:
    from tracer.graph import Process
    from tracer.runtime.containers import ContainerName, Names
    from tracer.runtime.roles import Roles
    from tracer.runtime.units import Units


class Beside:
    """Notes on a process for tree_lines: a list of notes, each a list of spans."""

    def __init__(self, names: Names, roles: Roles, units: Units | None = None) -> None:
        """With `units`: every process's unit, too."""
        self._names = names
        self._roles = roles
        self._units = units

    def __call__(self, process: Process) -> list[list[Span]]:
        """Nothing that the parent's line says already, but for the unit."""
        notes = []
        title = self.container(process)
        if title:
            notes.append([Span(title, "container")])
        if self._units is not None:
            notes += unit_notes(process, self._units, self._roles)
        return notes

    def container(self, process: Process) -> str:
        """`pod shop/web`, `container app`; '' where the process above says the same. Raw."""
        name = self._names.of(process)
        if name is None:
            return ""
        above = self._names.of(process.parent) if process.parent is not None else None
        if above is not None and name.id == above.id and name.sandbox_id == above.sandbox_id:
            return ""
        return _title(name, above)


def _title(name: ContainerName, above: ContainerName | None) -> str:
    if above is not None and name.id and name.sandbox_id and same_id(name.sandbox_id, above.sandbox_id):
        return f"container {name.name or name.id[:12]}"
    if not name.id or name.sandbox:
        return name.title if name.title.startswith("pod ") else f"pod {name.title}"
    return f"container {name.title}"


def unit_notes(process: Process, units: Units, roles: Roles) -> list[list[Span]]:
    """Its unit or container's cgroup; with `≠` where the tree suggests another one."""
    group = units.group(process)
    if not group:
        return []
    label = cgroup.short_name(group)
    different = units.disagreement(process)
    if different is None:
        return [[Span(label, "dim")]]
    notes = [[Span(f"≠ {label}", "inferred")]]
    if different.main is not None:
        notes.append([Span(f"not below {words.title(different.main, roles)}", "dim")])
    elif different.mainless:
        notes.append([Span("its main process is gone", "dim")])
    return notes
