"""The story of one process: how it got where it is, step by step, with rule, evidence and place in the trace.

The graph keeps what is; a story needs what was passed over at each step. So the trace is replayed once more, and the
moments that concern the process are written down while the state around them is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tracer.event import Clone, Event, Exit, ExitBegin, Reap
from tracer.graph import RULE_SEEN, Process, ProcessGraph, Reparenting
from tracer.identity import Evidence
from tracer.live import journal
from tracer.live.journal import Happened, Journal
from tracer.reconstruct import reconstruct
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.reaper import find_alive_thread
from tracer.sources.base import Progress, Source

Wanted = Callable[[Process], bool]

THREAD_TOOK_OVER = "thread_took_over"
"""find_new_reaper() step 1: the thread that it hung on ended, another of the same process has it now."""


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
    """One of the kinds of tracer.live.journal, or THREAD_TOOK_OVER."""
    at: int
    time: int | None
    evidence: Evidence | None = None
    """Of what the step says about the parent; None where it says nothing about it."""
    reason: str = ""
    """Why the evidence is not better, or ''."""
    detail: object = None
    """As in Happened; THREAD_TOOK_OVER: the tid of the thread that ended."""
    tid: int = 0
    """The task that did it: who called clone, prctl, exit_group or wait; 0: nobody, or not known."""
    actor: Process | None = None
    """The process of `tid` where it is another one: creator, reaper, or the adopter."""
    flags: int = 0
    """CREATED: the flags of the clone call."""
    parent: Process | None = None
    """CREATED, FOUND: the parent then."""
    passed_over: tuple[Candidate, ...] = ()
    """ADOPTED: nearest first."""
    signal: int = 0
    """ADOPTED, THREAD_TOOK_OVER: the pdeath_signal that it got for it."""


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
        self._event: Event | None = None
        self._exit_calls: dict[Process, int] = {}
        """Wanted process -> the thread that called exit_group."""
        self.stories: dict[Process, Story] = {}

    def feed(self, engine: Engine, events: Iterable[Event]) -> None:
        """A Feed for reconstruct()."""
        if engine is not self._engine or self._journal is None:
            self._engine, self._journal = engine, Journal(engine, self._note)
            self.stories.clear()
            self._exit_calls.clear()
        moved: list[tuple[Process, Reparenting]] = []
        for event in events:
            self._event = event
            losing = self._children_of(engine, event) if type(event) is Exit else ()
            self._journal.feed((event,), moved)
            moved.clear()
            if type(event) is ExitBegin and event.group:
                self._exit_called(engine, event)
            for child, father in losing:
                self._thread_ended(event, child, father)

    def _children_of(self, engine: Engine, event: Event) -> list[tuple[Process, Process]]:
        """Wanted children that hang on the task which is about to end."""
        task = engine.state.tasks.get(event.tid)
        if task is None or not task.children:
            return []
        return [(child, task.process) for child in task.children if self._wanted(child)]

    def _thread_ended(self, event: Event, child: Process, father: Process) -> None:
        heir = child.real_parent
        if heir is None or heir.process is not father or heir.tid == event.tid or not child.alive:
            return  # the whole process is gone: then the child was adopted, which is told elsewhere
        if father.status is not None and not child.leader.pdeath_signal:
            return  # the whole process is about to go
        step = Step(
            THREAD_TOOK_OVER,
            event.at,
            event.time,
            Evidence.weakest(child.evidence, Evidence.DERIVED),
            child.reason,
            event.tid,
            heir.tid,
            father,
            signal=child.leader.pdeath_signal,
        )
        self._story(child).steps.append(step)

    def _exit_called(self, engine: Engine, event: ExitBegin) -> None:
        task = engine.state.tasks.get(event.tid)
        if task is not None and self._wanted(task.process):
            self._exit_calls.setdefault(task.process, event.tid)

    def _story(self, process: Process) -> Story:
        return self.stories.setdefault(process, Story(process))

    def _note(self, happened: Happened) -> None:
        process = happened.process
        if process is not None and self._wanted(process):
            self._story(process).steps.append(self._step(happened, process))

    def _step(self, happened: Happened, process: Process) -> Step:
        kind, at, time, _, detail = happened
        event = self._event
        if kind == journal.CREATED:
            flags = event.flags if isinstance(event, Clone) else 0
            return Step(
                kind,
                at,
                time,
                process.evidence,
                process.reason,
                tid=process.creator_tid,
                actor=process.creator,
                flags=flags,
                parent=process.parent,
            )
        if kind == journal.FOUND:
            return Step(kind, at, time, process.evidence, process.reason, parent=process.parent)
        if isinstance(detail, Reparenting):
            return _adoption(kind, detail, process)
        if kind == journal.EXITED:
            return Step(kind, at, time, tid=self._exit_calls.pop(process, 0))
        if kind == journal.REAPED and isinstance(event, Reap) and self._engine is not None:
            waiter = self._engine.state.tasks.get(event.tid)
            return Step(kind, at, time, tid=event.tid, actor=waiter.process if waiter is not None else None)
        tid = event.tid if kind in {journal.SUBREAPER, journal.PDEATHSIG} and event is not None else 0
        return Step(kind, at, time, detail=detail, tid=tid)


def _adoption(kind: str, change: Reparenting, process: Process) -> Step:
    new = process.real_parent
    return Step(
        kind,
        change.at,
        change.time,
        change.evidence,
        change.reason,
        change,
        tid=new.tid if new is not None and new.process is change.new else 0,
        actor=change.new,
        passed_over=tuple(_passed_over(change)) if change.rule != RULE_SEEN else (),
        signal=process.leader.pdeath_signal,
    )


def _passed_over(step: Reparenting) -> Iterator[Candidate]:
    """Why nobody nearer than the new parent inherited: find_new_reaper(), retold."""
    father = step.old
    yield Candidate(father, "it has no living thread left")
    parent = father.real_parent
    seen = {father}
    while parent is not None and parent.process is not step.new and parent.process not in seen:
        ancestor = parent.process
        seen.add(ancestor)
        if ancestor.ns.level != father.ns.level:
            yield Candidate(ancestor, "it is in another pid namespace, where the search ends")
            return
        why = _why_not(ancestor)
        if why:
            yield Candidate(ancestor, why)
        parent = ancestor.real_parent
    if parent is None:
        yield Candidate(None, "who is further up is not in the trace")


def _why_not(ancestor: Process) -> str:
    if ancestor.subreaper is None:
        return "it is older than the trace, and was not seen to become a subreaper"
    if not ancestor.subreaper:
        return "it is no subreaper"
    return "a subreaper, but it has no living thread" if find_alive_thread(ancestor) is None else ""


def tell(source: Source, wanted: Wanted, *, progress: Progress | None = None) -> tuple[ProcessGraph, list[Story]]:
    """Replay the source and give the stories of all wanted processes, in order of birth.

    `wanted` is asked while the trace is read: a process has no name yet when it is born, and can get another serial.
    Raises InputError as the source does.
    """
    teller = Teller(wanted)
    graph = reconstruct(source, progress=progress, feed=teller.feed)
    alive = set(graph.processes)
    return graph, [story for process, story in teller.stories.items() if process in alive]
