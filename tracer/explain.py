"""The story of one process: how it got where it is, step by step, with rule, evidence and place in the trace.

The graph keeps what is; a story needs what was passed over at each step. So the trace is replayed once more, and the
moments that concern the process are written down while the state around them is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tracer.event import CLONE_PARENT, Clone, Event
from tracer.graph import RULE_SUBREAPER, Process, ProcessGraph, Reparenting
from tracer.identity import Evidence
from tracer.live import journal
from tracer.live.journal import Happened, Journal
from tracer.reconstruct import reconstruct
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.reaper import find_alive_thread
from tracer.sources.base import Progress, Source

Wanted = Callable[[Process], bool]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who could have inherited the process, and why it did not."""

    process: Process | None
    """None: the ancestors above are not known."""
    why: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to the process, or to its parent as far as it concerns the process."""

    kind: str
    """One of the kinds of tracer.live.journal."""
    at: int
    time: int | None
    evidence: Evidence | None
    """Of what the step says about the parent; None where it says nothing about it."""
    reason: str
    """Why the evidence is not better, or ''."""
    detail: object = None
    """As in Happened."""
    flags: int = 0
    """CREATED: the flags of the clone call."""
    creator: Process | None = None
    parent: Process | None = None
    """CREATED: the parent at birth."""
    passed_over: tuple[Candidate, ...] = ()
    """ADOPTED: nearest first."""


@dataclass(slots=True)
class Story:
    """What is known of one process, oldest first."""

    process: Process
    steps: list[Step] = field(default_factory=list)


class Teller:
    """Feeds an engine and writes down what happens to wanted processes; begins anew with each pass."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._engine: Engine | None = None
        self._journal: Journal | None = None
        self._flags: dict[int, int] = {}
        self.stories: dict[Process, Story] = {}

    def feed(self, engine: Engine, events: Iterable[Event]) -> None:
        """A Feed for reconstruct()."""
        if engine is not self._engine or self._journal is None:
            self._engine, self._journal = engine, Journal(engine, self._note)
            self.stories.clear()
        moved: list[tuple[Process, Reparenting]] = []
        for event in events:
            if type(event) is Clone:
                self._flags[event.child] = event.flags
            self._journal.feed((event,), moved)
            moved.clear()

    def _note(self, happened: Happened) -> None:
        process = happened.process
        if process is None or not self._wanted(process):
            return
        story = self.stories.setdefault(process, Story(process))
        story.steps.append(self._step(happened, process))

    def _step(self, happened: Happened, process: Process) -> Step:
        kind, at, time, _, detail = happened
        if kind == journal.CREATED:
            flags = self._flags.get(process.tgid, 0)
            return Step(
                kind, at, time, process.evidence, process.reason, detail, flags, process.creator, process.parent
            )
        if kind == journal.FOUND:
            return Step(kind, at, time, process.evidence, process.reason, parent=process.parent)
        if kind == journal.ADOPTED and isinstance(detail, Reparenting):
            over = tuple(_passed_over(detail))
            return Step(kind, at, time, detail.evidence, detail.reason, detail, passed_over=over)
        return Step(kind, at, time, None, "", detail)


def _passed_over(step: Reparenting) -> Iterable[Candidate]:
    """Why nobody nearer than the new parent inherited: find_new_reaper(), retold."""
    father = step.old
    yield Candidate(father, "no thread of it lived on")
    parent = father.real_parent
    while parent is not None and parent.process is not step.new:
        ancestor = parent.process
        if ancestor.ns.level != father.ns.level:
            yield Candidate(ancestor, "it is in another pid namespace, where the search ends")
            return
        if not ancestor.subreaper:
            known = ancestor.subreaper is False
            yield Candidate(
                ancestor, "not a subreaper" if known else "not known to be a subreaper: older than the trace"
            )
        elif find_alive_thread(ancestor) is None:
            yield Candidate(ancestor, "a subreaper, but no thread of it lived")
        parent = ancestor.real_parent
    if parent is None and step.rule != RULE_SUBREAPER:
        yield Candidate(None, "who is above is not in the trace")


def tell(source: Source, wanted: Wanted, *, progress: Progress | None = None) -> tuple[ProcessGraph, list[Story]]:
    """Replay the source and give the stories of all wanted processes, in order of birth.

    Raises InputError as the source does.
    """
    teller = Teller(wanted)
    graph = reconstruct(source, progress=progress, feed=teller.feed)
    alive = set(graph.processes)
    return graph, [s for p, s in teller.stories.items() if p in alive]


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain by which one process came from another: who created whom, and whether it still holds."""

    child: Process
    creator: Process
    beside: bool
    """CLONE_PARENT: the creator was never the parent."""
    left: Reparenting | None
    """The step that took `child` away from `creator`, if one did."""

    @property
    def holds(self) -> bool:
        """The creator is still the parent."""
        return self.child.parent is self.creator


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why a process is not below one that it descends from: the links from it upwards to that one."""

    process: Process
    expected: Process
    links: tuple[Link, ...]


def lineage(process: Process) -> list[Link]:
    """Who created it, who created that one, and so on, nearest first."""
    links = []
    child = process
    seen = {process}
    while child.creator is not None and child.creator not in seen:
        creator = child.creator
        seen.add(creator)
        left = next((s for s in child.reparentings or () if s.old is creator), None)
        links.append(Link(child, creator, child.birth_parent is not creator, left))
        child = creator
    return links


def why_not(process: Process) -> WhyNot | None:
    """The nearest living process that it descends from and is not below now; None if there is none.

    The expectation of people: what a process started, and what that started in turn, is below it.
    """
    above = set(ancestors(process))
    links = lineage(process)
    for i, link in enumerate(links):
        if link.creator.alive and link.creator not in above:
            return WhyNot(process, link.creator, tuple(links[: i + 1]))
    return None


def ancestors(process: Process) -> Iterable[Process]:
    """The tree above it now, nearest first."""
    parent = process.parent
    seen = {process}
    while parent is not None and parent not in seen:
        seen.add(parent)
        yield parent
        parent = parent.parent


def beside_its_creator(step: Step) -> bool:
    """CREATED with CLONE_PARENT."""
    return bool(step.flags & CLONE_PARENT)
