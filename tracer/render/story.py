"""The story of one process as numbered steps, and why it is not where one might expect it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tracer.event import CLONE_NEWPID, CLONE_PARENT, CLONE_VFORK
from tracer.explain import Step, Story, WhyNot, ancestors, beside_its_creator, why_not
from tracer.graph import Process, Program, Reparenting
from tracer.identity import signal_name
from tracer.live import journal as j
from tracer.render import words
from tracer.render.lines import Line, Span
from tracer.render.times import show_time

if TYPE_CHECKING:
    from tracer.explain import Link
    from tracer.runtime.roles import Roles

_NAMED_FLAGS = ((CLONE_PARENT, "CLONE_PARENT"), (CLONE_VFORK, "CLONE_VFORK"), (CLONE_NEWPID, "CLONE_NEWPID"))
_QUIET = frozenset({j.THREAD_CREATED, j.THREAD_EXITED, j.RENAMED})
_ARGUMENTS_SHOWN = 100


def story_lines(story: Story, roles: Roles, *, clock: str | None, width: int) -> Iterator[Line]:
    """Title, steps, what it is now, why it is not elsewhere."""
    process = story.process
    yield Line([Span(roles.label(process), words.name_style(process, roles)), Span(f" ({process.tgid})", "pid")])
    yield Line([])
    number = 0
    for step in story.steps:
        if step.kind in _QUIET:
            continue
        number += 1
        yield from _step_lines(number, step, process, roles, clock, width)
    yield Line([])
    yield from _now_lines(process, roles)
    expected = why_not(process)
    if expected is not None:
        yield Line([])
        yield from _why_not_lines(expected, roles)


def _step_lines(
    number: int, step: Step, process: Process, roles: Roles, clock: str | None, width: int
) -> Iterator[Line]:
    where = f"line {step.at}" + (f"  {show_time(step.time, clock)}" if step.time is not None else "")
    say = _SAY.get(step.kind)
    said = say(step, process, roles) if say is not None else [step.kind]
    notes = words.evidence(step.evidence) if step.evidence is not None else []
    yield Line([Span(f"{number:>3}. ", "dim"), Span(said[0]), Span(f"   {where}", "dim")], notes, width * 84 // 100)
    for more in said[1:]:
        yield Line([Span("     "), Span(more, "dim")])
    if step.reason:
        yield Line([Span("     "), Span(f"not certain: {step.reason}", "inferred")])


def _created(step: Step, process: Process, roles: Roles) -> list[str]:
    creator = step.creator
    if creator is None:
        return ["created by a task that the trace does not show"]
    thread = f", thread {process.creator_tid}" if process.creator_tid != creator.tgid else ""
    flags = [name for bit, name in _NAMED_FLAGS if step.flags & bit]
    how = f" with {' and '.join(flags)}" if flags else ""
    said = [f"created by {words.title(creator, roles, step.at)}{thread}{how}"]
    if beside_its_creator(step):
        parent = words.title(step.parent, roles, step.at) if step.parent is not None else "nobody that the trace shows"
        said.append(f"CLONE_PARENT: a child not of its creator but of the creator's parent, {parent}")
    elif step.parent is not None:
        said.append(f"child of {words.title(step.parent, roles, step.at)}")
    return said


def _found(step: Step, process: Process, roles: Roles) -> list[str]:
    said = ["it was there before the trace, or its creation was not traced"]
    if step.parent is not None:
        said.append(f"child of {words.title(step.parent, roles, step.at)}")
    return said


def _execed(step: Step, process: Process, roles: Roles) -> list[str]:
    program = step.detail
    if not isinstance(program, Program):
        return ["runs another program"]
    arguments = " ".join(program.argv)
    if len(arguments) > _ARGUMENTS_SHOWN or program.argv_cut:
        arguments = arguments[:_ARGUMENTS_SHOWN] + " …"
    role = roles.role(process, step.at)
    return [f"runs {program.exe}" + (f": now {role}" if role else ""), arguments]


def _adopted(step: Step, process: Process, roles: Roles) -> list[str]:
    change = step.detail
    if not isinstance(change, Reparenting):
        return ["adopted"]
    said = [f"adopted {words.adoption(change, roles, near=False)}"]
    for candidate in step.passed_over:
        who = words.title(candidate.process, roles, step.at) if candidate.process is not None else "above"
        said.append(f"passed over: {who}: {candidate.why}")
    return said


def _reaped(step: Step, process: Process, roles: Roles) -> list[str]:
    by = process.parent
    return [f"reaped by {words.title(by, roles, step.at)}" if by is not None else "reaped"]


def _pdeathsig(step: Step, process: Process, roles: Roles) -> list[str]:
    if not isinstance(step.detail, int) or not step.detail:
        return ["no signal any more when the thread that is its parent ends"]
    return [f"asks for {signal_name(step.detail)} when the thread that is its parent ends (PR_SET_PDEATHSIG)"]


_SAY: dict[str, Callable[[Step, Process, Roles], list[str]]] = {
    j.CREATED: _created,
    j.FOUND: _found,
    j.EXEC: _execed,
    j.ADOPTED: _adopted,
    j.REAPED: _reaped,
    j.PDEATHSIG: _pdeathsig,
    j.SUBREAPER: lambda s, p, r: [
        "became a subreaper: orphans below it go to it" if s.detail else "no subreaper any more"
    ],
    j.EXITED: lambda s, p, r: [words.end(p)],
    j.GONE: lambda s, p, r: ["ended while events were lost"],
}


def _now_lines(process: Process, roles: Roles) -> Iterator[Line]:
    """Where it is: the tree above it, in one line."""
    if not process.alive:
        yield Line([Span("now  ", "dim"), Span(words.end(process) + ", and gone")])
        return
    above = [words.title(p, roles) for p in ancestors(process)]
    path = " → ".join(above) if above else "its parent is not in the trace"
    state = "zombie: ended, not reaped yet; " if process.state == "zombie" else ""
    yield Line([Span("now  ", "dim"), Span(f"{state}below {path}" if above else f"{state}{path}")])


def _why_not_lines(reason: WhyNot, roles: Roles) -> Iterator[Line]:
    """The question that people have, and each link of the answer."""
    who, expected = words.title(reason.process, roles), words.title(reason.expected, roles)
    yield Line([Span(f"Why is {who} not below {expected}?", "name")])
    for link in reversed(reason.links):
        yield Line([Span("  "), Span(_link(link, roles))])


def _link(link: Link, roles: Roles) -> str:
    child, creator = words.title(link.child, roles), words.title(link.creator, roles, link.child.born_at)
    made = f"{creator} created {child}"
    if link.holds:
        return f"{made}, and is its parent."
    if link.left is not None:
        new = words.title(link.left.new, roles) if link.left.new is not None else "somebody unknown"
        return f"{made}; its end (line {link.left.at}) made {new} the parent: this link is broken."
    if link.beside:
        return f"{made} with CLONE_PARENT, so it was never its parent."
    return f"{made}."
