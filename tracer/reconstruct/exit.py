"""How tasks end: kernel/exit.c, do_exit() → exit_notify(). Where their children go then is in adoption.py."""

from __future__ import annotations

from tracer.event import Exit, ExitBegin, Gone, Killed
from tracer.graph import RUNNING, ZOMBIE, Process, Task
from tracer.reconstruct.adoption import forget_original_parent
from tracer.reconstruct.edges import bury, doubt_children
from tracer.reconstruct.gaps import check_end, check_threads, exit_is_shown
from tracer.reconstruct.hosts import doubt_end, group_exit
from tracer.reconstruct.reaper import find_alive_thread, older_than
from tracer.reconstruct.state import State
from tracer.reconstruct.ways import note_survivors


def on_exit_begin(state: State, event: ExitBegin) -> None:
    """exit or exit_group was called; the task can inherit nothing any more (PF_EXITING)."""
    at, time, tid, code, group = event
    task = state.tasks.get(tid)
    if task is None:
        return
    task.exiting = True
    state.exit_begun[tid] = at
    if group:
        state.exit_group_shown = True
        if task.process.status is None:
            task.process.status = (code & 0xFF) << 8
        if state.clues.found_count:
            state.clues.group_exit_begins(task, code)
    elif not state.exit_shown:
        exit_is_shown(state, at)
    if state.lacks.ends:
        if group and state.hosts:
            group_exit(state, task, at)
        if group:
            if task.membership:
                doubt_children(task.process, f"{tid} has called exit_group, and may be another's thread")
            end_unseen_process(state, task.process, at, time)
        else:
            end_unseen(state, task, at, time)


def _lives_on(state: State, task: Task, status: int | None, at: int) -> bool:
    """Another thread of the process is left."""
    process = task.process
    heir = find_alive_thread(process)
    if heir is None:
        return False
    if state.ptraced and task.tid not in state.exit_begun:
        state.dying_groups.setdefault(process, at)
        seen = state.half_dead.get(process)
        state.half_dead[process] = at, status, seen is not None and seen[1] == status
    if older_than(process, state.lost_at):
        doubt_children(process, f"events were lost at {state.lost_at}: whether {heir.tid} lives is not known")
    _thread_ends(state, task, heir, at)
    return True


def on_killed(state: State, event: Killed) -> None:
    """Noted for the end of the trace: it may lack the line that tells of the death. Where ends are not told, a task
    that is killed inside a call (strace tells of it at PTRACE_EVENT_EXIT, in do_exit()) ends here."""
    task = state.live_task(event.tid)
    if task is not None and task.process.state is RUNNING:
        state.doomed[event.tid] = task.process, event.at, event.group
        if state.lacks.ends and not event.group:
            state.exit_begun.setdefault(event.tid, event.at)
            doubt_end(state, task.process)
            end_unseen(state, task, event.at, event.time)


def on_exit(state: State, event: Exit) -> None:
    """One task is dead. Under ptrace the leader of a group is reported after all other threads (delay_group_leader)."""
    at, time, tid, status = event
    if status is not None and not status & 0x7F:
        state.exits_seen = True
    task = state.tasks.get(tid)
    if task is None:
        return
    process = task.process
    if process.state is not RUNNING:
        # What strace was told of the leader is the process's: wait_task_zombie() has the same answer for both waits.
        if status is not None and (process.status is None or (state.ptraced and tid == process.tgid)):
            process.status = status
        if state.ptraced and state.recent_adoptions and tid == process.tgid:
            state.adoption_is_over(process)
        return
    if state.clues.found_count:
        state.clues.task_ends(task, at, status, tid in state.exit_begun)
    if state.ptraced and (status is None or not task.exiting):
        _look_for_cause(state, task, status, at)
    task.exiting = True
    if len(process.threads) > 1:
        if state.ptraced and tid == process.tgid:
            note_survivors(state, process)
        elif _lives_on(state, task, status, at):
            return
    if status is not None:
        process.status = status
    if state.unexplained == (tid, at):
        doubt_children(process, f"that {tid} has ended only follows from its number being used again")
    _process_ends(state, process, task, at, time)


def _look_for_cause(state: State, task: Task, status: int | None, at: int) -> None:
    """`status` None: no line tells of the end; its number is used again."""
    if status is not None:
        check_end(state, task, status, at)
        return
    state.left_untold |= task.tid in state.exit_begun
    if not _is_leaving(task):
        state.unexplained = task.tid, at


def _is_leaving(task: Task) -> bool:
    """It, or another thread of its process, has called exit or exit_group."""
    process = task.process
    return task.exiting or process.status is not None or any(t.exiting for t in process.threads.values())


