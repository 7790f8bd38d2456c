"""What happened, one line each, in the order of the trace."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from tracer.graph import DEAD, Process, Reparenting
from tracer.identity import Evidence
from tracer.render import words
from tracer.render.lines import Line, Span, far_column
from tracer.render.times import show_time
from tracer.runtime.roles import Roles, name_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracer.graph import Program

# What comes first where one line of the trace tells several things.
_CREATED, _EXEC, _SUBREAPER, _EXITED, _ADOPTED, _REAPED = range(6)


class Happening(NamedTuple):
    """One thing that happened to a process; sorts by place in the trace."""

    at: int
    kind: int
    order: int
    """Of the process, by birth."""
    step: int
    """Of the thing, among those of its process."""
    time: int | None
    process: Process
    detail: Program | Reparenting | None


def happenings(processes: Iterable[Process]) -> Iterator[Happening]:
    """Everything that the graph knows to have happened to these processes, in order.

    Only what is to come for those already born is held: a trace has millions of processes, but few at a time.
    """
    to_come: list[Happening] = []
    for order, process in enumerate(sorted(processes, key=lambda process: process.born_at)):
        while to_come and to_come[0].at < process.born_at:
            yield heappop(to_come)
        for step, (at, kind, time, detail) in enumerate(_of(process)):
            heappush(to_come, Happening(at, kind, order, step, time, process, detail))
    while to_come:
        yield heappop(to_come)


def _of(process: Process) -> Iterator[tuple[int, int, int | None, Program | Reparenting | None]]:
    yield process.born_at, _CREATED, process.born_time, None
    for earlier in process.past or ():
        yield earlier.at, _EXEC, earlier.time, earlier.program
    if process.exec_at is not None:
        yield process.exec_at, _EXEC, process.exec_time, process.program
    if process.subreaper_at is not None:
        yield process.subreaper_at, _SUBREAPER, None, None
    if process.exited_at is not None:
        yield process.exited_at, _EXITED, process.exited_time, None
    for change in process.reparentings or ():
        yield change.at, _ADOPTED, change.time, change
    if process.reaped_at is not None:
        yield process.reaped_at, _REAPED, process.reaped_time, None


def timeline_lines(
    processes: Iterable[Process], roles: Roles, *, midnight: int | None, width: int, reasons: bool = False
) -> Iterator[Line]:
    """One line for each happening; with `reasons` one more for each edge that is not known better, and why."""
    processes = list(processes)
    digits = len(str(max((at for process in processes for at, *_ in _of(process)), default=0)))
    times = [time for process in processes for time in (process.born_time, process.exited_time) if time is not None]
    time_column = len(show_time(max(times), midnight)) + 2 if times else 0
    column = far_column(width)
    for event in happenings(processes):
        left = [Span(f"{event.at:>{digits}}  ", "dim")]
        if times:
            left.append(Span(f"{'' if event.time is None else show_time(event.time, midnight):<{time_column}}", "dim"))
        name = roles.label(event.process, event.at)
        left += [Span(name, words.name_style(event.process, roles)), Span(f" ({words.number(event.process)})  ", "pid")]
        said, kind, reason = _said(event, roles)
        left.append(Span(said, "bad" if event.kind == _EXITED and event.process.status else ""))
        yield Line(left, words.evidence(kind) if kind else [], column, _shorter(event, roles))
        if reasons and reason:
            yield Line([Span(f"{'':{digits}}    {reason}", "dim")])


def _said(event: Happening, roles: Roles) -> tuple[str, Evidence | None, str]:
    process = event.process
    if isinstance(event.detail, Reparenting):
        change = event.detail
        return f"adopted {words.adoption(change, roles, near=False)}", change.evidence, change.reason
    if event.kind == _CREATED:
        return _birth(process, roles)
    if event.kind == _EXEC:
        return f"runs {_command(event.detail or name_at(process, event.at).program)}", None, ""
    if event.kind == _SUBREAPER:
        return "became a subreaper" if process.subreaper else "was a subreaper from here on, later not", None, ""
    if event.kind == _EXITED:
        return f"{words.end(process)}{'' if process.state == DEAD else ', now a zombie'}", None, ""
    parent = process.parent
    return f"reaped by {words.title(parent, roles, event.at) if parent else process.reaper_tid}", None, ""


def _shorter(event: Happening, roles: Roles) -> list[str]:
    change = event.detail
    if not isinstance(change, Reparenting):
        return []
    return [f"adopted {text}" for text in words.adoption_in_short(change, roles, near=False)]


def _birth(process: Process, roles: Roles) -> tuple[str, Evidence | None, str]:
    creator, parent = process.creator, process.birth_parent
    # After an adoption, how well the birth was known is not kept.
    kind, reason = (None, "") if process.reparentings else (process.evidence, process.reason)
    if creator is None:
        known = f", child of {words.title(parent, roles, process.born_at)}" if parent else ""
        return f"there, creator not in the trace{known}", kind, reason
    thread = f", thread {process.creator_tid}" if process.creator_tid not in {0, creator.tgid} else ""
    said = f"created by {words.title(creator, roles, process.born_at)}{thread}"
    if parent is not None and parent is not creator:
        said += f", as a child of {words.title(parent, roles, process.born_at)}"
    return said, kind, reason


def _command(program: Program | None) -> str:
    if program is None:
        return "another program"
    args = " ".join(program.argv[1:])
    return f"{program.exe} {args}{' …' if program.argv_cut else ''}".rstrip()
