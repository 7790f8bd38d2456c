"""The three ways in which `ctrace watch` shows what happens: a screen, a line of text or a line of JSON each."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from tracer.cli.keys import Keys
from tracer.live.journal import EXITED, FOUND, THREAD_CREATED, THREAD_EXITED, Happened
from tracer.render.findings import finding_lines
from tracer.render.happened import QUIET, WallClock, happened_line
from tracer.render.jsonl_events import EventWriter
from tracer.render.lines import Line, Painter, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.live import Live

    from tracer.live.check import Agreement
    from tracer.live.session import Session
    from tracer.live.start import Scope
    from tracer.runtime.findings import Finding

FRAME = 0.08
"""Seconds between two frames at least: more than ten a second while something happens."""
IDLE_FRAME = 1.0
"""... and at most, for the clock in the head."""


class Output(Protocol):
    """What the loop tells an output."""

    tell_last: int | None
    """So many changes of a batch are enough; None: all are wanted."""
    owns_terminal: bool
    """It must give the terminal back before the program stops."""

    def tell(self, happened: Happened) -> None: ...
    def begin(self, session: Session, scope: Scope) -> None: ...
    def tick(self, session: Session, *, changed: bool) -> None: ...
    def resized(self) -> None: ...
    def key(self) -> str | None: ...
    def suspend(self) -> None: ...
    def verified(self, agreement: Agreement) -> None: ...
    def found(self, findings: Sequence[Finding]) -> None: ...
    def end(self, session: Session, summary: dict[str, Any], agreement: Agreement | None) -> None: ...


def _nothing(_self: object) -> None:
    """Means nothing to an output without a screen."""


class LinesOutput:
    """One line of text for each change that people care about; remarks go to stderr."""

    tell_last: int | None = None
    owns_terminal: bool = False

    def __init__(self, target: str, out: TextIO, *, width: int | None, ascii_only: bool, threads: bool) -> None:
        self._target = target
        self._out = out
        self._painter = Painter(out, width=width, ascii_only=ascii_only or None)
        self._clock = WallClock()
        self._quiet = QUIET - {THREAD_CREATED, THREAD_EXITED} if threads else QUIET
        self._session: Session | None = None
        self._scope: Scope | None = None

    def tell(self, happened: Happened) -> None:
        """Write the line; what is there at the start is only counted."""
        if self._session is None or happened.kind in self._quiet:
            return
        session = self._session
        line = happened_line(happened, session.roles, self._clock, width=self._painter.width, names=session.names)
        self._out.write(self._painter.render(line) + "\n")
        if happened.kind == EXITED and self._scope is not None and self._scope.is_root(happened.process):
            self._out.flush()
            print(f"ctrace: {self._painter.text(self._scope.farewell(happened.process))}", file=sys.stderr)

    def begin(self, session: Session, scope: Scope) -> None:
        """Say what is watched."""
        self._scope = scope
        self._session = session
        print(f"ctrace: watching {self._painter.text(self._target)}: {living(session):,} processes", file=sys.stderr)

    def tick(self, session: Session, *, changed: bool) -> None:
        """Let the reader have what there is."""
        if changed:
            self._out.flush()

    resized = key = suspend = _nothing

    def verified(self, agreement: Agreement) -> None:
        """The outcome and each difference."""
        self._painter.paint(agreement_lines(agreement))
        self._out.flush()

    def found(self, findings: Sequence[Finding]) -> None:
        """Each, with what to do about it."""
        self._painter.paint(finding_lines(findings, width=self._painter.width))

    def end(self, session: Session, summary: dict[str, Any], agreement: Agreement | None) -> None:
        """The numbers."""
        if agreement is not None:
            self.verified(agreement)
        self._out.flush()
        print(f"ctrace: {summary_text(summary)}", file=sys.stderr)


class JsonlOutput:
    """`ctrace.events/1`."""

    tell_last: int | None = None
    owns_terminal: bool = False

    def __init__(self, target: str, out: TextIO, *, threads: bool) -> None:
        self._target = target
        self._out = out
        self._threads = threads
        self._writer: EventWriter | None = None
        self._before: list[Happened] = []

    def tell(self, happened: Happened) -> None:
        """Write the line; threads only if asked for."""
        if self._writer is not None and (self._threads or happened.kind not in {THREAD_CREATED, THREAD_EXITED}):
            self._writer.happened(happened)

    def begin(self, session: Session, scope: Scope) -> None:
        """The head, and a line for every process that is there."""
        from tracer import __version__

        self._writer = EventWriter(self._out, session.roles, session.names, WallClock().epoch_offset)
        target = None if scope.everything else self._target
        self._writer.begin(ctrace=__version__, source=session.source.info.kind, target=target)
        for process in session.graph.live():
            self._writer.happened(Happened(FOUND, process.born_at, process.born_time, process))
        self._out.flush()

    def tick(self, session: Session, *, changed: bool) -> None:
        """Let the reader have what there is."""
        if changed:
            self._out.flush()

    resized = key = suspend = _nothing

    def verified(self, agreement: Agreement) -> None:
        """One line."""
        if self._writer is not None:
            self._writer.verified(agreement)
            self._out.flush()

    def found(self, findings: Sequence[Finding]) -> None:
        """A line each."""
        if self._writer is not None:
            for finding in findings:
                self._writer.finding(finding)

    def end(self, session: Session, summary: dict[str, Any], agreement: Agreement | None) -> None:
        """The last line."""
        if self._writer is None:
            return
        if agreement is not None:
            self._writer.verified(agreement)
        self._writer.end(**summary)
        self._out.flush()


class ScreenOutput:
    """A tree and a stream of events on the alternate screen of a terminal; the final tree on the normal one."""

    tell_last: int | None = 200
    owns_terminal: bool = True

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
        self._live = Live(self._screen, console=self._console, screen=True, auto_refresh=False, redirect_stdout=False)
        self._live.start()
        self._keys.start()
        self.tick(session, changed=True)

    def key(self) -> str | None:
        """Scroll, if that was asked for; else the key that was pressed."""
        key = self._keys.pressed()
        page = max(self._screen.page - 2, 1)
        steps = {"up": -1, "down": 1, "page up": -page, "page down": page, "home": -self._screen.offset}
        if key in steps:
            self._screen.offset = max(self._screen.offset + steps[key], 0)
            self.resized()
        return key

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
        self._live.refresh()
        self._drawn, self._changed = now, False

    def verified(self, agreement: Agreement) -> None:
        """In the stream."""
        self._stream.add(agreement_lines(agreement))
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
            Span(f" · {living(session) - hidden:,} processes", "dim"),
            Span(f" and {hidden} kernel threads" if hidden else "", "dim"),
            Span(f" · {session.source.stats.events:,} events", "dim"),
        ]
        column = shutil.get_terminal_size().columns - 6
        return Line(left, [Span("q ends", "dim")], max(column, 0))


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
