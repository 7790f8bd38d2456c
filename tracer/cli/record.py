"""`ctrace record`: live events to a file that `ctrace replay` reads."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import click

from tracer.cli.options import FILE
from tracer.cli.quantities import buffer_option, loader_option, parse_duration
from tracer.cli.remarks import say
from tracer.errors import OutputError, UsageError

if TYPE_CHECKING:
    from tracer.event import Event
    from tracer.live.command import Held
    from tracer.live.session import Session
    from tracer.live.signals import Signals
    from tracer.sources.ebpf.loader import Loader
    from tracer.sources.ebpf.source import EbpfSource, Select
    from tracer.sources.recording import RecordingWriter

LOOK = 0.1
"""Seconds that one wait for events takes at most: so soon a signal is answered."""
SETTLE = 1.0
"""Seconds after the end of a command in which its last events must have come."""

_EPILOG = """\b
Examples:
  sudo ctrace record -o node.ctrace                 containerd, its shims, and all that is under them; Ctrl-C ends
  sudo ctrace record --all --duration 5m -o node.ctrace
  sudo ctrace record kubelet.service -o kubelet.ctrace
  sudo ctrace record -o build.ctrace -- make -j4    a command and everything that it starts
  ctrace replay node.ctrace                         no root needed

What is written can be replayed whatever happens to the recorder, but for the last second.
A COMMAND runs as root, as under `sudo strace`; the file belongs to who called sudo. Descendants of COMMAND that
outlive it are in the recording as still running.

Exit codes: that of COMMAND where one is given (128 + signal where one killed it; 126, 127 where it cannot be run);
else 0 fine; 1 this machine or user lacks something, the target was not found, or the file cannot be written;
2 wrong usage.
"""


class _WithCommand(click.Command):
    """Keeps what comes after `--` apart from the target; click alone would mix them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Cut the command off."""
        if "--" in args:
            cut = args.index("--")
            ctx.obj = tuple(args[cut + 1 :])
            args = args[:cut]
        else:
            ctx.obj = None
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """For --help."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


@dataclass(slots=True)
class _Wanted:
    """What is to be recorded, and for how long."""

    name: str
    """For people."""
    target: str | None
    """None: everything, or the command."""
    command: tuple[str, ...] | None
    duration: float | None
    buffer: int
    loader: Loader


@click.command(cls=_WithCommand, epilog=_EPILOG)
@click.argument("target", required=False)
@click.option("-o", "--output", type=FILE, required=True, metavar="FILE", help="The file to make; - for stdout.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--all", "everything", is_flag=True, help="The whole machine.")
@click.option("--duration", callback=parse_duration, metavar="TIME", help="End after so long: 30s, 5m, 1h.")
@buffer_option
@loader_option
@click.pass_context
def record(
    ctx: click.Context,
    target: str | None,
    output: str,
    force: bool,
    everything: bool,
    duration: float | None,
    buffer: int,
    loader: Loader,
) -> int:
    """Record processes to a file, until Ctrl-C, SIGTERM, --duration, or the end of COMMAND. Needs root.

    TARGET is a process name, a PID, a systemd unit or a cgroup; default containerd. `ctrace replay FILE` shows it.
    """
    command: tuple[str, ...] | None = ctx.obj
    if command is not None and not command:
        raise UsageError("no command given after --")
    if (target is not None) + everything + (command is not None) > 1:
        raise UsageError("give one of TARGET, --all and -- COMMAND")
    if output == "-" and (command is not None or sys.stdout.isatty()):
        raise UsageError("-o - is for a pipe, and not with a COMMAND, which has stdout for itself")
    if command is not None:
        wanted = _Wanted(" ".join(command), None, command, duration, buffer, loader)
    elif everything:
        wanted = _Wanted("the whole machine", None, None, duration, buffer, loader)
    else:
        wanted = _Wanted(target or "containerd", target or "containerd", None, duration, buffer, loader)
    return _record(wanted, output, force)


