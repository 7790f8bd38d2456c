"""Waits and SIGCHLD: who the kernel told of an end was the parent, and after a wait the zombie is gone."""

from __future__ import annotations

from tracer.event import ChildSignal, Reap
from tracer.graph import DEAD, RULE_SEEN, RUNNING, ZOMBIE, Process, Reparenting, Task
from tracer.identity import Evidence
from tracer.reconstruct.edges import bury, is_below
from tracer.reconstruct.exit import end_told
from tracer.reconstruct.gaps import must_have_ended
from tracer.reconstruct.heirs import note_heir, note_parent
from tracer.reconstruct.membership import hang, number_was_free
from tracer.reconstruct.possible_parents import waits_for_it
from tracer.reconstruct.reaper import find_alive_thread
from tracer.reconstruct.state import State
from tracer.reconstruct.ways import note_contradiction


def on_reap(state: State, event: Reap) -> None:
    """A wait returned: the zombie is gone, and the kernel has said whose child it was."""
    at, time, tid, child_tid, status = event
    if at in state.no_waits:
        return
    task = state.tasks.get(child_tid)
    waiter = state.tasks.get(tid)
    if child_tid in state.early_reuse:
        was = state.early_reuse.pop(child_tid)
        if not _is_of_the_next(was, task, waiter):
            if task is not None and waiter is not None and was.parent is waiter.process:
                number_was_free(task)
            return
    if task is None or task.tid != task.process.tgid:
        return
    process = task.process
    if process.state is DEAD and (process.reaped_at is not None or process.exited_at is None):
        return
    if process.state is RUNNING:
        end_told(state, process, at, time)
    elif state.lacks.ends:
        state.adoption_is_over(process)
    if status is not None and process.status is None:
        process.status = status
    if waiter is not None and (process.evidence is not Evidence.OBSERVED or process.real_parent is not waiter):
        _kernel_told(state, process, waiter, at, time, "wait")
    bury(process, at, time, tid)


def _is_of_the_next(was: Process, task: Task | None, waiter: Task | None) -> bool:
    """The wait returned who has the number now: that one has ended, too, and is the waiter's child."""
    if task is None or waiter is None or task.process.state is not ZOMBIE:
        return False
    return task.process.parent is waiter.process is not was.parent


def on_child_signal(state: State, event: ChildSignal) -> None:
    """SIGCHLD of an ended child goes to a thread of its parent (do_notify_parent)."""
    at, time, tid, child_tid = event
    task = state.tasks.get(child_tid)
    receiver = state.tasks.get(tid)
    if task is None or receiver is None or task.tid != task.process.tgid:
        return
    process = task.process
    if process.state is DEAD and process.reparentings and state.ptraced:
        _refute_wait(state, process, receiver.process)
    if process.state is RUNNING:
        if process is receiver.process:
            return
        if state.exits_seen and process.parent is not receiver.process:
            if process.parent is None and not process.serial:
                # Of its birth and its end no line tells, where others are told of.
                state.lost_at = max(state.lost_at, at)
            return
        if process.serial and task.tid not in state.exit_begun:
            return  # a late signal about the one that had the number before
        end_told(state, process, at, time)
    elif state.lacks.ends:
        state.adoption_is_over(process)
    if process.serial and process.creator is not None and state.exits_seen and process.parent is not receiver.process:
        before = state.before.get(child_tid)
        if before is not None and before.parent is receiver.process and before.reaper_tid:
            return  # a wait returns before the signal comes that was sent with it, and by then others end
    if process.evidence is not Evidence.OBSERVED or process.real_parent is not receiver:
        _kernel_told(state, process, receiver, at, time, "SIGCHLD")
    elif state.untraced:
        process.confirmed_at = at


def _refute_wait(state: State, child: Process, receiver: Process) -> None:
    """Who lives on as the parent is told of the end of a child that a wait of another has returned before: that one was
    killed on the way out, and what is printed is another call's result (creating.REFUSALS)."""
    last = child.reparentings[-1] if child.reparentings else None
    if last is not None and last.rule == RULE_SEEN and last.old is receiver and last.at == child.reaped_at:
        state.refuted_waits.add(last.at)


def _kernel_told(state: State, child: Process, told: Task, at: int, time: int | None, how: str) -> None:
    """`told` is a thread of the parent of `child`: agree, learn, or correct the edge."""
    parent = child.real_parent
    told_process = told.process
    if told_process.state is not RUNNING:
        return
    if state.supposed:
        note_contradiction(state, child, told_process)
    if child.evidence is not Evidence.OBSERVED:
        note_parent(state, child, told_process)
    if not child.leader_known:
        state.clues.end_told(child)
    if parent is not None and parent.process is told_process:
        child.confirmed_at = at
        if child.evidence is not Evidence.OBSERVED and not told.membership:
            child.evidence, child.reason = Evidence.OBSERVED, ""
        return
    if state.clues.found_count and _is_provisional(told_process, parent):
        state.clues.parent_told(child, told, how)
        return
    if (child.state is DEAD and child.reaped_at is not None) or is_below(told_process, child):
        return
    if parent is not None:
        # It was adopted, so it hangs on the first living thread (find_new_reaper()); any one is told of its end.
        told = find_alive_thread(told_process) or told
        if child.evidence.rank < Evidence.INFERRED.rank:
            must_have_ended(state, parent.process, at)
        note_heir(state, child, told_process)
        _found_elsewhere(state, child, parent.process, told_process, at, time, how)
    state.possible_parents.pop(child, None)
    hang(child, told)
    waits_for_it(state, child)
    if child.state is DEAD:
        bury(child, child.reaped_at, child.reaped_time, child.reaper_tid)


def _is_provisional(*either: Process | Task | None) -> bool:
    """One of them may be a thread of the other."""
    processes = (e.process if isinstance(e, Task) else e for e in either)
    return any(p is not None and not p.leader_known for p in processes)


def _found_elsewhere(
    state: State, child: Process, old: Process, new: Process, at: int, time: int | None, how: str
) -> None:
    """The kernel's word replaces the edge that was derived; the derived step is corrected, not kept beside it."""
    step = Reparenting(at, time, old, new, RULE_SEEN, f"{how} told {new.tgid}", Evidence.OBSERVED, "")
    child.reparentings = [*(child.reparentings or ()), step]
    state.note_move(child, step)
