"""The story of one process as numbered steps, and why it is not where one might expect it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tracer.event import CLONE_NEWPID, CLONE_PARENT, CLONE_VFORK
from tracer.expectation import WhyNot, ancestors, why_not
from tracer.explain import THREAD_TOOK_OVER, Step, Story
from tracer.graph import RUNNING, ZOMBIE, Process, Program, Reparenting
from tracer.identity import signal_name
from tracer.live import journal as j
from tracer.render import words
from tracer.render.lines import Line, Span
from tracer.render.times import show_time
from tracer.runtime.roles import SHIM, SHIM_START

if TYPE_CHECKING:
    from tracer.expectation import Link
    from tracer.render.prose import Prose
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles
    from tracer.sources.base import SourceInfo

FLAGS = ((CLONE_PARENT, "CLONE_PARENT"), (CLONE_VFORK, "CLONE_VFORK"), (CLONE_NEWPID, "CLONE_NEWPID"))
"""Those that say something about the tree."""
QUIET = frozenset({j.THREAD_CREATED, j.THREAD_EXITED, j.RENAMED})
"""Steps that are not told: threads come and go, and change names, by the dozen."""
_ARGUMENTS_SHOWN = 400
_HANG = 5
_ABOVE = 12
"""So many ancestors, or passed over candidates, are named; the rest is counted."""


class Told:
    """Tells stories of one trace."""

    def __init__(
        self, roles: Roles, names: Names, source: SourceInfo, prose: Prose, *, waits_seen: bool = True
    ) -> None:
        self.roles = roles
        self.names = names
        self.prose = prose
        self._source = source
        self._waits_seen = waits_seen

    def story(self, story: Story) -> Iterator[Line]:
        """Title, steps, what it is now, why it is not elsewhere."""
        process = story.process
        yield from self.heading(process)
        yield Line([])
        for number, step in enumerate((s for s in story.steps if s.kind not in QUIET), 1):
            yield from self._step(number, step, process)
        yield Line([])
        yield from self.now(process)
        expected = why_not(process)
        if expected is not None:
            yield Line([])
            yield from self._why_not(expected)

    def heading(self, process: Process) -> Iterator[Line]:
        """`nginx (158)   container, of shop/web nginx`."""
        roles = self.roles
        name = self.names.of(process)
        said = ", ".join(words.marks(process, roles))
        if name is not None and name.title:
            said += f"{', ' if said else ''}of {name.title}"
        label = Span(roles.label(process), words.name_style(process, roles))
        title = [label, Span(f" ({words.number(process)})", "pid")]
        yield from self.prose.lines([*title, Span(f"   {said}", "mark")] if said else title, hang=2)

    def title(self, process: Process | None, at: int | None = None) -> str:
        """`runc create (1224714)`, what it was at `at`. Raw."""
        return "nobody that the trace shows" if process is None else words.title(process, self.roles, at)

    def place(self, at: int, time: int | None = None) -> str:
        """`line 366, 07:02:19.201738`."""
        return self._source.place(at) + (f", {show_time(time, self._source.midnight)}" if time is not None else "")

    def _step(self, number: int, step: Step, process: Process) -> Iterator[Line]:
        first, *more = _SAY[step.kind](self, step, process)
        notes = words.evidence(step.evidence) if step.evidence is not None else []
        text = [Span(f"{first}   "), Span(self.place(step.at, step.time), "place")]
        yield from self.prose.lines(text, first=f"{number:>3}. ", hang=_HANG, notes=notes)
        for sentence in more:
            yield from self.note(sentence)
        if step.reason and step.reason != first:
            yield from self.note(f"not certain: {step.reason}", "inferred")

    def note(self, sentence: str, style: str = "dim") -> Iterator[Line]:
        """More on a step, below it."""
        return self.prose.lines([Span(sentence, style)], first=" " * _HANG, hang=_HANG + 2)

    def now(self, process: Process) -> Iterator[Line]:
        """Where it is: the tree above it."""
        if not process.alive:
            said = f"{words.end(process)}, and gone"
            if process.reaped_at is None:
                said += "; who reaped it is not in the trace"
        else:
            above = self._path(list(ancestors(process)))
            state = ""
            if process.state == ZOMBIE and self._waits_seen:
                state = "a zombie: it has ended, and its parent has not waited for it; "
            elif process.state == ZOMBIE:
                state = "ended, and perhaps a zombie: no wait of anybody is in the trace; "
            root = process.tgid == 1 and not process.ns.level
            alone = "the root of the tree" if root else "its parent is not in the trace"
            said = state + (f"below {above}" if above else alone)
            if process.state == RUNNING and len(process.threads) > 1:
                said += f", with {len(process.threads):,} threads"
        yield from self.prose.lines([Span(said)], first="now  ", hang=_HANG)

    def _path(self, above: list[Process]) -> str:
        shown = [self.title(p) for p in (above if len(above) <= _ABOVE else above[: _ABOVE - 2])]
        if len(above) > _ABOVE:
            shown += [f"… {len(above) - _ABOVE + 1:,} more …", self.title(above[-1])]
        return " → ".join(shown)

    def _why_not(self, reason: WhyNot) -> Iterator[Line]:
        """The question that people have, and each link of the answer."""
        who, expected = self.title(reason.process), self.title(reason.expected)
        yield from self.prose.lines([Span(f"Why is {who} not below {expected}?", "name")], hang=2)
        for link in reversed(reason.links):
            yield from self.prose.lines([Span(self._link(link))], first="  ", hang=4)
        parent = self.title(reason.process.parent)
        said = f"So the kernel does nothing to {who} when {expected} ends: its parent is {parent}."
        yield from self.prose.lines([Span(said)], first="  ", hang=4)

    def _link(self, link: Link) -> str:
        child, creator = self.title(link.child), self.title(link.creator, link.child.born_at)
        if link.holds:
            tense = "is" if link.child.alive and link.creator.alive else "was"
            return f"{creator} created {child}, and {tense} its parent."
        said = f"{creator} created {child}"
        if link.beside:
            said += f" with CLONE_PARENT, as a child of {self.title(link.child.birth_parent, link.child.born_at)}"
        if link.left is None:
            return f"{said}." if link.beside else f"{said}; who its parent was then is not known."
        new = self.title(link.left.new) if link.left.new is not None else "somebody unknown"
        end = "whose end" if link.beside else "the creator's end"
        return f"{said}{', ' if link.beside else '; '}{end} ({self.place(link.left.at)}) made {new} the parent."


def _created(told: Told, step: Step, process: Process) -> list[str]:
    if step.actor is None:
        return ["created by a task that the trace does not show", *_child_of(told, step)]
    thread = f", thread {step.tid}" if step.tid not in {0, step.actor.tgid} else ""
    flags = [name for bit, name in FLAGS if step.flags & bit]
    how = f", with {' and '.join(flags)}" if flags else ""
    said = [f"created by {told.title(step.actor, step.at)}{thread}{how}"]
    if step.flags & CLONE_PARENT:
        return [*said, f"CLONE_PARENT: a child not of its creator but of its creator's parent, "
                f"{told.title(step.parent, step.at)}"]  # fmt: skip
    return [*said, *_child_of(told, step)]


def _child_of(told: Told, step: Step) -> list[str]:
    return [f"child of {told.title(step.parent, step.at)}"] if step.parent is not None else []


def _found(told: Told, step: Step, process: Process) -> list[str]:
    return ["it was there before the trace, or its creation was not traced", *_child_of(told, step)]


def _execed(told: Told, step: Step, process: Process) -> list[str]:
    program = step.detail
    if not isinstance(program, Program):
        return ["runs another program"]
    role = told.roles.role(process, step.at)
    return [f"runs {program.exe}{f': now {role}' if role else ''}", arguments(program)]


def arguments(program: Program) -> str:
    """The command line, shortened where it is very long. Raw."""
    text = " ".join(program.argv)
    cut = len(text) > _ARGUMENTS_SHOWN or program.argv_cut
    return text[:_ARGUMENTS_SHOWN] + (" …" if cut else "")


def _adopted(told: Told, step: Step, process: Process) -> list[str]:
    change = step.detail
    if not isinstance(change, Reparenting):
        return ["adopted"]
    said = [f"adopted {words.adoption(change, told.roles, near=False)}"]
    if change.new is not None and step.tid not in {0, change.new.tgid}:
        said.append(f"it hangs on thread {step.tid} there")
    for candidate in step.passed_over[:_ABOVE]:
        who = told.title(candidate.process, step.at) + ": " if candidate.process is not None else ""
        said.append(f"passed over: {who}{candidate.why}")
    if len(step.passed_over) > _ABOVE:
        said.append(f"and {len(step.passed_over) - _ABOVE:,} more")
    return [*said, *_pdeath(step)]


def _thread_took_over(told: Told, step: Step, process: Process) -> list[str]:
    said = f"thread {step.detail} of {told.title(step.actor, step.at)}, which it was a child of, ended"
    return [f"{said} → thread {step.tid} of the same process", *_pdeath(step)]


def _pdeath(step: Step) -> list[str]:
    return [f"it got {signal_name(step.signal)} for it: its pdeath_signal"] if step.signal else []


def _exited(told: Told, step: Step, process: Process) -> list[str]:
    by = f": thread {step.tid} called exit_group" if step.tid not in {0, process.tgid} else ""
    return [words.end(process) + by]


def _reaped(told: Told, step: Step, process: Process) -> list[str]:
    if step.actor is None:
        return [f"reaped by {step.tid}" if step.tid else "reaped"]
    thread = f", thread {step.tid}" if step.tid not in {0, step.actor.tgid} else ""
    return [f"reaped by {told.title(step.actor, step.at)}{thread}"]


def _by_thread(step: Step, process: Process) -> str:
    return f" (thread {step.tid} called prctl, for the whole process)" if step.tid not in {0, process.tgid} else ""


def _pdeathsig(told: Told, step: Step, process: Process) -> list[str]:
    thread = f"thread {step.tid}: " if step.tid not in {0, process.tgid} else ""
    if not isinstance(step.detail, int) or not step.detail:
        return [f"{thread}wants no signal any more when the thread that is its parent ends (PR_SET_PDEATHSIG 0)"]
    return [f"{thread}asks for {signal_name(step.detail)} when the thread that is its parent ends (PR_SET_PDEATHSIG)"]


def _subreaper(told: Told, step: Step, process: Process) -> list[str]:
    if not step.detail:
        return [f"is no subreaper any more{_by_thread(step, process)}"]
    role = told.roles.role(process, step.at)
    said = [f"became a subreaper{_by_thread(step, process)}: orphans below it go to it"]
    if role == SHIM:
        said.append("so runc may exit, and what it started stays with the shim")
    if role == SHIM_START:
        said.append("this does not pass to the shim that it starts: the flag is not inherited")
    return said


_SAY: dict[str, Callable[[Told, Step, Process], list[str]]] = {
    j.CREATED: _created,
    j.FOUND: _found,
    j.EXEC: _execed,
    j.ADOPTED: _adopted,
    THREAD_TOOK_OVER: _thread_took_over,
    j.REAPED: _reaped,
    j.PDEATHSIG: _pdeathsig,
    j.SUBREAPER: _subreaper,
    j.EXITED: _exited,
    j.GONE: lambda told, step, process: ["ended while events were lost"],
}