def _record(wanted: _Wanted, output: str, force: bool) -> int:
    from tracer.live import privileges
    from tracer.live.command import Held
    from tracer.live.newfile import check_new
    from tracer.live.signals import Signals
    from tracer.sources.ebpf.source import EbpfSource

    if output != "-":
        check_new(output, force=force)
    with ExitStack() as stack:
        held = None
        if wanted.command is not None:
            held = Held(wanted.command)
            stack.callback(held.give_up)
        signals = stack.enter_context(Signals())
        source = stack.enter_context(EbpfSource(loader=wanted.loader, ring_size=wanted.buffer))
        events = source.start(_select(wanted, held))
        # Only now, when nothing but writing can fail any more, the file is made.
        file = stack.enter_context(_open(output, force))
        privileges.drop(command=held is not None)
        return _Recording(wanted, output, source, file, signals, held).run(events)


def _select(wanted: _Wanted, held: Held | None) -> Select | None:
    from tracer.sources.ebpf.source import Selection

    if held is not None:
        members = {held.pid}
        return lambda _table: Selection(members)
    if wanted.target is None:
        return None
    from tracer.runtime.targets import select

    return select(wanted.target)


def _open(output: str, force: bool) -> BinaryIO:
    from tracer.live.newfile import open_new

    if output == "-":
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    return open_new(output, force=force)


class _Recording:
    """The recording while it runs."""

    def __init__(
        self, wanted: _Wanted, output: str, source: EbpfSource, file: BinaryIO, signals: Signals, held: Held | None
    ) -> None:
        self._wanted = wanted
        self._output = output
        self._source = source
        self._file = file
        self._signals = signals
        self._held = held
        self._code: int | None = None
        """Of the command, when it has ended."""
        self._started = time.monotonic()

    def run(self, events: list[Event]) -> int:
        """Record `events` and what follows; the exit code."""
        from tracer.live.lives import Untold
        from tracer.live.session import Session
        from tracer.runtime.bundles import Files

        failed = False
        try:
            writer = self._writer()
            session = Session(self._source, recorder=writer, lives=Untold(), files=Files())
            session.feed(events)
            session.settle()
            self._say(f"recording {self._wanted.name} to {self._output}")
            if self._held is not None:
                self._held.go()
            self._loop(session)
            writer.close()
            self._say_end(session)
        except OutputError as error:
            if self._held is None or self._code is not None:
                raise self._explained(error) from None
            self._say(f"{self._explained(error).message}; the command goes on")
            failed = True
        code = self._wait_for_command()
        return 1 if failed else code

    def _writer(self) -> RecordingWriter:
        from tracer.sources.recording import RecordingWriter, header_here

        return RecordingWriter(self._file, header_here(self._wanted.name))

    def _loop(self, session: Session) -> None:
        until = None if self._wanted.duration is None else self._started + self._wanted.duration
        while not self._asked_to_end():
            wait = LOOK if until is None else min(LOOK, until - time.monotonic())
            if wait <= 0:
                break
            session.step(wait)
        # What is in the kernel's buffer still belongs to the recording; so does the end of the last processes.
        until = time.monotonic() + SETTLE
        while session.step(LOOK) and time.monotonic() < until:
            pass

    def _asked_to_end(self) -> bool:
        """A command decides for itself when it ends: it gets the signals, Ctrl-C from the terminal as without us."""
        if self._held is None:
            return self._signals.stopped_by is not None
        self._pass_on()
        self._code = self._held.poll()
        return self._code is not None

    def _pass_on(self) -> None:
        number = self._signals.stopped_by
        if number is not None and self._held is not None:
            self._signals.stopped_by = None
            if number != signal.SIGINT:
                self._held.send(number)

    def _wait_for_command(self) -> int:
        """Its exit code, where there is one; after the recording has ended it may still run."""
        if self._held is None:
            return 0
        while self._code is None:
            self._pass_on()
            self._code = self._held.poll()
            if self._code is None:
                time.sleep(LOOK / 2)
        return self._code

    def _explained(self, error: OutputError) -> OutputError:
        name = "stdout" if self._output == "-" else self._output
        hint = "What was written before can be replayed. `df -h` shows which disks have room; -o names another file."
        return OutputError(f"{name}: {error.message}; the recording ends here", hint)

    def _say_end(self, session: Session) -> None:
        from tracer.cli.watch_words import duration_text

        stats = self._source.stats
        took = duration_text(time.monotonic() - self._started)
        text = f"{took} · {stats.events:,} events · {stats.lost:,} lost · {session.seen:,} processes"
        self._say(text if self._output == "-" else f"{text} · ctrace replay {self._output}")

    def _say(self, text: str) -> None:
        from tracer.clean import clean

        say(f"ctrace: {clean(text)}")
