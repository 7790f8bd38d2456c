"""A view as a tree of lines. No recursion: a chain can be 10,000 deep, and a process can have 100,000 children."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.identity import Evidence
from tracer.render import words
from tracer.render.lines import Line, Span
from tracer.view import LINEAGE, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracer.graph import Process, Reparenting, Task
    from tracer.view import Finished

    Beside = Callable[[Process], list[list[Span]]]

_KINDS_SHOWN = 5
_TASKS_SHOWN = 12


def tree_lines(
    view: View, *, width: int, threads: bool = False, reasons: bool = False, beside: Beside | None = None
) -> Iterator[Line]:
    """The lines of a view, top down.

    width    cells to lay out in; deeper levels than fit are drawn flat, with how many levels were left out
    threads  a line for every thread, too
    reasons  say why an edge is not known better
    beside   further notes on a process, each a list of spans: its container, its unit
    """
    drawing = _Drawing(view, width, threads=threads, reasons=reasons, beside=beside)
    first = True
    loose: list[Process] = []
    for process, depth, last in view.walk():
        if depth == 0 and _is_loose(process, view):
            loose.append(process)
            continue
        if depth == 0 and not first:
            yield Line([])
        first = False
        yield from drawing.process(process, depth, last=last)
    orphaned = view.finished.get(None)
    if (loose or orphaned is not None) and not first:
        yield Line([])
    if loose:
        yield Line([Span(_loose_text(loose), "dim")])
    if orphaned is not None:
        yield Line([Span(f"{finished_text(orphaned)}, with nobody known above", "dim")])


def _is_loose(process: Process, view: View) -> bool:
    """A task about which nothing is known but that it is there: most often a thread of something unseen."""
    alone = process not in view.children and process not in view.finished
    return alone and not process.leader_known and not process.comm and process.program is None


def _loose_text(tasks: list[Process]) -> str:
    named = ", ".join(str(task.tgid) for task in tasks[:_TASKS_SHOWN])
    rest = f" and {len(tasks) - _TASKS_SHOWN:,} more" if len(tasks) > _TASKS_SHOWN else ""
    noun = "task" if len(tasks) == 1 else "tasks"
    return f"{len(tasks):,} {noun} of a process that the trace does not name: {named}{rest}"


def finished_text(finished: Finished) -> str:
    """`7 finished: cni loopback ×3, cni cilium-cni ×3, shim start ×1`; raw names."""
    kinds = sorted(finished.kinds.items(), key=lambda kind: -kind[1])
    named = ", ".join(f"{'unnamed' if name == '?' else name} ×{count:,}" for name, count in kinds[:_KINDS_SHOWN])
    rest = sum(count for _, count in kinds[_KINDS_SHOWN:])
    parts = [named] if named else []
    if rest:
        parts.append(f"{rest:,} {'other' if rest == 1 else 'others'}")
    if finished.below:
        parts.append(f"{finished.below:,} further down")
    return f"{finished.count:,} finished: {', '.join(parts)}"


class _Drawing:
    """What drawing one line needs to know about those above it."""

    def __init__(self, view: View, width: int, *, threads: bool, reasons: bool, beside: Beside | None) -> None:
        self.view = view
        self.threads = threads
        self.reasons = reasons
        self.beside = beside
        self.levels = max((width - 36) // 3, 6)
        """Levels that are indented; what is deeper is drawn flat."""
        self.column = max(width * 64 // 100, 40)
        self.far_column = max(width * 84 // 100, 52)
        self.bars: list[str] = []
        """For each level above, whether a line runs down past here."""

    def process(self, process: Process, depth: int, *, last: bool) -> Iterator[Line]:
        """The lines of one process: itself, its adoptions, its threads, its finished children."""
        del self.bars[max(depth - 1, 0) :]
        before = self._prefix(depth, "└─ " if last else "├─ ")
        yield self._itself(process, before)
        if depth:
            self.bars.append("   " if last else "│  ")
        finished = self.view.finished.get(process)
        below = process in self.view.children
        threads = self._threads(process)
        under = self._prefix(depth + 1, "│  " if below or finished or threads else "   ")
        if process not in self.view.context:
            for text, change in self._adoptions(process):
                notes = words.evidence(change.evidence, change.reason if self.reasons else "")
                yield Line([Span(under, "guide"), Span(f"↻ {text}", "dim")], notes, self.far_column)
        for i, task in enumerate(threads):
            connector = "├─ " if below or finished or i < len(threads) - 1 else "└─ "
            leader = " (leader)" if task.tid == process.tgid else ""
            left = [Span(self._prefix(depth + 1, connector), "guide"), Span(f"thread {task.tid}{leader}", "dim")]
            yield Line(left, self._evidence(Evidence.INFERRED, task.membership) if task.membership else [], self.column)
        if finished is not None:
            connector = "├─ " if below else "└─ "
            yield Line([Span(self._prefix(depth + 1, connector), "guide"), Span(finished_text(finished), "dim")])

    def _prefix(self, depth: int, connector: str) -> str:
        """What is drawn before a line of that depth: never longer than the indented levels."""
        if depth == 0:
            return ""
        if depth <= self.levels:
            return "".join(self.bars[: depth - 1]) + connector
        return f"…+{depth - self.levels}".ljust((self.levels - 1) * 3) + connector

    def _threads(self, process: Process) -> list[Task]:
        return list(process.threads.values()) if self.threads and len(process.threads) > 1 else []

    def _itself(self, process: Process, before: str) -> Line:
        roles = self.view.roles
        context = process in self.view.context
        left = [
            Span(before, "guide"),
            Span(roles.label(process), "context" if context else words.name_style(process, roles)),
            Span(f" ({words.number(process)})", "pid"),
        ]
        marks = words.marks(process, roles)
        if marks:
            left.append(Span("  " + ", ".join(marks), "context" if context else "mark"))
        notes = words.state_notes(process)
        for note in (*(self.beside(process) if self.beside else ()), *self._parent_notes(process)):
            notes += [Span(", "), *note] if notes else note
        return Line(left, notes, self.column)

    def _parent_notes(self, process: Process) -> Iterator[list[Span]]:
        """How the edge to the one above is known, where no adoption says so; nothing where it was observed."""
        if process.outside or (process.tgid == 1 and process.real_parent is None):
            return
        if self.view.name == LINEAGE:
            if process.creator is None:
                yield [Span("creator not in the trace", "dim")]
            elif not process.reparentings and process.evidence not in {Evidence.OBSERVED, Evidence.DERIVED}:
                yield self._evidence(process.evidence, process.reason)
        elif process.real_parent is None:
            yield [Span("parent not in the trace", "dim")]
        elif not process.reparentings and process.evidence is not Evidence.OBSERVED:
            yield self._evidence(process.evidence, process.reason)

    def _evidence(self, kind: Evidence, reason: str) -> list[Span]:
        return words.evidence(kind, reason if self.reasons else "")

    def _adoptions(self, process: Process) -> Iterator[tuple[str, Reparenting]]:
        roles = self.view.roles
        changes = process.reparentings or ()
        for change in changes:
            near = self.view.name != LINEAGE and change.new is process.parent
            yield words.adoption(change, roles, near=near), change
