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
        """Nothing that the parent's line says already, but for the unit, which comes first."""
        title = self.container(process)
        notes = [[Span(title, "container")]] if title else []
        if self._units is None:
            return notes
        label = self._unit(process)
        unit, *more = unit_notes(process, label, self._units, self._roles) or [[]]
        return [note for note in (unit, *(notes if title != label else ()), *more) if note]

    def _unit(self, process: Process) -> str:
        """Its container if that has a name, else its unit or cgroup. Raw."""
        group = self._units.group(process) if self._units is not None else ""
        inside, name = cgroup.facts(group), self._names.of(process)
        if name is not None and not inside.monitor and same_id(name.id, inside.container_id):
            if name.sandbox and name.pod:
                return f"sandbox {name.title}"
            if name.name:
                return f"container {name.name}"
        return cgroup.short_name(group) if group else ""

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


def unit_notes(process: Process, label: str, units: Units, roles: Roles) -> list[list[Span]]:
    """Its unit or container, called `label`; with `≠` where the tree suggests another one."""
    if not label:
        return []
    different = units.disagreement(process)
    if different is None:
        return [[Span(label, "dim")]]
    notes = [[Span(f"≠ {label}", "inferred")]]
    if different.main is not None:
        notes.append([Span(f"not below {words.title(different.main, roles)}", "dim")])
    elif different.mainless:
        notes.append([Span("its main process is gone", "dim")])
    return notes
