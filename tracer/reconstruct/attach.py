"""Tasks whose creation the trace does not show."""

from __future__ import annotations

from tracer.event import CLONE_THREAD, Attach, Event, SameProcess
from tracer.graph import RUNNING, ZOMBIE, Process, Task
from tracer.reconstruct.edges import bury
from tracer.reconstruct.hosts import may_be_thread
from tracer.reconstruct.possible_parents import born_of_one
from tracer.reconstruct.state import State
from tracer.reconstruct.ways import calls_of

NO_THREAD = "it turned out to be no thread of {}: who created it is not known"


def attach(state: State, at: int, time: int | None, tid: int, explained: bool | None = False) -> Task:
    """A task whose creation was not seen: a thread where a hint of the first pass says so, else its own process."""
    hint = state.hints.get((at, tid))
    if hint is not None:
        host = state.live_task(hint.tgid)
        if host is not None and host.process.state is RUNNING:
            task = Task(tid, host.process, 0)
            task.membership = hint.reason
            state.add_thread(host.process, task)
            state.stats.inferred += 1
            return task
    first = not state.processes
    process = state.new_process(tid, state.root_ns, at, time, 0, state.tasks.get(tid))
    if not first:
        state.clues.found(process, explained)
    process.subreaper = None
    process.leader_known = tid == 1
    process.reason = "it was there before the trace, or its creation was not traced"
    return process.leader


def process_of(state: State, event: Event) -> Process:
    """Whose task did it; it was there before the trace if it is new."""
    task = state.tasks.get(event.tid) or attach(state, event.at, event.time, event.tid)
    return task.process


def on_attach(state: State, event: Attach) -> None:
    """A notice, or the first line of a task without a birth."""
    at, time, tid, comm, noticed, threads, creators, hosts = event
    old = state.live_task(tid)
    if old is not None:
        if old.process.state is not ZOMBIE:
            return
        state.early_reuse[tid] = old.process  # the dead do nothing: another task has the number
        bury(old.process, at, time)
    first = not state.processes
    # Where ends are not told, `hosts` is only what is possible.
    explained = True if creators or (hosts and state.exits_seen) else None if hosts else False
    task = attach(state, at, time, tid, explained)
    process = task.process
    if comm and process.leader is task:
        process.comm = comm
    if task.membership:
        threads_of = [call for call in calls_of(event) if call[1] & CLONE_THREAD]
        if threads_of:  # each call has created one
            state.riddles[at, tid] = threads_of
        return
    if creators:
        state.riddles[at, tid] = [] if hosts else calls_of(event)  # it may be somebody's thread
        born_of_one(state, process, event)
    if hosts:
        may_be_thread(state, process, hosts)
    if threads or (noticed and first):
        # `strace -f -p N` attaches to all threads of N and says how many where they are several.
        process.leader_known = True
    if threads:
        state.clues.attached_with_threads(process, threads)
    elif not noticed:
        state.clues.found_without_notice(process)
        if not state.clues.threads_attached:
            _doubt_the_first(state.processes[0])


def _doubt_the_first(process: Process) -> None:
    """strace announces all that it attaches to. Where it has not announced one, the beginning of the log is missing,
    and the first notice may be of somebody's thread."""
    if process.exec_at is None and process.tgid != 1:
        process.leader_known = False


def split_off(state: State, task: Task, at: int, time: int | None) -> Task:
    """A task that was taken for a thread does what only a leader does: it is a process, of unknown origin."""
    host = task.process
    state.contradictions.append((None, host))
    host.threads.pop(task.tid, None)
    old = state.tasks.pop(task.tid, None)
    process = state.new_process(task.tid, host.ns, at, time, 0, old if old is not task else None)
    process.subreaper = None
    process.comm, process.program = host.comm, host.program
    process.reason = NO_THREAD.format(host.tgid)
    leader = process.leader
    leader.children, task.children = task.children, None
    for child in leader.children or ():
        child.real_parent = leader
    return leader


def on_same_process(state: State, event: SameProcess) -> None:
    """The trace itself puts two tasks into one process."""
    task, other = state.live_task(event.tid), state.live_task(event.other)
    if task is not None and other is not None and task.process is not other.process:
        state.clues.same_process(task.process, other.process)
