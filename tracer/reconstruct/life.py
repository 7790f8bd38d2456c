"""A whole short life at one go: what the rules make of its events, where nothing about them is in doubt.

A log can have a million of these. Whatever is out of the usual, in the state or in the life, goes event by event
through the rules, so there is nothing that only this module knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracer.event import ChildSignal, Clone, Exec, Exit, ExitBegin, Reap
from tracer.graph import DEAD, NO_THREADS, RUNNING, Process, Task
from tracer.identity import Evidence
from tracer.life import Life
from tracer.reconstruct.birth import on_clone
from tracer.reconstruct.exit import on_exit, on_exit_begin
from tracer.reconstruct.program import on_exec
from tracer.reconstruct.reap import on_child_signal, on_reap
from tracer.reconstruct.state import NOTHING, State

_HANDLERS: dict[type, Callable[[State, Any], None]] = {
    Clone: on_clone,
    Exec: on_exec,
    ExitBegin: on_exit_begin,
    Exit: on_exit,
    Reap: on_reap,
    ChildSignal: on_child_signal,
}


def on_life(state: State, life: Life) -> None:
    """What on_clone, on_exec, on_exit_begin, on_exit and on_reap would have kept."""
    at, _, tid, child, course = life
    tasks = state.tasks
    creator = tasks.get(tid)
    old = tasks.get(child)
    execs = course.exec_after is not None
    program = state.programs.get(course.program) if execs else None
    if (
        creator is None
        or creator.membership
        or creator.process.state is not RUNNING
        or creator.process.ns.level
        or (old is not None and (old.process.state is not DEAD or old is creator))
        or child == 1
        or (execs and program is None)  # nobody ran it before
        or state.clues.found_count
        or (state.lacks is not NOTHING and state.lacks != NOTHING)
        or state.ns_for_children
        or state.early_reuse
    ):
        for event in course.events(life):
            _HANDLERS[type(event)](state, event)
        return
    serial = 0 if old is None and not state.serials else state.next_serial(child)
    process = _new_dead(child, serial, creator, at, at + course.exit_after, course.status, at + course.reap_after)
    if program is not None:
        process.program, comm = program
        process.exec_at = at + (course.exec_after or 0)
        if course.program[0]:
            process.comm = comm
    tasks[child] = process.leader
    state.processes.append(process)
    state.exits_seen = True


_new = object.__new__


def _new_dead(
    tgid: int, serial: int, creator: Task, born_at: int, exited_at: int, status: int, reaped_at: int
) -> Process:
    """A process that its creator has reaped already, as __init__ and the rules would leave it; its times are not known.

    A replay can make millions of them one by one, and to set each field once takes a third of the time.
    """
    mother = creator.process
    process = _new(Process)
    process.tgid = tgid
    process.serial = serial
    process.ns = mother.ns
    process.outside = False
    process.leader = leader = _new(Task)
    leader.tid = tgid
    leader.process = process
    leader.creator_tid = process.reaper_tid = creator.tid
    leader.children = None
    leader.exiting = True
    leader.pdeath_signal = 0
    leader.membership = ""
    process.leader_known = True
    process.threads = NO_THREADS
    process.real_parent = creator
    process.evidence = Evidence.OBSERVED
    process.confirmed_at = 0
    process.reason = ""
    process.creator = mother
    process.born_at = born_at
    process.comm = mother.comm
    process.program = mother.program
    process.born_time = process.exec_at = process.exec_time = process.past = process.exited_time = (
        process.reaped_time
    ) = None
    process.state = DEAD
    process.status = status
    process.exited_at = exited_at
    process.reaped_at = reaped_at
    process.subreaper = False
    process.subreaper_at = process.reparentings = None
    process.ns_pids = ()
    process.cgroup = ""
    process.start_time = 0
    return process
