"""The reconstructor: events in, in the kernel's order; the process graph out. No I/O, no formatting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tracer import event as ev
from tracer.event import Event
from tracer.graph import ProcessGraph
from tracer.life import Life
from tracer.reconstruct import attach, birth, namespaces, program, snapshot, subreaper
from tracer.reconstruct.exit import on_exit, on_exit_begin, on_gone, on_killed
from tracer.reconstruct.finish import finish
from tracer.reconstruct.life import on_life
from tracer.reconstruct.reap import on_child_signal, on_reap
from tracer.reconstruct.state import State

_HANDLERS: dict[type, Callable[[State, Any], None]] = {
    Life: on_life,
    ev.Clone: birth.on_clone,
    ev.Attach: attach.on_attach,
    ev.Snapshot: snapshot.on_snapshot,
    ev.NewPidNs: namespaces.on_new_pid_ns,
    ev.JoinPidNs: namespaces.on_join_pid_ns,
    ev.Exec: program.on_exec,
    ev.SetSubreaper: subreaper.on_set_subreaper,
    ev.SubreaperSettled: subreaper.on_subreaper_settled,
    ev.SetPdeathsig: program.on_set_pdeathsig,
    ev.Rename: program.on_rename,
    ev.Detach: program.on_detach,
    ev.Lost: program.on_lost,
    ev.ExitBegin: on_exit_begin,
    ev.Exit: on_exit,
    ev.Killed: on_killed,
    ev.Gone: on_gone,
    ev.Reap: on_reap,
    ev.ChildSignal: on_child_signal,
    ev.SameProcess: attach.on_same_process,
    ev.CgroupMove: program.on_cgroup_move,
    ev.PidNsId: namespaces.on_pid_ns_id,
    ev.ContainerTold: program.on_container_told,
}


class Engine:
    """Applies the kernel's rules event by event. `graph` may be read at any time between calls of `feed`."""

    handlers = _HANDLERS
    """By type of event; for callers that look at the graph between events."""

    def __init__(self, state: State | None = None) -> None:
        """`state`: a new one, which says what is known beforehand; None: nothing is."""
        self.state = state = state or State()
        self.graph = ProcessGraph(state.root_ns, state.init, state.processes, state.stats)
        self.graph.containers = state.containers

    def feed(self, events: Iterable[Event | Life]) -> None:
        """Apply the events. Never raises for what an event says, however odd."""
        state = self.state
        handlers = _HANDLERS
        for event in events:
            handlers[type(event)](state, event)

    def finish(self, calls: set[str] | None = None) -> ProcessGraph:
        """Draw the conclusions that need the whole trace; `calls` as in SourceStats, None where all is traced."""
        finish(self.state, calls)
        self.graph.init = self.state.init
        return self.graph
