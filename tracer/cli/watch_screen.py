"""`ctrace watch` on a terminal: the tree while it changes, and below it what happened last."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any, TextIO

from tracer.cli.keys import Keys
from tracer.cli.watch_words import agreement_lines, duration_text, living, summary_text
from tracer.live.journal import EXITED, Happened
from tracer.render.findings import finding_lines
from tracer.render.happened import WallClock
from tracer.render.lines import Line, Painter, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.live import Live

    from tracer.graph import Process
    from tracer.life import ShortLife
    from tracer.live.check import Agreement
    from tracer.live.session import Session
    from tracer.live.start import Scope
    from tracer.runtime.findings import Finding

FRAME = 0.08
"""Seconds between two frames at least ..."""
PACE = 0.09
"""... and between two looks at the events while they come: each makes a frame, more than ten a second."""
IDLE_FRAME = 1.0
"""... and at most, for the clock in the head."""
_KEYS = ("j k scroll", "v compares with /proc", "q ends")
_FAR = 1 << 30
"""Lines; more than any tree has."""


class ScreenOutput:
    """A tree and a stream of events on the alternate screen of a terminal; the final tree on the normal one."""

    tell_last: int | None = 200
    owns_terminal: bool = True
    pace: float = PACE
    passes_lives: bool = True

    def __init__(self, target: str, out: TextIO, *, ascii_only: bool) -> None:
        from rich.console import Console

        self._target = target
        self._out = out
        self._ascii = ascii_only or None
        self._console = Console(file=out)
        self._clock = WallClock()
        self._live: Live | None = None
        self._scope: Scope | None = None
        self._keys = Keys()
        self._found: Sequence[Finding] | None = None
        self._drawn = 0.0
        self._changed = True

    def tell(self, happened: Happened) -> None:
        """A line of the stream, once the screen is there."""
        if self._scope is None:
            return
        self._stream.tell(happened)
        if happened.kind == EXITED and self._scope.is_root(happened.process):
            self._stream.say(self._scope.farewell(happened.process))

    def learn(self, process: Process) -> tuple[str, ...] | None:
        """No words: only the last lives of a batch are told, and those are built."""
        return None if self._scope is None or self._scope.is_root(process) else ()

    def tell_life(self, life: ShortLife, words: tuple[str, ...]) -> None:
        """Never asked for."""

    def begin(self, session: Session, scope: Scope) -> None:
        """Take the terminal."""
        from rich.live import Live

        from tracer.render.beside import Beside
        from tracer.render.live import Screen, Stream

        self._scope = scope
        self._stream = Stream(session.roles, session.names, self._clock)
        self._stream.muted = False
        beside = Beside(session.names, session.roles)
        self._screen = Screen(Painter(self._out, ascii_only=self._ascii), self._stream, beside)
        self._live = Live(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False)
        self._live.start()
        self._keys.start()
        self.tick(session, changed=True)

    def key(self) -> str | None:
        """Scroll as far as was asked for; else the key that was pressed."""
        while (key := self._keys.pressed()) is not None:
            page = max(self._screen.page - 2, 1)
            steps = {"up": -1, "down": 1, "page up": -page, "page down": page, "home": -_FAR, "end": _FAR}
            if key not in steps:
                return key
            self._screen.scroll(steps[key])
            self.resized()
        return None

    def suspend(self) -> None:
        """Give the terminal to the shell until it continues us."""
        if self._live is None:
            return
        self._keys.stop()
        self._live.stop()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._live.start()
        self._keys.start()
        self.resized()

    def resized(self) -> None:
        """Draw anew for another size."""
        self._changed, self._drawn = True, 0.0

    def tick(self, session: Session, *, changed: bool) -> None:
        """Draw a frame when it is time for one."""
        self._changed |= changed
        now = time.monotonic()
        if self._live is None or now - self._drawn < (FRAME if self._changed else IDLE_FRAME):
            return
        from tracer.render.live import HELPER_AGE, live_view

        since = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - HELPER_AGE
        finished = session.finished.count(session.graph.processes)
        context = self._scope.context if self._scope is not None else ()
        self._screen.view = live_view(session.graph, session.roles, finished, context=context, hide_helpers_since=since)
        self._screen.living = living(session)
        self._screen.head = [self._head(session), Line([])]
        self._screen.hints = _KEYS if self._keys.work else ("Ctrl-C ends",)
        width, height = self._console.size
        session.tell_last = 2 * height
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._out.write(self._screen.draw(width, height))
            self._out.flush()
        self._drawn, self._changed = now, False

    def verified(self, agreement: Agreement) -> None:
        """In the stream, and where the events do not carry it away."""
        lines = agreement_lines(agreement)
        self._stream.add(lines)
        now = self._clock.show(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        self._screen.note = [Span(now[:8] + " ", "dim"), *lines[0].left]
        self._changed = True

    def found(self, findings: Sequence[Finding]) -> None:
        """For the end."""
        self._found = findings

    def end(self, session: Session, summary: dict[str, Any], agreement: Agreement | None) -> None:
        """Give the terminal back, and leave the final tree and the numbers on it."""
        if self._live is None:
            return
        from tracer.render.beside import Beside
        from tracer.render.live import live_view
        from tracer.render.tree import tree_lines

        self.close()
        painter = self._painter()
        finished = session.finished.count(session.graph.processes)
        context = self._scope.context if self._scope is not None else ()
        view = live_view(session.graph, session.roles, finished, context=context)
        beside = Beside(session.names, session.roles)
        painter.paint(tree_lines(view, width=painter.width, beside=beside))
        painter.paint([Line([]), Line([Span(summary_text(summary))])])
        if agreement is not None:
            painter.paint(agreement_lines(agreement))
        if self._found is not None:
            painter.paint([Line([]), *finding_lines(self._found, width=painter.width)])

    def close(self) -> None:
        """Give the terminal back, whatever went wrong."""
        self._keys.stop()
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()
            self._live = None

    def _painter(self) -> Painter:
        return Painter(self._out, ascii_only=self._ascii)

    def _head(self, session: Session) -> Line:
        from tracer.render.live import is_kthreadd

        lost = session.source.stats.lost
        kernel = next((p for p in session.graph.processes[:8] if is_kthreadd(p)), None)
        hidden = 0 if kernel is None else 1 + sum(1 for _ in kernel.children())
        left = [
            Span("watching ", "dim"),
            Span(self._target, "name"),
            Span(f"   {duration_text(time.monotonic() - session.started)}", "dim"),
            Span(f" · {lost:,} lost", "bad" if lost else "dim"),
            Span(f" · {self._screen.living - hidden:,} processes", "dim"),
            Span(f" and {hidden} kernel threads" if hidden else "", "dim"),
            Span(f" · {session.source.stats.events:,} events", "dim"),
        ]
        return Line(left)
