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
    SetSubreaper,
    SubreaperSettled,
)
from tracer.graph import DEAD, RUNNING, Execed, Process, Program, Task
from tracer.identity import Evidence
from tracer.reconstruct.attach import attach, split_off
from tracer.reconstruct.exit import merge_threads
from tracer.reconstruct.membership import doubt_of, prove
from tracer.reconstruct.state import ADOPTION_TAKES, State, is_below

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
    task = state.tasks.get(old_tid)
    if task is None or task.process.state is DEAD:
        task = attach(state, at, time, old_tid)
    if tid != old_tid and not _join_leader(state, task, tid):
        tid = old_tid
    process = task.process
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
        _threads_died_unseen(state, process, at)
    if tid != old_tid or len(process.threads) > 1:
        _take_over_group(state, process, task, tid)
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


def _threads_died_unseen(state: State, process: Process, at: int) -> None:
    """Tasks of unknown origin that ended right before an exec were threads of the process that called it."""
    state.clues.exec_ends_threads(process, at)


def _take_over_group(state: State, process: Process, task: Task, tid: int) -> None:
    """de_thread(): the caller takes the leader's number; all others are dead, their children are the caller's."""
    merge_threads(state, process, task)
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


def on_set_subreaper(state: State, event: SetSubreaper) -> None:
    """PR_SET_CHILD_SUBREAPER sets signal->is_child_subreaper: of the whole process, kept over exec, not inherited."""
    process = _process_of(state, event)
    if state.recent_adoptions and process.subreaper is not event.on:
        _doubt_recent_adoptions(state, process, event)
    known = process.subreaper is event.on and process not in state.doubts
    if not event.returned:
        state.flag_calls.setdefault(process, {})[event.tid] = event.on
        if not known:
            why = f"{event.tid} was inside prctl: whether it had set the subreaper flag is not known"
            _doubt_flag(state, process, why)
        return
    process.subreaper = event.on
    if not known:
        process.subreaper_at = event.at
    task = state.tasks.get(event.tid)
    at_once = process in state.flag_calls and _changed_at_once(state, process, event)
    if not event.sure and _may_be_earlier(state, process, event):
        at_once = True
    if at_once:
        why = f"two threads of {process.tgid} set the subreaper flag at once: which was last is not known"
        _doubt_flag(state, process, why)
    elif task is not None and task.membership:
        _doubt_flag(state, process, doubt_of(task))
    elif event.sure:
        state.doubts.pop(process, None)
    elif not known:
        why = f"{event.tid} set the subreaper flag at about the same time: which came first is not known"
        _doubt_flag(state, process, why, until=event.tid)


def on_subreaper_settled(state: State, event: SubreaperSettled) -> None:
    """Ends that are told from here on came after what the task has set."""
    process = _process_of(state, event)
    calls = state.flags_in_flight.get(process)
    if calls is not None:
        calls.pop(event.tid, None)
        if not calls:
            del state.flags_in_flight[process]
    if state.unsettled.get(process) == event.tid:
        del state.unsettled[process]
        state.doubts.pop(process, None)
        state.flags_settled[process] = event.at


def _doubt_flag(state: State, process: Process, why: str, until: int = 0) -> None:
    """`until`: the task whose SubreaperSettled takes the doubt away; 0: none can."""
    state.doubts[process] = why
    if until:
        state.unsettled[process] = until
    else:
        state.unsettled.pop(process, None)


def _changed_at_once(state: State, process: Process, event: SetSubreaper) -> bool:
    """While this call was open, another one of the process was that sets the flag to another value."""
    calls = state.flag_calls[process]
    overtaken = calls.pop(event.tid, event.on) is None
    rivals = [tid for tid, on in calls.items() if on is not event.on and tid in process.threads]
    calls.update(dict.fromkeys(rivals))
    if not calls:
        del state.flag_calls[process]
    return overtaken or bool(rivals)


def _may_be_earlier(state: State, process: Process, event: SetSubreaper) -> bool:
    """Another thread set another value so shortly before that it may have been after this one."""
    calls = state.flags_in_flight.setdefault(process, {})
    rival = any(on is not event.on and tid != event.tid and tid in process.threads for tid, on in calls.items())
    calls[event.tid] = event.on
    return rival


def _doubt_recent_adoptions(state: State, changed: Process, event: SetSubreaper) -> None:
    """A father's end counts before exit_notify() has moved all his children (State.recent_adoptions): a flag above him
    that changes just then may have counted, or not. Who asks /proc (state.moves) gets to know.
    """
    why = f"{changed.tgid} changed its subreaper flag at about the time of the adoption"
    now = event.time or 0
    for father, children in state.recent_adoptions:
        if now - (father.exited_time or 0) > ADOPTION_TAKES or father is changed or not is_below(father, changed):
            continue
        for child in children:
            steps = child.reparentings
            if steps and steps[-1].old is father and child.evidence is Evidence.DERIVED:
                child.evidence, child.reason = Evidence.INFERRED, why
                steps[-1] = steps[-1]._replace(evidence=Evidence.INFERRED, reason=why)
                if state.moves is not None:
                    state.moves.append((child, steps[-1]))


def on_set_pdeathsig(state: State, event: SetPdeathsig) -> None:
    """PR_SET_PDEATHSIG sets task->pdeath_signal: of the calling thread."""
    task = state.tasks.get(event.tid) or attach(state, event.at, event.time, event.tid)
    task.pdeath_signal = event.signal


def on_rename(state: State, event: Rename) -> None:
    """PR_SET_NAME names the calling thread; a process is called what its leader is called."""
    process = _process_of(state, event)
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
    _process_of(state, event)


def on_lost(state: State, event: Lost) -> None:
    """Events are missing; sources repair with Snapshot and Gone what they can."""
    state.stats.lost += event.count
    state.lost_at = event.at


def _process_of(state: State, event: SetSubreaper | SubreaperSettled | Rename | Detach) -> Process:
    task = state.tasks.get(event.tid)
    if task is None:
        task = attach(state, event.at, event.time, event.tid)
    return task.process
