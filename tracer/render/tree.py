"""A view as a tree of lines. No recursion: a chain can be 10,000 deep, and a process can have 100,000 children."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.identity import Evidence
from tracer.render import words
from tracer.render.lines import Line, Span, far_column, note_column
from tracer.view import LINEAGE, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracer.graph import Process, Task
    from tracer.view import Finished

    Beside = Callable[[Process], list[list[Span]]]

_KINDS_SHOWN = 5
_TASKS_SHOWN = 12
_APART = 3
"""So many tasks with a name, but no known process, are drawn each by itself; Java has forty threads, all named."""
_SURE = frozenset({Evidence.OBSERVED})
_SURE_OF_BIRTH = frozenset({Evidence.OBSERVED, Evidence.DERIVED})


def tree_lines(
    view: View, *, width: int, threads: bool = False, reasons: bool = False, beside: Beside | None = None
) -> Iterator[Line]:
    """The lines of a view, top down.

    width    cells to lay out in; deeper levels than fit are drawn flat, with how many levels were left out
    threads  a line for every thread, too
    reasons  say why an edge is not known better, on a line of its own below it
    beside   further notes on a process, each a list of spans: its container, its unit
    """
    drawing = _Drawing(view, width, threads=threads, reasons=reasons, beside=beside)
    first = True
    loose = _loose(view)
    for process, depth, last in view.walk():
        if depth == 0 and process in loose:
            continue
        if depth == 0 and not first:
            yield Line([])
        first = False
        yield from drawing.process(process, depth, last=last)
    orphaned = view.finished.get(None)
    if (loose or orphaned is not None) and not first:
        yield Line([])
    if loose:
        yield Line([Span(_loose_text([*loose]), "dim")])
    if orphaned is not None:
        yield Line([Span(f"{finished_text(orphaned)}, with nobody known above", "dim")])


def _loose(view: View) -> dict[Process, None]:
    """Tasks of which nothing is known but that they are there: most often threads of something unseen."""
    alone = [
        root
        for root in view.roots
        if not (root.leader_known or root.program or root in view.children or root in view.finished)
    ]
    named = sum(1 for task in alone if task.comm)
    return dict.fromkeys(task for task in alone if not task.comm or named > _APART)


def _loose_text(tasks: list[Process]) -> str:
    named = ", ".join(f"{t.comm} ({t.tgid})" if t.comm else str(t.tgid) for t in tasks[:_TASKS_SHOWN])
    rest = f" and {len(tasks) - _TASKS_SHOWN:,} more" if len(tasks) > _TASKS_SHOWN else ""
    noun = "task" if len(tasks) == 1 else "tasks"
    return f"{len(tasks):,} {noun} whose process the trace does not name: {named}{rest}"


def finished_text(finished: Finished) -> str:
    """`7 finished: cni loopback ×3, cni cilium-cni ×3, shim start ×1`; raw names."""
    count, unreaped = finished.count, finished.unreaped
    kinds = sorted(finished.kinds.items(), key=lambda kind: -kind[1])
    named = ", ".join(f"{'unnamed' if name == '?' else name} ×{count:,}" for name, count in kinds[:_KINDS_SHOWN])
    rest = sum(count for _, count in kinds[_KINDS_SHOWN:]) + finished.others
    parts = [named] if named else []
    if rest:
        parts.append(f"{rest:,} {'other' if rest == 1 else 'others'}")
    if finished.below:
        parts.append(f"{finished.below:,} further down")
    several = "perhaps a zombie" if unreaped == 1 else "perhaps zombies"
    doubt = f", {several if unreaped == count else f'{unreaped:,} of them {several}'}" if unreaped else ""
    return f"{count:,} finished{doubt}: {', '.join(parts)}"


class _Drawing:
    """What drawing one line needs to know about those above it."""

    def __init__(self, view: View, width: int, *, threads: bool, reasons: bool, beside: Beside | None) -> None:
        self.view = view
        self.threads = threads
        self.reasons = reasons
        self.beside = beside
        self.levels = max((width - 36) // 3, 6)
        """Levels that are indented; what is deeper is drawn flat."""
        self.column = note_column(width)
        self.far_column = far_column(width)
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
        yield from self._reason(self._doubt(process)[1], under)
        if process not in self.view.context:
            yield from self._adoptions(process, under)
        for i, task in enumerate(threads):
            connector = "├─ " if below or finished or i < len(threads) - 1 else "└─ "
            leader = " (leader)" if task.tid == process.tgid else ""
            left = [Span(self._prefix(depth + 1, connector), "guide"), Span(f"thread {task.tid}{leader}", "dim")]
            reason = task.membership if self.reasons else ""
            yield Line(left, words.evidence(Evidence.INFERRED, reason) if task.membership else [], self.column)
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
        # What a narrow screen cuts off is at the end.
        notes: list[Span] = []
        beside = self.beside(process) if self.beside else []
        state = words.state_notes(process, self.view.graph.stats.waits_seen)
        doubt = self._doubt(process)[0]
        for note in (state, *beside, words.thread_notes(process), doubt):
            notes += [Span(", "), *note] if notes and note else note
        # An edge that nothing is said about counts as observed.
        return Line(left, notes, self.column, least=[span for span in doubt if span.style != "dim"])

    def _doubt(self, process: Process) -> tuple[list[Span], str]:
        """How the edge to the one above is known, and why not better; nothing where an adoption says it."""
        if process.outside or (process.tgid == 1 and process.real_parent is None):
            return [], ""
        lineage = self.view.name == LINEAGE
        if (process.creator if lineage else process.real_parent) is None:
            return [Span(f"{'creator' if lineage else 'parent'} not in the trace", "dim")], ""
        sure = _SURE_OF_BIRTH if lineage else _SURE
        if process.reparentings or process.evidence in sure:
            return [], ""
        return words.evidence(process.evidence), process.reason

    def _reason(self, reason: str, under: str) -> Iterator[Line]:
        if self.reasons and reason:
            yield Line([Span(under, "guide"), Span(f"  {reason}", "dim")])

    def _adoptions(self, process: Process, under: str) -> Iterator[Line]:
        roles = self.view.roles
        for change in process.reparentings or ():
            near = self.view.name != LINEAGE and change.new is process.parent
            left = [Span(under, "guide"), Span(f"↻ {words.adoption(change, roles, near=near)}", "dim")]
            shorter = [f"↻ {text}" for text in words.adoption_in_short(change, roles, near=near)]
            yield Line(left, words.evidence(change.evidence), self.far_column, shorter)
            yield from self._reason(change.reason, under)