def _thread_ends(state: State, task: Task, heir: Task, at: int) -> None:
    """find_new_reaper() step 1: a thread of the same process takes the children over; nobody else sees a change."""
    _hand_over(task, heir)
    process = task.process
    tid = task.tid
    if tid != process.tgid:
        process.threads.pop(tid, None)
        state.tasks.pop(tid, None)
        if state.ptraced:
            state.thread_ended(tid, process, at)
    state.exit_begun.pop(tid, None)
    state.ns_for_children.pop(tid, None)


def _hand_over(task: Task, heir: Task) -> None:
    """Move all children of one thread to another of the same process."""
    children = task.children
    if not children or heir is task:
        return
    for child in children:
        child.real_parent = heir
    if heir.children:
        heir.children.update(children)
    else:
        heir.children = children
    task.children = None


def merge_threads(state: State, process: Process, survivor: Task, at: int) -> None:
    """All other threads are gone (exec, group exit): their children hang on the survivor."""
    for task in list(process.threads.values()):
        if task is not survivor:
            _hand_over(task, survivor)
            _free_number(state, task, at)
            state.exit_begun.pop(task.tid, None)


def _leave_leader(state: State, process: Process, at: int) -> None:
    """The same where the survivor is the leader."""
    leader = process.leader
    merge_threads(state, process, leader, at)
    process.threads = {leader.tid: leader}
    state.tasks[leader.tid] = leader


def _free_number(state: State, task: Task, at: int) -> None:
    """A thread is dead, and leaves no zombie."""
    if state.tasks.get(task.tid) is task:
        del state.tasks[task.tid]
        if state.ptraced:
            state.thread_ended(task.tid, task.process, at)


def _process_ends(state: State, process: Process, last: Task, at: int, time: int | None) -> None:
    """The last thread is dead: children find a new parent, the parent gets a zombie."""
    dying_since = state.exit_begun.pop(last.tid, None)
    if state.ns_for_children:
        state.ns_for_children.pop(last.tid, None)
    if len(process.threads) > 1:
        if last is process.leader and state.ptraced:
            check_threads(state, process, at)
        begun = [b for t in process.threads if (b := state.exit_begun.get(t)) is not None]
        dying_since = min(begun, default=dying_since)
        merge_threads(state, process, last, at)
        leader = process.leader
        process.threads = {leader.tid: leader}
        if last is not leader:
            _free_number(state, last, at)
        state.tasks[leader.tid] = leader
    process.state = ZOMBIE
    process.exited_at = at
    process.exited_time = time
    if last.children or process in state.possible_children:
        forget_original_parent(state, process, last, at, time, dying_since)
        if last.children:
            _hand_over(last, process.leader)  # members of a pid namespace that dies with it
    parent = process.real_parent
    if process.ns.init is process:
        state.living_ns.pop(process.ns, None)
    if parent is None or parent.process.outside or state.lacks.waits:
        # Whoever it is waits outside the trace; an init always does.
        bury(process)


def end_unseen(state: State, task: Task, at: int, time: int | None) -> None:
    """A thread is gone though the trace did not say how."""
    task.exiting = True
    heir = find_alive_thread(task.process)
    if heir is not None:
        _thread_ends(state, task, heir, at)
    else:
        _process_ends(state, task.process, task, at, time)


def end_unseen_process(state: State, process: Process, at: int, time: int | None) -> None:
    """A whole process is gone though the trace did not say how."""
    if process.state is not RUNNING:
        return
    for task in process.threads.values():
        task.exiting = True
    _leave_leader(state, process, at)
    _process_ends(state, process, process.leader, at, time)


def end_told(state: State, process: Process, at: int, time: int | None) -> None:
    """A signal or a wait tells of an end that no line has told: it may have come as early as the call of exit."""
    begun = [since for tid in process.threads if (since := state.exit_begun.get(tid)) is not None]
    state.dying_groups.setdefault(process, min(begun, default=process.born_at))
    end_unseen_process(state, process, at, time)


def zombie_found(state: State, process: Process, at: int, time: int | None) -> None:
    """/proc has it as a zombie: exit_notify() has moved its children, though its end was not told."""
    leader = process.leader
    leader.exiting = True
    _leave_leader(state, process, at)
    process.state = ZOMBIE
    if leader.children:
        forget_original_parent(state, process, leader, at, time, None)


def lives_on(process: Process) -> None:
    """Its last known thread had ended, and it has another one whose birth was lost."""
    process.state = RUNNING
    process.status = process.exited_at = process.exited_time = None


def on_gone(state: State, event: Gone) -> None:
    """/proc does not have it any more."""
    task = state.live_task(event.tid)
    if task is None:
        return
    if task.tid != task.process.tgid:
        end_unseen(state, task, event.at, event.time)
        return
    end_unseen_process(state, task.process, event.at, event.time)
    bury(task.process, event.at, event.time)
