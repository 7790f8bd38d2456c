"""One line for each thing that happens: the screen's stream of events, and `ctrace watch` without a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tracer.graph import Program, Reparenting
from tracer.identity import Evidence, signal_name
from tracer.live import journal as j
from tracer.render import words
from tracer.render.lines import Line, Span, far_column, width_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer.graph import Process
    from tracer.live.journal import Happened
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles

_DERIVED = Evidence.DERIVED.rank

QUIET = frozenset({j.REAPED, j.THREAD_CREATED, j.THREAD_EXITED, j.PDEATHSIG, j.RENAMED})
"""Of interest to machines, and too many for people."""


_NAMED = frozenset({j.EXEC, j.ADOPTED, j.EXITED})


class WallClock:
    """Times since boot as the local time of day."""

    def __init__(self) -> None:
        self.epoch_offset = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        """ns to add to a time since boot to get one since the epoch, as of now."""
        self._millisecond = -1
        self._text = ""

    def show(self, boot_time: int | None) -> str:
        """`06:50:12.123`; as many blanks where the time is not known."""
        if boot_time is None:
            return " " * 12
        millisecond = (boot_time + self.epoch_offset) // 1_000_000
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            second, rest = divmod(millisecond, 1000)
            self._text = f"{time.strftime('%H:%M:%S', time.localtime(second))}.{rest:03d}"
        return self._text


def happened_line(
    happened: Happened, roles: Roles, clock: WallClock, *, width: int, names: Names | None = None
) -> Line:
    """`06:50:12.123  pause (93)  adopted from runc create (80), which exited → nearest subreaper, shim (75)`."""
    left = [Span(clock.show(happened.time) + "  ", "dim")]
    process = happened.process
    if process is None:
        return Line([*left, Span(_losses(happened), "bad")])
    role, label = roles.role_and_label(process, happened.at)
    left += [Span(label, words.style_of_role(role)), Span(f" ({process.tgid})  ", "pid")]
    text, style = _said(happened, process, roles)
    left.append(Span(text, style))
    return Line(left, _notes(happened, process, names), far_column(width), _shorter(happened, roles))


def happened_text(
    happened: Happened, roles: Roles, clock: WallClock, safe: Callable[[str], str], *, width: int, names: Names | None
) -> str:
    """What `Painter.render` makes of that line where nothing is cut or coloured, in a third of the time."""
    process = happened.process
    if process is None:
        return safe(f"{clock.show(happened.time)}  {_losses(happened)}").rstrip()
    label = roles.role_and_label(process, happened.at)[1]
    said = safe(f"{clock.show(happened.time)}  {label} ({process.tgid})  {_said(happened, process, roles)[0]}")
    notes = _notes(happened, process, names)
    if notes:
        said += " " * max(far_column(width) - width_of(said), 2) + safe("".join([note.text for note in notes]))
    return said.rstrip()


def life_texts(process: Process, roles: Roles, safe: Callable[[str], str]) -> tuple[str, str, str, str, str, str]:
    """What happened_text says of the birth, the exec and the end of a dead process between the time and its number, and
    after it. It has no part in a container, was never adopted, and ran one program at most.
    """
    birth = roles.role_and_label(process, process.born_at)[1]
    name = roles.role_and_label(process, process.exited_at)[1]
    runs = f"runs {command(process.program)}"
    return (
        safe(f"  {birth} ("),
        safe(f")  {_birth(process, roles)}").rstrip(),
        safe(f"  {name} ("),
        safe(f")  {runs}").rstrip(),
        safe(f"  {name} ("),
        safe(f")  {words.end(process)}").rstrip(),
    )


def _losses(happened: Happened) -> str:
    return f"{happened.detail:,} events were lost; /proc is read to repair the tree"


def _notes(happened: Happened, process: Process, names: Names | None) -> list[Span]:
    change = happened.detail
    if type(change) is Reparenting and change.evidence.rank > _DERIVED:
        return words.evidence(change.evidence, change.reason)
    return _container(happened, process, names) if names is not None else []


def _shorter(happened: Happened, roles: Roles) -> list[str]:
    change = happened.detail
    if not isinstance(change, Reparenting):
        return []
    return [f"adopted {text}" for text in words.adoption_in_short(change, roles, near=False)]


def _container(happened: Happened, process: Process, names: Names) -> list[Span]:
    """Of which container this is, where it is about to be someone."""
    name = names.of(process) if happened.kind in _NAMED else None
    return [Span(name.title, "container")] if name is not None and name.title else []


def _said(happened: Happened, process: Process, roles: Roles) -> tuple[str, str]:
    """What is said of the process, and in which style."""
    kind, detail = happened.kind, happened.detail
    if kind == j.CREATED:
        return _birth(process, roles), "dim"
    if kind == j.EXEC:
        return f"runs {command(detail if isinstance(detail, Program) else None)}", ""
    if kind == j.EXITED:
        return words.end(process), "bad" if process.status else "dim"
    if isinstance(detail, Reparenting):
        return f"adopted {words.adoption(detail, roles, near=False)}", "mark"
    if kind == j.SUBREAPER:
        return ("became a subreaper" if detail else "is no subreaper any more"), "mark"
    if kind == j.PDEATHSIG:
        text = signal_name(int(detail)) if isinstance(detail, int) and detail else ""
        return (f"asked for {text} when its parent thread ends" if text else "asked for no parent-death signal"), ""
    return _said_rarely(happened, process, roles), ""


def _said_rarely(happened: Happened, process: Process, roles: Roles) -> str:
    kind, detail = happened.kind, happened.detail
    parent = process.parent
    under = f" under {words.title(parent, roles)}" if parent is not None else ""
    if kind == j.FOUND:
        return f"is there{under}"
    if kind == j.REAPED:
        return f"reaped by {words.title(parent, roles)}" if parent is not None else "reaped"
    if kind == j.GONE:
        return "is gone; its end was among the lost events"
    if kind == j.RENAMED:
        return f"renamed itself from {detail}"
    if kind == j.THREAD_CREATED:
        return f"new thread {detail}"
    if kind == j.THREAD_EXITED:
        return f"thread {detail} ended"
    return kind


def _birth(process: Process, roles: Roles) -> str:
    creator, parent = process.creator, process.birth_parent
    if creator is None:
        return f"created under {words.title(parent, roles)}" if parent is not None else "created"
    at = process.born_at
    said = f"created by {words.title(creator, roles, at)}"
    if parent is not None and parent is not creator:
        said += f" as a child of {words.title(parent, roles, at)}"
    return said


def command(program: Program | None) -> str:
    """The program and its arguments; raw."""
    if program is None:
        return "another program"
    args = " ".join(program.argv[1:])
    return f"{program.exe} {args}{' …' if program.argv_cut else ''}".rstrip()
