"""How tasks end: kernel/exit.c, do_exit() → exit_notify() → forget_original_parent(), and wait."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.event import Exit, ExitBegin, Gone
from tracer.graph import RULE_CHILD_REAPER, RULE_SUBREAPER, RUNNING, ZOMBIE, PidNs, Process, Reparenting, Task
from tracer.identity import Evidence
from tracer.reconstruct.hosts import doubt_children, group_exit
from tracer.reconstruct.perhaps import common, father_ended, possible_reapers, suppose_one_of
from tracer.reconstruct.reaper import Reaper, find_alive_thread, find_new_reaper, older_than
from tracer.reconstruct.state import ADOPTION_TAKES, State, bury, is_below, set_real_parent

SIGKILL = 9


def on_exit_begin(state: State, event: ExitBegin) -> None:
    """exit or exit_group was called; the task can inherit nothing any more (PF_EXITING)."""
    at, time, tid, code, group = event
    task = state.tasks.get(tid)
    if task is None:
        return
    task.exiting = True
    state.exit_begun[tid] = at
    if group:
        if task.process.status is None:
            task.process.status = (code & 0xFF) << 8
        if state.clues.found_count:
            state.clues.group_exit_begins(task, code)
    if state.lacks.ends:
        if group and state.hosts:
            group_exit(state, task, at)
        if group:
            end_unseen_process(state, task.process, at, time)
        else:
            end_unseen(state, task, at, time)


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
    if status is None and state.ptraced and not _is_leaving(task):
        state.unexplained = tid, at
    if state.clues.found_count:
        state.clues.task_ends(task, at, status, tid in state.exit_begun)
    task.exiting = True
    if len(process.threads) > 1 and not (state.ptraced and tid == process.tgid):
        heir = find_alive_thread(process)
        if heir is not None:
            if state.ptraced and tid not in state.exit_begun:
                state.dying_groups.setdefault(process, at)
                seen = state.half_dead.get(process)
                state.half_dead[process] = at, status, seen is not None and seen[1] == status
            if older_than(process, state.lost_at):
                doubt_children(process, f"events were lost at {state.lost_at}: whether {heir.tid} lives is not known")
            _thread_ends(state, task, heir)
            return
    if status is not None:
        process.status = status
    _process_ends(state, process, task, at, time)


def _is_leaving(task: Task) -> bool:
    """It, or another thread of its process, has called exit or exit_group."""
    process = task.process
    return task.exiting or process.status is not None or any(t.exiting for t in process.threads.values())


def _thread_ends(state: State, task: Task, heir: Task) -> None:
    """find_new_reaper() step 1: a thread of the same process takes the children over; nobody else sees a change."""
    _hand_over(task, heir)
    process = task.process
    tid = task.tid
    if tid != process.tgid:
        process.threads.pop(tid, None)
        state.tasks.pop(tid, None)
        if state.ptraced:
            state.thread_ended(tid, process)
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


def merge_threads(state: State, process: Process, survivor: Task) -> None:
    """All other threads are gone (exec, group exit): their children hang on the survivor."""
    for task in list(process.threads.values()):
        if task is not survivor:
            _hand_over(task, survivor)
            _free_number(state, task)
            state.exit_begun.pop(task.tid, None)


def _free_number(state: State, task: Task) -> None:
    """A thread is dead, and leaves no zombie."""
    if state.tasks.get(task.tid) is task:
        del state.tasks[task.tid]
        if state.ptraced:
            state.thread_ended(task.tid, task.process)


def _process_ends(state: State, process: Process, last: Task, at: int, time: int | None) -> None:
    """The last thread is dead: children find a new parent, the parent gets a zombie."""
    dying_since = state.exit_begun.pop(last.tid, None)
    if state.ns_for_children:
        state.ns_for_children.pop(last.tid, None)
    if len(process.threads) > 1:
        begun = [b for t in process.threads if (b := state.exit_begun.get(t)) is not None]
        dying_since = min(begun, default=dying_since)
        merge_threads(state, process, last)
        leader = process.leader
        process.threads = {leader.tid: leader}
        if last is not leader:
            _free_number(state, last)
        state.tasks[leader.tid] = leader
    process.state = ZOMBIE
    process.exited_at = at
    process.exited_time = time
    if last.children or process in state.perhaps_of:
        forget_original_parent(state, process, last, at, time, dying_since)
    parent = process.real_parent
    if process.ns.init is process:
        state.living_ns.pop(process.ns, None)
    if parent is None or parent.process.outside or state.lacks.waits:
        # Whoever it is waits outside the trace; an init always does.
        bury(process)


def forget_original_parent(
    state: State, father: Process, last: Task, at: int, time: int | None, dying_since: int | None
) -> None:
    """Give every child of a dead process to the reaper."""
    if father.ns.level > 0 and ns_is_dying(father.ns):
        # find_child_reaper(): zap_pid_ns_processes() kills and reaps the whole namespace; nobody inherits.
        strangers = [child for child in last.children or () if not ns_is_dying(child.ns)]
        for child in strangers:  # no kernel has them: an event is missing, or in the wrong place
            why = f"the pid namespace of {father.tgid} ended"
            set_real_parent(child, None, Evidence.UNKNOWN, why)
        return
    children = last.children
    last.children = None
    reapers: list[Reaper] = []
    if state.perhaps:
        father_ended(state, father)
        reapers = possible_reapers(state, father)
        reaper = common(reapers)
    else:
        reaper = find_new_reaper(father, state.init, _doubts_for(state, father), state.lost_at)
    cause = f"exit of {father.tgid}"
    ended = state.ptraced and last is father.leader and not (state.lacks.ends and dying_since is not None)
    if children and not ended:
        state.recent_adoptions.append((father, tuple(children)))
    way = _other_way(father, reaper, dying_since) if children else ""
    for child in children or ():
        if child.reparentings:
            _doubt_stopover(child.reparentings, father, time, dying_since)
        reparent(state, child, father, reaper, at, time, cause, way)
        if reaper.task is None and reapers:
            suppose_one_of(state, child, reapers, father)


def _doubts_for(state: State, father: Process) -> Mapping[Process, str]:
    """Also flags that changed while one thread after the other was killed."""
    since = state.dying_groups.pop(father, None) if state.dying_groups else None
    if since is None:
        return state.doubts
    why = f"the subreaper flag was set while the threads of {father.tgid} died"
    changed = {process: why for process, calls in state.flag_calls.items() if calls.settled_at > since}
    return {**changed, **state.doubts}


def _other_way(father: Process, reaper: Reaper, dying_since: int | None) -> str:
    """Why the children may have been somebody else's for a moment: a subreaper above was dying, too, and whether it had
    PF_EXITING when they moved is not known. They have come to the reaper either way.
    """
    moved = father.reparentings[-1] if father.reparentings else None
    if moved is not None and dying_since is not None and moved.at > dying_since:
        return f"{moved.old.tgid} ended while {father.tgid} was dying: it may have been their parent for a moment"
    last = reaper.task.process if reaper.task is not None else None
    above = father.parent
    while above is not None and above is not last and above.ns.level == father.ns.level:
        if above.subreaper and above.state is RUNNING:
            return f"{above.tgid} was exiting, too: it may have been their parent for a moment"
        above = above.parent
    return ""


def _doubt_stopover(steps: list[Reparenting], reaper: Process, time: int | None, dying_since: int | None) -> None:
    """The last adopter ends. If nothing shows that it lived on, it may have been dying already, and passed over."""
    last = steps[-1]
    lived_on = dying_since is not None and dying_since > last.at
    reaped_at = last.old.reaped_at
    if reaped_at is not None and last.old.parent is reaper and reaper.exited_at is not None:
        lived_on |= last.at < reaped_at < reaper.exited_at  # reaped: a zombie, his children had moved
    if time is not None and last.time is not None:
        lived_on |= time - last.time > ADOPTION_TAKES
    if last.new is reaper and last.rule == RULE_SUBREAPER and not lived_on:
        why = f"{reaper.tgid} ended soon afterwards: it may have been dying already, and been passed over"
        steps[-1] = last._replace(evidence=Evidence.weakest(last.evidence, Evidence.INFERRED), reason=why)


def ns_is_dying(ns: PidNs | None) -> bool:
    """The init of this pid namespace, or of one around it, has ended."""
    while ns is not None and ns.level > 0:
        if ns.init is not None and ns.init.exited_at is not None:
            return True
        ns = ns.parent
    return False


def reparent(
    state: State, child: Process, father: Process, reaper: Reaper, at: int, time: int | None, cause: str, way: str = ""
) -> None:
    """reparent_leader(): one child moves; a zombie goes too and is announced to its new parent.

    `way`: why the step may not have been this one, though it ends here; it is no doubt about the parent.
    """
    init = reaper.task.process if reaper.task is not None and reaper.rule == RULE_CHILD_REAPER else None
    if init is not None and init.real_parent is not None and is_below(init, child):
        # An init that has a parent can, in a trace that contradicts itself, be below the orphan.
        reaper = reaper._replace(task=None)
    evidence = Evidence.weakest(reaper.evidence, child.evidence) if reaper.task is not None else Evidence.UNKNOWN
    reason = reaper.reason if evidence is reaper.evidence else child.reason
    child.real_parent = None
    set_real_parent(child, reaper.task, evidence, reason)
    new = reaper.task.process if reaper.task is not None else None
    if state.open_births and state.open_births.pop(child, 0) > at:
        way = f"{father.tgid} ended during the clone call: the child may have been born to the new parent"
    if way:
        evidence, reason = Evidence.weakest(evidence, Evidence.INFERRED), way
    step = Reparenting(at, time, father, new, reaper.rule, cause, evidence, reason)
    if child.reparentings is None:
        child.reparentings = [step]
    else:
        child.reparentings.append(step)
    state.note_move(child, step)
    if child.state is ZOMBIE and (new is None or new.outside):
        bury(child, at, time)


def end_unseen(state: State, task: Task, at: int, time: int | None) -> None:
    """A thread is gone though the trace did not say how."""
    task.exiting = True
    heir = find_alive_thread(task.process)
    if heir is not None:
        _thread_ends(state, task, heir)
    else:
        _process_ends(state, task.process, task, at, time)


def end_unseen_process(state: State, process: Process, at: int, time: int | None) -> None:
    """A whole process is gone though the trace did not say how."""
    if process.state is not RUNNING:
        return
    last = process.leader
    for task in process.threads.values():
        task.exiting = True
    merge_threads(state, process, last)
    process.threads = {last.tid: last}
    state.tasks[last.tid] = last
    _process_ends(state, process, last, at, time)


def end_told(state: State, process: Process, at: int, time: int | None) -> None:
    """A signal or a wait tells of an end that no line has told: it may have come as early as the call of exit."""
    begun = [since for tid in process.threads if (since := state.exit_begun.get(tid)) is not None]
    state.dying_groups.setdefault(process, min(begun, default=process.born_at))
    end_unseen_process(state, process, at, time)


def zombie_found(state: State, process: Process, at: int, time: int | None) -> None:
    """/proc has it as a zombie: exit_notify() has moved its children, though its end was not told."""
    leader = process.leader
    leader.exiting = True
    merge_threads(state, process, leader)
    process.threads = {leader.tid: leader}
    state.tasks[leader.tid] = leader
    process.state = ZOMBIE
    if leader.children:
        forget_original_parent(state, process, leader, at, time, None)


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
