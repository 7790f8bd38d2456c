"""`ctrace watch`: the tree while it changes, live through eBPF."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tracer.cli.quantities import buffer_option, loader_option, parse_duration

if TYPE_CHECKING:
    from tracer.cli.watch_outputs import Output
    from tracer.live.check import Agreement
    from tracer.live.session import Session
    from tracer.live.signals import Signals
    from tracer.live.start import Scope
    from tracer.runtime.findings import Finding
    from tracer.sources.ebpf.loader import Loader
    from tracer.sources.ebpf.source import Select

LOOK = 0.1
"""Seconds that one wait for events takes at most: so soon a signal or a key is answered."""


@dataclass(slots=True)
class _Wanted:
    """What is to be watched, and how."""

    target: str
    """As people write it; for them only, where everything is watched."""
    everything: bool
    duration: float | None
    buffer: int
    verify: bool
    findings: bool
    loader: Loader


_EPILOG = """\b
Examples:
  sudo ctrace watch                                containerd, its shims, and all that is under them
  sudo ctrace watch kubelet.service                a systemd unit
  sudo ctrace watch 4711                           a process and everything below it
  sudo ctrace watch --all --duration 30s --verify  the whole machine; then compare with /proc
  sudo ctrace watch containerd | grep adopted      without a terminal: a line for each event
  sudo ctrace watch --format jsonl | jq .event     lines of JSON: ctrace.events/1

On the screen: arrows, j, k, PgUp, PgDn, g, G scroll the tree; v compares with /proc; q or Ctrl-C ends and leaves the
final tree. SIGUSR1 compares with /proc, too.

Exit codes: 0 fine; 1 this machine or user lacks something, or the target was not found; 2 wrong usage;
3 --verify found a difference, or --findings something wrong.
"""


@click.command(epilog=_EPILOG)
@click.argument("target", required=False)
@click.option("--all", "everything", is_flag=True, help="The whole machine.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["screen", "lines", "jsonl"]),
    help="screen on a terminal, else lines; jsonl is ctrace.events/1.",
)
@click.option("--duration", callback=parse_duration, metavar="TIME", help="End after so long: 30s, 5m, 1h.")
@buffer_option
@loader_option
@click.option("--verify", is_flag=True, help="Compare with /proc at the end; exit code 3 where they differ.")
@click.option("--findings", is_flag=True, help="At the end, say what is wrong, and what to do about it.")
@click.option("--threads", is_flag=True, help="Tell of threads, too (lines, jsonl).")
@click.option("--width", type=click.IntRange(20), metavar="N", help="Columns to cut lines to.")
@click.option("--ascii", "ascii_only", is_flag=True, help="No line drawing characters.")
def watch(
    target: str | None,
    everything: bool,
    form: str | None,
    duration: float | None,
    buffer: int,
    loader: Loader,
    verify: bool,
    findings: bool,
    threads: bool,
    width: int | None,
    ascii_only: bool,
) -> int:
    """Watch processes come, go, and change parents, live. Needs root.

    TARGET is a process name, a PID, a systemd unit or a cgroup; default containerd. Its descendants belong to it, and
    so do shims that were orphaned long ago, with what is under them.
    """
    from tracer.cli.watch_outputs import JsonlOutput, LinesOutput
    from tracer.errors import UsageError

    if everything and target is not None:
        raise UsageError("--all watches the whole machine: give it or a TARGET, not both")
    name = "the whole machine" if everything else target or "containerd"
    if form is None:
        form = "screen" if sys.stdout.isatty() else "lines"
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    wanted = _Wanted(name, everything, duration, buffer, verify, findings, loader)
    if form == "jsonl":
        return _watch(JsonlOutput(name, sys.stdout, threads=threads), wanted)
    if form == "lines":
        lines = LinesOutput(name, sys.stdout, width=width, ascii_only=ascii_only, threads=threads)
        return _watch(lines, wanted)
    from tracer.cli.watch_screen import ScreenOutput

    screen = ScreenOutput(name, sys.stdout, ascii_only=ascii_only)
    try:
        return _watch(screen, wanted)
    finally:
        screen.close()


def _watch(output: Output, wanted: _Wanted) -> int:
    from tracer.live import privileges
    from tracer.live.journal import LOST, Happened
    from tracer.live.session import Session
    from tracer.live.signals import Signals
    from tracer.live.start import Scope
    from tracer.runtime.bundles import Files
    from tracer.sources.ebpf.source import EbpfSource

    with (
        Signals(terminal=output.owns_terminal) as signals,
        EbpfSource(loader=wanted.loader, ring_size=wanted.buffer) as source,
    ):
        # Findings can be about anybody: then all are built.
        lives = output if output.passes_lives and not wanted.findings else None
        session = Session(source, tell=output.tell, tell_last=output.tell_last, lives=lives, files=Files())
        scope = Scope(None if wanted.everything else _select(wanted.target))
        scope.start(source, session)
        privileges.drop()
        session.settle()
        source.pace = output.pace
        output.begin(session, scope)
        if source.stats.lost:
            output.tell(Happened(LOST, source.stats.events, None, None, source.stats.lost))
        until = None if wanted.duration is None else session.started + wanted.duration
        _loop(session, scope, output, signals, until)
        agreement = _compare(session, scope) if wanted.verify else None
        wrong = _find(session) if wanted.findings else None
        if wrong is not None:
            output.found(wrong)
        output.end(session, _summary(session), agreement)
    from tracer.cli import EXIT_DIFFERENT

    return EXIT_DIFFERENT if wrong or (agreement is not None and agreement.differs) else 0


def _select(target: str) -> Select:
    from tracer.runtime.targets import select

    return select(target)


def _loop(session: Session, scope: Scope, output: Output, signals: Signals, until: float | None) -> None:
    """Until a signal asks for the end, or the time is over."""
    while signals.stopped_by is None:
        wait = LOOK if until is None else min(LOOK, until - time.monotonic())
        if wait <= 0:
            break
        changed = session.step(wait) > 0
        key = output.key()
        if key == "quit":
            break
        if signals.check or key == "verify":
            signals.check = False
            output.verified(_compare(session, scope))
        if signals.resized:
            signals.resized = False
            output.resized()
        if signals.suspended:
            signals.suspended = False
            output.suspend()
        output.tick(session, changed=changed)


def _compare(session: Session, scope: Scope) -> Agreement:
    from tracer.live.check import check

    return check(session.graph, session.drain, everything=scope.everything, context=scope.context)


def _find(session: Session) -> list[Finding]:
    from tracer.runtime.findings import find_in_trace

    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return find_in_trace(session.graph, session.roles, session.names, now=now)


def _summary(session: Session) -> dict[str, Any]:
    stats = session.source.stats
    return {
        "duration": round(time.monotonic() - session.started, 3),
        "events": stats.events,
        "lost": stats.lost,
        "processes": session.seen,
        "live": sum(1 for _ in session.graph.live()),
    }
