"""What a process runs and what it set for itself: fs/exec.c and kernel/sys.c."""

from __future__ import annotations

from tracer.event import (
    CgroupMove,
    ContainerTold,
    Detach,
    Exec,
    Lost,
    Rename,
    SetPdeathsig,
)
from tracer.graph import DEAD, RUNNING, ZOMBIE, Execed, Process, Program, Task
from tracer.reconstruct.attach import attach, process_of, split_off
from tracer.reconstruct.edges import is_below
from tracer.reconstruct.exit import lives_on, merge_threads
from tracer.reconstruct.gaps import lines_are_missing
from tracer.reconstruct.membership import prove
from tracer.reconstruct.state import State

TASK_COMM_LEN = 16
"""include/linux/sched.h; the last byte is the terminating NUL."""

PROGRAMS_SIZE = 32 << 20
"""Bytes that different ones may take, roughly; then the table begins anew. A stranger chooses how long they are."""


def comm_of(filename: str) -> str:
    """begin_new_exec(): comm is the last part of the path, cut to 15 bytes."""
    name = filename.rpartition("/")[2]
    if name.isascii():
        return name[: TASK_COMM_LEN - 1]
    return name.encode(errors="replace")[: TASK_COMM_LEN - 1].decode(errors="ignore")


def on_exec(state: State, event: Exec) -> None:
    """begin_new_exec(): other threads die, the caller becomes the leader (de_thread), the program is replaced."""
    at, time, tid, old_tid, filename, argv, argv_cut = event
    state.from_start |= at == 1
    task = state.tasks.get(old_tid)
    if task is None or task.process.state is DEAD:
        task = attach(state, at, time, old_tid)
    if tid != old_tid and not _join_leader(state, task, tid):
        tid = old_tid
    process = task.process
    if process.state is ZOMBIE and not state.ptraced:
        lives_on(process)
        process.leader.exiting = False
    if task.membership:
        if tid == old_tid != process.tgid:
            # A thread would have gone on under the leader's number.
            task = split_off(state, task, at, time)
            process = task.process
        elif prove(task) == state.doubts.get(process):
            del state.doubts[process]
    tid = process.tgid
    if state.dying_groups:
        state.dying_groups.pop(process, None)
    if state.clues.found_count:
        state.clues.exec_ends_threads(process, at)
    if tid != old_tid or len(process.threads) > 1:
        _take_over_group(state, process, task, tid, at)
    if not process.leader_known:
        process.leader_known = True
        state.clues.proven(process)
    if process.exec_at is not None:
        earlier = Execed(process.exec_at, process.exec_time, process.program, process.comm)
        if process.past is None:
            process.past = [earlier]
        else:
            process.past.append(earlier)
    known = state.programs.get((filename, argv, argv_cut))
    program, comm = known if known is not None else _new_program(state, filename, argv, argv_cut)
    if filename:
        process.comm = comm
    process.program = program
    process.exec_at = at
    process.exec_time = time


def _new_program(state: State, filename: str, argv: tuple[str, ...], argv_cut: bool) -> tuple[Program, str]:
    """Programs are shared between the processes that run them: a shell loop runs one a million times."""
    state.programs_size += 500 + 60 * len(argv) + sum(map(len, argv))
    if state.programs_size > PROGRAMS_SIZE:
        state.programs.clear()
        state.programs_size = 0
    program = Program(filename, argv, argv_cut)
    found = state.programs[program] = program, comm_of(filename)
    return found


def _join_leader(state: State, task: Task, tid: int) -> bool:
    """An exec by a thread that was taken for a process of its own proves whose thread it is: the leader's.

    False: it cannot be, the leader descends from it or has ended.
    """
    stray = task.process
    leader = state.live_task(tid)
    if leader is None:
        state.serials[stray.tgid] = stray.serial + 1
        stray.serial = state.next_serial(tid)
        stray.tgid = tid
        return True
    process = leader.process
    if process is stray:
        return True
    state.contradictions.append((None, process))
    if process.state is not RUNNING or is_below(process, stray):
        return False
    if task.membership and stray.leader is not task:  # a guess had put this one thread into the wrong process
        prove(task)
        stray.threads.pop(task.tid, None)
        task.process = process
        process.threads[task.tid] = task
        return True
    doubt = task.membership
    for other in stray.threads.values():
        if other.membership == doubt:  # else it is another guess that this one is of the same process
            prove(other)
        other.process = process
        process.threads[other.tid] = other
    state.serials[stray.tgid] = stray.serial + 1
    state.merged.add(stray)
    return True


def _take_over_group(state: State, process: Process, task: Task, tid: int, at: int) -> None:
    """de_thread(): the caller takes the leader's number; all others are dead, their children are the caller's."""
    if state.lacks.begun:
        state.doubts[process] = f"threads of {tid} were killed at its exec: what they were doing is not told"
    merge_threads(state, process, task, at)
    state.tasks.pop(task.tid, None)
    if state.ns_for_children:  # nsproxy is of the task: what the old leader unshared ended with it
        namespace = state.ns_for_children.pop(task.tid, None)
        state.ns_for_children.pop(tid, None)
        if namespace is not None:
            state.ns_for_children[tid] = namespace
    task.tid = tid
    task.creator_tid = process.leader.creator_tid
    task.exiting = False
    process.status = None  # another thread's exit_group has lost the race
    process.leader = task
    process.threads = {tid: task}
    state.tasks[tid] = task


def on_set_pdeathsig(state: State, event: SetPdeathsig) -> None:
    """PR_SET_PDEATHSIG sets task->pdeath_signal: of the calling thread."""
    task = state.tasks.get(event.tid) or attach(state, event.at, event.time, event.tid)
    task.pdeath_signal = event.signal


def on_rename(state: State, event: Rename) -> None:
    """PR_SET_NAME names the calling thread; a process is called what its leader is called."""
    process = process_of(state, event)
    if process.tgid == event.tid:
        process.comm = event.comm


def on_cgroup_move(state: State, event: CgroupMove) -> None:
    """cgroup_attach_task(): the process has moved; its children will be born there."""
    task = state.live_task(event.tid)
    if task is not None:
        task.process.cgroup = event.path


def on_container_told(state: State, event: ContainerTold) -> None:
    """Kept for those who name containers; it changes no tree."""
    state.containers[event.outer, event.id] = event.details


def on_detach(state: State, event: Detach) -> None:
    """The tracer let go: the task lives on, but nothing more is heard of it."""
    process_of(state, event)


def on_lost(state: State, event: Lost) -> None:
    """Events are missing; sources repair with Snapshot and Gone what they can."""
    lines_are_missing(state, event.at, event.count)  # a gap in a log is told of before the births that wait there
