"""What happens, told while it happens: feeds the engine event by event and says what each one changed.

The engine only knows the state after an event; what people want to read (and machines, as lines of JSON) is the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tracer import event as ev
from tracer.event import Event
from tracer.graph import DEAD, RUNNING, Process, Program, Reparenting, Task
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.state import State

FOUND = "found"
"""It was there before the trace, or was found in /proc after events were lost."""
CREATED = "created"
EXEC = "exec"
RENAMED = "renamed"
SUBREAPER = "subreaper"
PDEATHSIG = "pdeathsig"
ADOPTED = "adopted"
EXITED = "exited"
REAPED = "reaped"
GONE = "gone"
"""It ended while events were lost."""
THREAD_CREATED = "thread_created"
THREAD_EXITED = "thread_exited"
LOST = "lost"


class Happened(NamedTuple):
    """One change. Read it before the next event is fed: the process goes on changing."""

    kind: str
    at: int
    time: int | None
    process: Process | None
    """None only for LOST."""
    detail: Program | Reparenting | str | int | bool | None = None
    """EXEC: the Program; ADOPTED: the Reparenting; RENAMED: the old comm; SUBREAPER: the flag; PDEATHSIG: the signal;
    THREAD_*: the tid; LOST: how many."""


Tell = Callable[[Happened], None]


class Journal:
    """Feeds an engine and calls `tell` for each change, in order, right after it."""

    def __init__(self, engine: Engine, tell: Tell) -> None:
        self._engine = engine
        self._state = engine.state
        self.tell = tell

    def feed(self, events: Iterable[Event], moved: list[tuple[Process, Reparenting]]) -> None:
        """Apply the events one by one; adds every adoption to `moved`."""
        state, apply, tell = self._state, self._engine.handlers, self.tell
        before, after = _BEFORE, _AFTER
        moves: list[tuple[Process, Reparenting]] = []
        state.moves = moves
        for event in events:
            kind = type(event)
            remember, look = before.get(kind), after.get(kind)
            known = remember(state, event) if remember is not None else None
            apply[kind](state, event)
            if look is not None:
                happened = look(state, event, known)
                if happened is not None:
                    tell(happened)
            if moves:
                for process, step in moves:
                    tell(Happened(ADOPTED, step.at, step.time, process, step))
                moved += moves
                moves.clear()


def _task_before(state: State, event: Any) -> tuple[Task, str, bool | None, str] | None:
    """The task, and its process's state, subreaper flag and comm before the event."""
    task = state.live_task(event.tid)
    if task is None:
        return None
    process = task.process
    return task, process.state, process.subreaper, process.comm


def _child_before(state: State, event: Any) -> tuple[Task, str, bool | None, str] | None:
    task = state.live_task(event.child)
    return None if task is None else (task, task.process.state, None, "")


_Known = tuple[Task, str, bool | None, str] | None
_Said = Happened | None


def _process_now(state: State, tid: int) -> Process | None:
    task = state.tasks.get(tid)
    return None if task is None else task.process


def _created(state: State, event: ev.Clone, known: _Known) -> _Said:
    process = _process_now(state, event.child)
    if process is None or (known is not None and known[0].process is process):
        return None
    if event.flags & ev.CLONE_THREAD:
        return Happened(THREAD_CREATED, event.at, event.time, process, event.child)
    return Happened(CREATED, event.at, event.time, process)


def _found(state: State, event: ev.Snapshot | ev.Attach, known: _Known) -> _Said:
    process = _process_now(state, event.tid)
    if process is None or process.tgid != event.tid or (known is not None and known[0].process is process):
        return None
    return Happened(FOUND, event.at, event.time, process)


def _execed(state: State, event: ev.Exec, known: _Known) -> _Said:
    process = _process_now(state, event.tid)
    return None if process is None else Happened(EXEC, event.at, event.time, process, process.program)


def _subreaper(state: State, event: ev.SetSubreaper, known: _Known) -> _Said:
    process = _process_now(state, event.tid)
    if process is None or (known is not None and known[2] is event.on):
        return None
    return Happened(SUBREAPER, event.at, event.time, process, event.on)


def _pdeathsig(state: State, event: ev.SetPdeathsig, known: _Known) -> _Said:
    process = _process_now(state, event.tid)
    return None if process is None else Happened(PDEATHSIG, event.at, event.time, process, event.signal)


def _renamed(state: State, event: ev.Rename, known: _Known) -> _Said:
    process = _process_now(state, event.tid)
    if process is None or process.tgid != event.tid or known is None or known[3] == process.comm:
        return None
    return Happened(RENAMED, event.at, event.time, process, known[3])


def _ended(state: State, event: ev.Exit | ev.Gone, known: _Known) -> _Said:
    if known is None or known[1] is not RUNNING:
        return None
    process = known[0].process
    if process.state is RUNNING:
        return Happened(THREAD_EXITED, event.at, event.time, process, event.tid)
    return Happened(GONE if type(event) is ev.Gone else EXITED, event.at, event.time, process)


def _reaped(state: State, event: ev.Reap, known: _Known) -> _Said:
    if known is None or known[0].process.state is not DEAD or known[0].tid != known[0].process.tgid:
        return None
    return Happened(REAPED, event.at, event.time, known[0].process)


def _lost(state: State, event: ev.Lost, known: _Known) -> _Said:
    return Happened(LOST, event.at, event.time, None, event.count)


_BEFORE: dict[type, Callable[[State, Any], _Known]] = {
    ev.Clone: _child_before,
    ev.Attach: _task_before,
    ev.Snapshot: _task_before,
    ev.SetSubreaper: _task_before,
    ev.Rename: _task_before,
    ev.Exit: _task_before,
    ev.Gone: _task_before,
    ev.Reap: _child_before,
}
_AFTER: dict[type, Callable[[State, Any, _Known], _Said]] = {
    ev.Clone: _created,
    ev.Attach: _found,
    ev.Snapshot: _found,
    ev.Exec: _execed,
    ev.SetSubreaper: _subreaper,
    ev.SetPdeathsig: _pdeathsig,
    ev.Rename: _renamed,
    ev.Exit: _ended,
    ev.Gone: _ended,
    ev.Reap: _reaped,
    ev.Lost: _lost,
}
