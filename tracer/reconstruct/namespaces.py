"""Which pid namespace a task lives in: unshare, setns, CLONE_NEWPID, and what numbers give away."""

from __future__ import annotations

from tracer.event import CLONE_NEWPID, JoinPidNs, NewPidNs, PidNsId
from tracer.graph import PidNs, Process, Task
from tracer.reconstruct.attach import attach
from tracer.reconstruct.state import State


def ns_of_child(state: State, creator: Task, flags: int) -> PidNs:
    """The pid namespace that copy_process() puts a child of `creator` in."""
    ns = state.ns_for_children.get(creator.tid, creator.process.ns)
    if flags & CLONE_NEWPID:
        ns = PidNs(ns.level + 1, ns)
        state.nested = True
    return ns


def ns_as_told(ns: PidNs, ns_pids: tuple[int, ...]) -> PidNs:
    """Live the kernel tells the level; it differs after a setns that was not seen."""
    told = PidNs(len(ns_pids), ns)
    told.joined = bool(ns_pids) and ns_pids[-1] != 1
    return told


def enter_ns(state: State, process: Process, creator: Task, ns_pids: tuple[int, ...], ns_child: int) -> None:
    """The first process of a new namespace has number 1 there and is its child_reaper (alloc_pid(), copy_process())."""
    ns = process.ns
    if ns_pids and ns_pids[-1] != 1 and ns.init is None:
        ns.joined = True  # the kernel has told that it is another one, whose birth was lost
    if ns.init is None and not ns.joined:
        ns.init = process
        state.living_ns[ns] = None
    if ns_pids:
        process.ns_pids = ns_pids
        return
    # The creator got the number of its own namespace; a new one below it starts at 1. Others are not told.
    own = (ns_child,) if ns_child else ()
    inner = (1,) if ns.init is process else ()
    numbers = own + inner
    process.ns_pids = numbers if len(numbers) == ns.level else ()


def unseen_ns(state: State, around: PidNs, why: str, ns_id: int = 0) -> PidNs:
    """A namespace that was entered in a way the trace does not show: the only one seen that fits, or an unknown one."""
    state.nested = True
    ns = PidNs(around.level + 1, around, ns_id)
    ns.joined = True
    fitting = [n for n in state.living_ns if n.parent is around]
    if len(fitting) == 1:
        ns.init = fitting[0].init
        ns.guess = why
    return ns


def on_new_pid_ns(state: State, event: NewPidNs) -> None:
    """unshare(CLONE_NEWPID): create_new_namespaces() replaces pid_ns_for_children; the caller itself stays."""
    task = state.live_task(event.tid) or attach(state, event.at, event.time, event.tid)
    own = task.process.ns
    state.nested = True
    state.ns_for_children[event.tid] = PidNs(own.level + 1, own)


def on_join_pid_ns(state: State, event: JoinPidNs) -> None:
    """setns(): children go into that namespace. An unknown one gets a namespace whose init was not seen."""
    task = state.live_task(event.tid) or attach(state, event.at, event.time, event.tid)
    own = task.process.ns
    ns = state.ns_by_id.get(event.ns_id)
    if ns is None:
        ns = unseen_ns(state, own, "the only pid namespace seen that setns can have meant", event.ns_id)
        ns.init_elsewhere = True
        if event.ns_id:
            state.ns_by_id[event.ns_id] = ns
    state.ns_for_children[event.tid] = ns


def on_pid_ns_id(state: State, event: PidNsId) -> None:
    """The number by which setns() and /proc name the namespace that this process lives in."""
    task = state.live_task(event.tid)
    if task is not None:
        ns = task.process.ns
        ns.ns_id = event.ns_id
        state.ns_by_id[event.ns_id] = ns
