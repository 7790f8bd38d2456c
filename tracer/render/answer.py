"""The whole answer to "what if": the question, the verdict, the fate, and what another KillMode would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracer.graph import RUNNING
from tracer.render import words
from tracer.render.fate import Foretold, verdict
from tracer.render.lines import Line, Span
from tracer.runtime.stopping import DEFAULT

if TYPE_CHECKING:
    from tracer.graph import Process
    from tracer.render.prose import Prose
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles
    from tracer.runtime.stopping import Scope
    from tracer.whatif import Fate


@dataclass(slots=True)
class Answer:
    """A fate, and what it is the answer to."""

    question: dict[str, str]
    title: str
    fate: Fate
    scopes: list[Scope] = field(default_factory=list)
    otherwise: dict[str, Fate] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def answer_lines(answer: Answer, roles: Roles, names: Names, prose: Prose) -> Iterator[Line]:
    """All of it."""
    foretold = Foretold(answer.fate, roles, names, prose)
    yield from prose.lines([Span(answer.title, "name")], hang=2)
    for scope in answer.scopes:
        yield from _scope_lines(scope, foretold, prose)
    because = _because(answer)
    yield from prose.lines([Span(verdict(answer.fate, roles, because))], first="  ", hang=2)
    yield Line([])
    yield from foretold.lines()
    yield from foretold.lives_on(list(_survivors(answer, foretold)))
    for mode, other in answer.otherwise.items():
        yield Line([])
        yield from _otherwise_lines(mode, other, answer, roles, prose)
    if answer.notes:
        yield Line([])
    for note in answer.notes:
        yield from prose.lines([Span(note, "dim")], hang=2)


def _because(answer: Answer) -> str:
    """Why systemd ends nobody else."""
    mode = answer.scopes[0].kill_mode if answer.scopes else ""
    if mode == "process":
        return "KillMode=process ends the main process only"
    return "KillMode=none ends nobody" if mode == "none" else ""


def _scope_lines(scope: Scope, foretold: Foretold, prose: Prose) -> Iterator[Line]:
    known = "" if scope.kill_mode_known else " (assumed)"
    said = [f"{scope.name}: KillMode={scope.kill_mode}{known}"]
    said += ["SendSIGKILL=no"] if not scope.send_sigkill else []
    said += ["Delegate=yes"] if scope.delegate else []
    said.append(f"main process {foretold.title(scope.main)}" if scope.main is not None else "no main process")
    said.append(f"{len(scope.members):,} in its cgroup")
    yield from prose.lines([Span(", ".join(said), "dim")], first="  ", hang=4)


def _survivors(answer: Answer, foretold: Foretold) -> Iterator[str]:
    """Who is in the unit's cgroup and lives on, each with what is below it."""
    dead = answer.fate.dead
    for scope in answer.scopes:
        for process in scope.members:
            if process in dead:
                continue
            below = sum(1 for p in _below(process) if p.state is RUNNING)
            more = f", and {below:,} below it" if below else ""
            parent = f"; its parent is {foretold.title(process.parent)}" if process.parent is not None else ""
            yield f"{foretold.who(process)}{more}: in the cgroup of {scope.name}{parent}"


def _below(process: Process) -> Iterator[Process]:
    todo = list(process.children())
    while todo:
        child = todo.pop()
        yield child
        todo.extend(child.children())


def _otherwise_lines(mode: str, other: Fate, answer: Answer, roles: Roles, prose: Prose) -> Iterator[Line]:
    now, then = answer.fate.dead, other.dead
    default = ", systemd's default" if mode == DEFAULT else ""
    said = f"With KillMode={mode}{default}: "
    more = [p for p in then if p not in now]
    fewer = [p for p in now if p not in then]
    if more:
        said += f"{_people(more, roles)} would die, too."
    elif fewer:
        said += f"{_people(fewer, roles)} would live on."
    else:
        said += "the same would die."
    moved = [p for p, _ in other.adoptions]
    if moved:
        adopters = list(dict.fromkeys(step.new for _, step in other.adoptions if step.new is not None))
        by = " and ".join(words.title(p, roles) for p in adopters[:3])
        doubtful = {doubt.process for doubt in other.doubts} & set(moved)
        unless = ", unless containerd deletes them before it ends itself" if doubtful else ""
        said += f" {_people(moved, roles)} would be adopted by {by}{unless}."
    yield from prose.lines([Span(said)], hang=2)


def _people(processes: list[Process], roles: Roles) -> str:
    shown = sorted(processes, key=lambda p: p.tgid)[:8]
    names = [words.title(p, roles) for p in shown]
    if len(processes) > len(shown):
        names.append(f"{len(processes) - len(shown):,} others")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
