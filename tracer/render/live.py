"""The screen of `ctrace watch`: a line of numbers, the tree as it is now, and below it what happened last.

A frame costs what it shows, not what has happened: the tree is walked from the top only as far as there is room, and
the lines of the stream are made once. Whose terminal it is, and what it can do, is rich's affair (cli/watch_screen.py).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from tracer.graph import DEAD, RUNNING, Process, ProcessGraph
from tracer.render.happened import QUIET, happened_line
from tracer.render.lines import Line, Painter, Span, width_of
from tracer.render.tree import tree_lines
from tracer.runtime.roles import Roles, is_helper
from tracer.view import NOW, Finished, View

if TYPE_CHECKING:
    from tracer.live.journal import Happened
    from tracer.render.beside import Beside
    from tracer.render.happened import WallClock
    from tracer.runtime.containers import Names

HELPER_AGE = 1_000_000_000
"""ns: a helper (runc, cni, `shim start`) that runs no longer than this is not drawn: it would only flicker."""
STREAM_KEPT = 200
"""Lines of the stream that are kept for a tall terminal."""
_WITH_HINTS = 6
"""Rows below the head from which on one of them can be spared."""
_HOME = "\x1b[H"
"""CUP: to the first row and column."""


class _Children(dict[Process, list[Process]]):
    """The living children of a process, found when the drawing gets there."""

    def __init__(self, extra: dict[Process, list[Process]], hidden: Collection[Process]) -> None:
        super().__init__()
        self._extra = extra
        self._hidden = hidden

    def __missing__(self, process: Process) -> list[Process]:
        found = [*process.children(), *self._extra.get(process, ())]
        if self._hidden:
            found = [child for child in found if child not in self._hidden]
        found.sort(key=_birth_order)
        self[process] = found
        return found

    def get(self, process: Process, default: Any = None) -> Any:
        """The children, or `default` where there are none."""
        return self[process] or default

    def __contains__(self, process: object) -> bool:
        return isinstance(process, Process) and bool(self[process])


def _birth_order(process: Process) -> tuple[int, int]:
    return process.start_time or process.born_at, process.tgid


def live_view(
    graph: ProcessGraph,
    roles: Roles,
    finished: dict[Process | None, Finished],
    *,
    context: Collection[Process] = frozenset(),
    hide_helpers_since: int | None = None,
) -> View:
    """What lives now, as a View whose families are looked up while it is drawn; without kernel threads.

    context             drawn dim: they are only there because of what is below them
    hide_helpers_since  time since boot in ns; helpers born later are left out
    """
    roots: list[Process] = []
    adopted: dict[Process, list[Process]] = {}
    hidden: set[Process] = set()
    for process in graph.processes:
        if process.state is DEAD:
            continue
        parent = process.parent
        if parent is None or parent.state is DEAD:
            if not is_kthreadd(process):
                roots.append(process)
        elif parent.outside:
            adopted.setdefault(parent, []).append(process)
        young = hide_helpers_since is not None and (process.born_time or 0) > hide_helpers_since
        if young and process.state is RUNNING and is_helper(roles.role(process)):
            hidden.add(process)
    for process in list(hidden):
        _show_with_family(process, hidden)
    roots = [*adopted, *(root for root in roots if root not in hidden)]
    return View(NOW, graph, roles, roots, _Children(adopted, hidden), finished, context)


def is_kthreadd(process: Process) -> bool:
    """The parent of all kernel threads (kernel/kthread.c): its number is 2 in every Linux, and it has no parent."""
    return process.tgid == 2 and process.comm == "kthreadd" and process.real_parent is None


def _show_with_family(process: Process, hidden: set[Process]) -> None:
    """A helper that has other children than helpers is a place in the tree."""
    node: Process | None = process
    if all(child in hidden for child in process.children()):
        return
    while node is not None and node in hidden:
        hidden.discard(node)
        node = node.parent


class Stream:
    """The last things that happened, as lines; a teller for Session."""

    def __init__(self, roles: Roles, names: Names, clock: WallClock) -> None:
        self._roles = roles
        self._names = names
        self._clock = clock
        self._kept: deque[Happened | Line] = deque(maxlen=STREAM_KEPT)
        """What will scroll by unseen is never put into words."""
        self.width = 100
        self.muted = True
        """While what is there already is being found."""

    def tell(self, happened: Happened) -> None:
        """Note it, unless it is of no interest to people."""
        if happened.kind not in QUIET and not self.muted:
            self._kept.append(happened)

    def say(self, text: str, style: str = "name") -> None:
        """A remark of the program's own."""
        now = self._clock.show(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        self.add([Line([Span(now + "  ", "dim"), Span(text, style)])])

    def add(self, lines: Iterable[Line]) -> None:
        """Lines of the program's own."""
        self._kept.extend(lines)

    def __len__(self) -> int:
        return len(self._kept)

    def last(self, count: int) -> list[Line]:
        """The last so many lines, or all."""
        start = max(len(self._kept) - count, 0)
        for i in range(start, len(self._kept)):
            kept = self._kept[i]
            if not isinstance(kept, Line):
                self._kept[i] = happened_line(kept, self._roles, self._clock, width=self.width, names=self._names)
        return [kept for kept in islice(self._kept, start, None) if isinstance(kept, Line)]


class Screen:
    """One frame, as large as the terminal is when it is drawn."""

    def __init__(self, painter: Painter, stream: Stream, beside: Beside) -> None:
        self._painter = painter
        self._beside = beside
        self._stream = stream
        self.head: list[Line] = []
        self.view: View | None = None
        self.living = 0
        self.hints: Sequence[str] = ()
        """What the keys do, said at the bottom; the last one matters most."""
        self.note: list[Span] = []
        """Said above the events, which scroll away."""
        self.offset = 0
        """So many lines of the tree are scrolled out at the top."""
        self.page = 10
        """Lines that the tree had in the last frame."""

    def scroll(self, lines: int) -> None:
        """Down, or up where negative; no farther than the top, and with the next frame no farther than the end."""
        self.offset = max(self.offset + lines, 0)

    def draw(self, width: int, height: int) -> str:
        """The frame from the terminal's first place to its last: written here, since rich takes thrice as long."""
        painter = self._painter
        rows = [painter.row(line, width) for line in self._frame(width, height)]
        rows += [" " * width] * (height - len(rows))
        return _HOME + "\r\n".join(rows)

    def _frame(self, width: int, height: int) -> list[Line]:
        self._stream.width = width
        head = self.head[:height]
        room = height - len(head)
        if room < 3:
            return head
        hints = self._hints(width)
        if not hints or room < _WITH_HINTS:
            return [*head, *self._middle(width, room)]
        middle = self._middle(width, room - 1)
        return [*head, *middle, *[Line([])] * (room - 1 - len(middle)), Line([Span(hints, "dim")])]

    def _hints(self, width: int) -> str:
        """As many as there is room for, none of them cut."""
        fitting = (" · ".join(self.hints[i:]) for i in range(len(self.hints)))
        return next((text for text in fitting if width_of(text) <= width), "")

    def _middle(self, width: int, room: int) -> list[Line]:
        tree = self._tree(width, max(room * 6 // 10, room - 1 - len(self._stream)))
        room -= len(tree)
        if room < 2:
            return tree
        said = [Span("─── events ", "guide")]
        if self.note:
            said += [Span("─── ", "guide"), *self.note, Span(" ")]
        left = width - sum(width_of(span.text) for span in said)
        rule = Line([*said, Span("─" * max(left, 0), "guide")])
        events = self._stream.last(room - 1)
        return [*tree, rule, *events]

    def _tree(self, width: int, room: int) -> list[Line]:
        if self.view is None:
            return []
        self.page = room
        lines = list(islice(tree_lines(self.view, width=width, beside=self._beside), self.offset + room + 1))
        self.offset = max(min(self.offset, len(lines) - room), 0)
        shown = lines[self.offset : self.offset + room]
        if self.offset:
            shown[0] = Line([Span(f"… {self.offset + 1:,} lines above (↑)", "dim")])
        if len(lines) > self.offset + room:
            shown[-1] = Line([Span(f"… more below (↓); {self.living:,} processes live", "dim")])
        return shown
