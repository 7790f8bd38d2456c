"""Events as one line each, so that a test reads like the log that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracer import event as ev
from tracer.event import CLONE_NEWPID, CLONE_PARENT, CLONE_THREAD, SIGCHLD, Event
from tracer.graph import Process, ProcessGraph
from tracer.reconstruct import reconstruct
from tracer.sources.base import Progress, SourceInfo, SourceStats

ALL_CALLS = {"clone", "execve", "prctl", "wait4", "exit_group"}


def parse(text: str) -> list[Event]:
    """`TID verb ARGS`, one event a line; the line number is `at`.

    fork N | thread N | beside N (CLONE_PARENT) | newpid N | exec [OLD] NAME | begin CODE | exit STATUS | reap N |
    sigchld N | subreaper 0/1 | unshare | attach
    """
    return [_event(at, line.split()) for at, line in enumerate(text.strip().splitlines(), 1)]


def _event(at: int, words: list[str]) -> Event:
    tid, verb, *args = words
    task = int(tid)
    flags = {"fork": 0, "thread": CLONE_THREAD, "beside": CLONE_PARENT, "newpid": CLONE_NEWPID}
    if verb in flags:
        return ev.Clone(at, None, task, int(args[0]), flags[verb], 0 if verb == "thread" else SIGCHLD)
    if verb == "exec":
        old = int(args[0]) if len(args) > 1 else task
        return ev.Exec(at, None, task, old, f"/bin/{args[-1]}", (args[-1],), False)
    simple: dict[str, Event] = {
        "unshare": ev.NewPidNs(at, None, task),
        "attach": ev.Attach(at, None, task),
    }
    if verb in simple:
        return simple[verb]
    number = int(args[0])
    with_number: dict[str, Event] = {
        "begin": ev.ExitBegin(at, None, task, number, True),
        "leave": ev.ExitBegin(at, None, task, number, False),
        "exit": ev.Exit(at, None, task, number),
        "reap": ev.Reap(at, None, task, number, 0),
        "sigchld": ev.ChildSignal(at, None, task, number),
        "subreaper": ev.SetSubreaper(at, None, task, bool(number)),
    }
    return with_number[verb]


class Memory:
    """A source that has its events already."""

    def __init__(self, events: list[Event], calls: Iterable[str] | None = ALL_CALLS) -> None:
        self.info = SourceInfo("strace" if calls is not None else "ctrace", "memory", None)
        self._events = events
        self.stats = SourceStats(calls=set(calls or ()))

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        yield self._events


def graph_of(text: str, calls: Iterable[str] | None = ALL_CALLS) -> ProcessGraph:
    """The graph after these events; `calls` as in SourceStats, None for a source that lacks nothing."""
    return reconstruct(Memory(parse(text), calls))


def edges(graph: ProcessGraph) -> dict[int, tuple[int | None, str]]:
    """tgid -> (parent's tgid, evidence) of all that live, zombies included."""
    return {p.tgid: (_tgid(p.parent), str(p.evidence)) for p in graph.live()}


def _tgid(process: Process | None) -> int | None:
    return None if process is None else process.tgid
