"""What `ctrace watch` can write: a line of text or of JSON for each change. For the screen see watch_screen.py."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from tracer.cli.remarks import say
from tracer.cli.watch_words import agreement_lines, living, summary_text
from tracer.live.journal import CREATED, EXEC, EXITED, FOUND, REAPED, THREAD_CREATED, THREAD_EXITED, Happened
from tracer.render.findings import finding_lines
from tracer.render.happened import QUIET, WallClock, happened_line, happened_text, life_texts
from tracer.render.jsonl_events import EventWriter, who
from tracer.render.lines import Painter
from tracer.sources.ebpf.source import PACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.graph import Process
    from tracer.life import ShortLife
    from tracer.live.check import Agreement
    from tracer.live.session import Session
    from tracer.live.start import Scope
    from tracer.runtime.findings import Finding


class Output(Protocol):
    """What the loop tells an output."""

    tell_last: int | None
    """So many changes of a batch are enough; None: all are wanted."""
    owns_terminal: bool
    """It must give the terminal back before the program stops."""
    pace: float
    """Seconds that changes may be put together for, to be told at once."""
    passes_lives: bool
    """It can tell of short lives without their processes (live/lives.py)."""

    def tell(self, happened: Happened) -> None: ...
    def learn(self, process: Process) -> tuple[str, ...] | None: ...
    def tell_life(self, life: ShortLife, words: tuple[str, ...]) -> None: ...
    def begin(self, session: Session, scope: Scope) -> None: ...
    def tick(self, session: Session, *, changed: bool) -> None: ...
    def resized(self) -> None: ...
    def key(self) -> str | None: ...
    def suspend(self) -> None: ...
    def verified(self, agreement: Agreement) -> None: ...
    def found(self, findings: Sequence[Finding]) -> None: ...
    def end(self, session: Session, summary: dict[str, Any], agreement: Agreement | None) -> None: ...


_place = itemgetter(0)


def _nothing(_self: object) -> None:
    """Means nothing to an output without a screen."""


class LinesOutput:
    """One line of text for each change that people care about; remarks go to stderr."""

    tell_last: int | None = None
    owns_terminal: bool = False
    pace: float = PACE

    def __init__(self, target: str, out: TextIO, *, width: int | None, ascii_only: bool, threads: bool) -> None:
        self._target = target
        self._out = out
        self._painter = Painter(out, width=width, ascii_only=ascii_only or None)
        self._clock = WallClock()
        self._quiet = QUIET - {THREAD_CREATED, THREAD_EXITED} if threads else QUIET
        self._session: Session | None = None
        self._scope: Scope | None = None
        self.passes_lives = self._painter.plain
        self._held: list[tuple[int, str]] = []
        """Lines of this batch of events, with the number of the event."""
        self._farewells: list[str] = []

    def tell(self, happened: Happened) -> None:
        """Write the line; what is there at the start is only counted."""
        session = self._session
        if session is None or happened.kind in self._quiet:
            return
        painter, clock, names = self._painter, self._clock, session.names
        if painter.plain:
            text = happened_text(happened, session.roles, clock, painter.text, width=painter.width, names=names)
        else:
            text = painter.render(happened_line(happened, session.roles, clock, width=painter.width, names=names))
        self._held.append((happened.at, text))
        if happened.kind == EXITED and self._scope is not None and self._scope.is_root(happened.process):
            self._farewells.append(self._scope.farewell(happened.process))

    def learn(self, process: Process) -> tuple[str, ...] | None:
        """What its lines have around the number: of the creation, the exec, the end."""
        session = self._session
        if session is None or self._scope is None or self._scope.is_root(process):
            return None
        return life_texts(process, session.roles, self._painter.text)

    def tell_life(self, life: ShortLife, words: tuple[str, ...]) -> None:
        """What `tell` would write of its events."""
        created, by, execs, runs, exits, ended = words
        show, hold, child = self._clock.show, self._held.append, life.child
        hold((life.at, f"{show(life.time)}{created}{child}{by}"))
        if life.program is not None:
            hold((life.exec_at, f"{show(life.exec_time)}{execs}{child}{runs}"))
        hold((life.exit_at, f"{show(life.exit_time)}{exits}{child}{ended}"))

    def _write(self) -> None:
        """In the order of the events: short lives are told before the rest of their batch."""
        if self._held:
            self._held.sort(key=_place)
            self._out.write("\n".join([text for _, text in self._held]) + "\n")
            self._held.clear()

    def _flush(self) -> None:
        self._write()
        self._out.flush()
        for farewell in self._farewells:
            say(f"ctrace: {self._painter.text(farewell)}")
        self._farewells.clear()

    def begin(self, session: Session, scope: Scope) -> None:
        """Say what is watched."""
        self._scope = scope
        self._session = session
        say(f"ctrace: watching {self._painter.text(self._target)}: {living(session):,} processes")

    def tick(self, session: Session, *, changed: bool) -> None:
        """Let the reader have what there is."""
        if changed:
            self._flush()

    resized = key = suspend = _nothing

    def verified(self, agreement: Agreement) -> None:
        """The outcome and each difference."""
        self._write()
        self._painter.paint(agreement_lines(agreement))
        self._out.flush()

    def found(self, findings: Sequence[Finding]) -> None:
        """Each, with what to do about it."""
        self._write()
        self._painter.paint(finding_lines(findings, width=self._painter.width))

    def end(self, session: Session, summary: dict[str, Any], agreement: Agreement | None) -> None:
        """The numbers."""
        if agreement is not None:
            self.verified(agreement)
        self._flush()
        say(f"ctrace: {summary_text(summary)}")


_OF_LIFE = (CREATED, EXEC, EXITED, REAPED)


class JsonlOutput:
    """`ctrace.events/1`."""

    tell_last: int | None = None
    owns_terminal: bool = False
    pace: float = PACE
    passes_lives: bool = True

    def __init__(self, target: str, out: TextIO, *, threads: bool) -> None:
        self._target = target
        self._out = out
        self._threads = threads
        self._writer: EventWriter | None = None
        self._held: list[tuple[int, str]] = []
        """Lines of this batch of events, with the number of the event."""

    def tell(self, happened: Happened) -> None:
        """Write the line; threads only if asked for."""
        if self._writer is not None and (self._threads or happened.kind not in {THREAD_CREATED, THREAD_EXITED}):
            self._held.append((happened.at, self._writer.line(happened)))

    def learn(self, process: Process) -> tuple[str, ...] | None:
        """What its lines, which are among the last, have after who it is; None where they are not the usual ones."""
        mark = who(process.tgid, process.start_time)
        rests: dict[str, str] = {}
        for _, line in reversed(self._held):
            head, found, rest = line.partition(mark)
            if not found:
                continue
            kind = head.split('"', 4)[3]
            if kind not in _OF_LIFE or kind in rests:
                return None
            rests[kind] = rest
            if kind == CREATED:
                break
        if rests.keys() | {EXEC} != {*_OF_LIFE}:
            return None
        return tuple([rests.get(kind, "") for kind in _OF_LIFE])

    def tell_life(self, life: ShortLife, words: tuple[str, ...]) -> None:
        """What `tell` would write of its events."""
        assert self._writer is not None
        created, runs, ended, reaped = words
        alike, hold, child, start = self._writer.alike, self._held.append, life.child, life.start_time
        hold((life.at, alike(CREATED, life.at, life.time, child, start, created)))
        if life.program is not None:
            hold((life.exec_at, alike(EXEC, life.exec_at, life.exec_time, child, start, runs)))
        hold((life.exit_at, alike(EXITED, life.exit_at, life.exit_time, child, start, ended)))
        hold((life.reap_at, alike(REAPED, life.reap_at, life.reap_time, child, start, reaped)))

    def _flush(self) -> None:
        """In the order of the events: short lives are told before the rest of their batch."""
        if self._writer is not None and self._held:
            self._held.sort(key=_place)
            self._writer.write([line for _, line in self._held])
            self._held.clear()
        self._out.flush()

    def begin(self, session: Session, scope: Scope) -> None:
        """The head, and a line for every process that is there."""
        from tracer import __version__

        self._writer = EventWriter(self._out, session.roles, session.names, WallClock().epoch_offset)
        target = None if scope.everything else self._target
        self._writer.begin(ctrace=__version__, source=session.source.info.kind, target=target)
        found = [Happened(FOUND, p.born_at, p.born_time, p) for p in session.graph.live()]
        self._writer.write([self._writer.line(happened) for happened in found])
        self._flush()

    def tick(self, session: Session, *, changed: bool) -> None:
        """Let the reader have what there is."""
        if changed:
            self._flush()

    resized = key = suspend = _nothing

    def verified(self, agreement: Agreement) -> None:
        """One line."""
        self._flush()
        if self._writer is not None:
            self._writer.verified(agreement)
            self._out.flush()

    def found(self, findings: Sequence[Finding]) -> None:
        """A line each."""
        self._flush()
        if self._writer is not None:
            for finding in findings:
                self._writer.finding(finding)

    def end(self, session: Session, summary: dict[str, Any], agreement: Agreement | None) -> None:
        """The last line."""
        self._flush()
        if self._writer is None:
            return
        if agreement is not None:
            self._writer.verified(agreement)
        self._writer.end(**summary)
        self._out.flush()
