"""Processes as /proc shows them now, and how to get their history."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from tracer import present
from tracer.render import words
from tracer.render.lines import Line, Span
from tracer.render.story import arguments
from tracer.runtime import cgroup
from tracer.whom import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracer.graph import Process
    from tracer.render.story import Told
    from tracer.runtime.units import Units

_HANG = 5


def present_lines(told: Told, process: Process, units: Units) -> Iterator[Line]:
    """What it is, where it is, and what follows from it."""
    yield from told.heading(process)
    yield Line([])
    parent = process.parent
    started = f"started {ago(present.age(process))} ago"
    child = f"child of {told.title(parent)}" if parent is not None else "its parent is not visible from here"
    notes = words.evidence(process.evidence) if parent is not None else []
    yield from told.prose.lines([Span(f"{child}; {started}")], first="  1. ", hang=_HANG, notes=notes)
    for fact in _facts(process):
        yield from told.note(fact)
    for number, conclusion in enumerate(present.conclusions(process, told.roles, units), 2):
        yield from told.prose.lines(
            [Span(conclusion.text)],
            first=f"{number:>3}. ",
            hang=_HANG,
            notes=words.evidence(conclusion.evidence),
        )
    yield Line([])
    yield from told.now(process)


def more_lines(told: Told, processes: Sequence[Process], who: str) -> Iterator[Line]:
    """What would tell the rest. `who`: as the user called them."""
    yield Line([])
    said = "/proc tells where a process is, not how it got there: that takes a recording of its start."
    yield from told.prose.lines([Span(said)], hang=2)
    commands = list(dict.fromkeys(present.recording(process, told.roles) for process in processes))
    # After a restart the number is another one.
    commands.append(f"ctrace explain {quote(told.roles.label(processes[0]) if is_number(who) else who)} FILE")
    for command in commands:
        yield from told.prose.lines([Span(command, "mark")], first="  ", hang=4)


def _facts(process: Process) -> Iterator[str]:
    if process.program is not None:
        yield f"runs {process.program.exe or process.comm}: {arguments(process.program)}"
    if len(process.ns_pids):
        inside = ", ".join(map(str, process.ns_pids))
        yield f"in {'a pid namespace' if len(process.ns_pids) == 1 else 'nested pid namespaces'}: {inside} inside"
    if process.cgroup:
        unit = str(cgroup.unit(process.cgroup))
        yield f"cgroup {process.cgroup}" + (f": {unit}" if unit else "")


def ago(seconds: float) -> str:
    """`12 s`, `3 min`, `5 h`, `8 days`."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds / unit)} {name}"
    return f"{int(seconds / 86_400)} days"
