"""Tasks as /proc has them: before a live trace, and where the kernel is asked for its word."""

from __future__ import annotations

from tracer.event import Snapshot
from tracer.graph import RULE_SEEN, RUNNING, ZOMBIE, PidNs, Process, Program, Reparenting, Task
from tracer.identity import Evidence
from tracer.reconstruct.birth import new_thread, number_reused
from tracer.reconstruct.edges import is_below, set_real_parent
from tracer.reconstruct.exit import lives_on, zombie_found
from tracer.reconstruct.reaper import older_than
from tracer.reconstruct.state import State

OBSERVED = Evidence.OBSERVED
REPAIRED = "events were lost: read from /proc afterwards"
"""Why an edge that was repaired is `inferred`: the parent is the kernel's word, how it came to be is not known."""


def on_snapshot(state: State, event: Snapshot) -> None:
    """A task as /proc has it: new to the graph, or the kernel's word against ours."""
    task = state.live_task(event.tid)
    if task is not None and (task.process.tgid != event.tgid or _is_other(task, event)):
        number_reused(state, task, event.at, event.time)
        task = None
    if event.tid != event.tgid:
        host = state.live_task(event.tgid)
        if task is None and host is not None:
            new_thread(state, host, event.tid, "")
        return
    if task is None:
        old = state.tasks.get(event.tid)
        process = state.new_process(event.tid, _snapshot_ns(state, event), event.at, event.time, 0, old)
        if event.ns_pids and event.ns_pids[-1] == 1:
            process.ns.init = process
        process.subreaper = None
        process.comm, process.start_time = event.comm, event.start_time
        process.program = Program(event.exe, event.argv, event.argv_cut) if event.exe or event.argv else None
    else:
        process = task.process
    if event.subreaper is not None:
        process.subreaper = event.subreaper
        state.doubts.pop(process, None)
    elif older_than(process, state.lost_at):
        state.doubts[process] = "events were lost: whether the subreaper flag changed is not known"
    process.cgroup = event.cgroup or process.cgroup
    process.ns_pids = event.ns_pids or process.ns_pids
    if event.zombie and process.state is RUNNING:
        zombie_found(state, process, event.at, event.time)
    elif process.state is ZOMBIE and not event.zombie and state.lost_at > process.born_at:
        lives_on(process)
    _kernel_says_parent(state, process, event)


def _is_other(task: Task, event: Snapshot) -> bool:
    """Another process than the one with this number in the graph (a start time of 0 is unknown)."""
    known = task.process.start_time if event.tid == event.tgid else 0
    # /proc rounds the start time down to clock ticks of 10 ms (fs/proc/array.c, nsec_to_clock_t).
    return bool(known and event.start_time and abs(known - event.start_time) >= 10_000_000)


def _snapshot_ns(state: State, event: Snapshot) -> PidNs:
    """The namespace of a process found in /proc: by its inode, else by the parent's and the number of nested ids."""
    level = len(event.ns_pids)
    if level == 0:
        return state.root_ns
    ns = state.ns_by_id.get(event.pid_ns)
    if ns is not None:
        return ns
    parent = state.live_task(event.ppid)
    above = parent.process.ns if parent is not None else state.root_ns
    if above.level == level and not event.pid_ns:
        return above
    ns = PidNs(level, above, event.pid_ns)
    ns.joined = event.ns_pids[-1] != 1
    if event.pid_ns:
        state.ns_by_id[event.pid_ns] = ns
    return ns


def _kernel_says_parent(state: State, process: Process, event: Snapshot) -> None:
    """Take the parent from /proc; where the graph had another one, keep that as history."""
    if event.ppid == 0:
        return
    parent = process.parent
    if parent is not None and parent.tgid == event.ppid and (parent.alive or parent.outside):
        process.confirmed_at = event.at
        if process.evidence is not OBSERVED and process.reason != REPAIRED:
            process.evidence, process.reason = OBSERVED, ""
        return
    new = state.live_task(event.parent_tid)
    if new is None or new.process.tgid != event.ppid:
        new = state.live_task(event.ppid)
    if new is None:
        if event.ppid != 1:
            return
        new = state.init.leader
    if is_below(new.process, process):
        return
    evidence, reason = (Evidence.INFERRED, REPAIRED) if state.lost_at else (OBSERVED, "")
    set_real_parent(process, new, evidence, reason)
    process.confirmed_at = event.at
    if parent is None:
        return
    moved = Reparenting(event.at, event.time, parent, new.process, RULE_SEEN, "seen in /proc", evidence, reason)
    process.reparentings = [*(process.reparentings or ()), moved]
    state.note_move(process, moved)
