"""How tasks are created: kernel/fork.c, copy_process()."""

from __future__ import annotations

from tracer.event import (
    CLONE_NEWPID,
    CLONE_PARENT,
    CLONE_THREAD,
    UNTRACED,
    Clone,
)
from tracer.graph import DEAD, RUNNING, ZOMBIE, Process, Task
from tracer.identity import Evidence
from tracer.reconstruct.adoption import reparent
from tracer.reconstruct.attach import attach
from tracer.reconstruct.edges import bury, is_below, set_real_parent
from tracer.reconstruct.exit import end_unseen, end_unseen_process
from tracer.reconstruct.membership import doubt_of, number_in_use
from tracer.reconstruct.namespaces import enter_ns, ns_as_told, ns_of_child, unseen_ns
from tracer.reconstruct.possible_parents import adopted_by_one, born_beside, common, heirs
from tracer.reconstruct.reaper import find_alive_thread, find_new_reaper, known_before, older_than
from tracer.reconstruct.state import State

OBSERVED = Evidence.OBSERVED


def on_clone(state: State, event: Clone) -> None:
    """copy_process(): the child's real_parent is the caller, or with CLONE_PARENT and CLONE_THREAD the caller's own."""
    at, time, tid, child_tid, flags, _, ns_child, matched, start_time, ns_pids, cgroup, parent_tgid, guessed, end = (
        event
    )
    creator = state.tasks.get(tid)
    if creator is None or (matched and creator.process.born_at > at):
        creator = (_creator_gone(state, tid, at) if matched else None) or creator or attach(state, at, time, tid)
    old = state.tasks.get(child_tid)
    if (child_tid == 1 or (old is not None and (old.process.state is not DEAD or old is creator))) and _is_known(
        state, old, creator, event
    ):
        return
    if (state.unexplained or state.early_reuse) and not matched and _in_use(state, child_tid, at):
        matched, guessed = number_in_use(child_tid), True
    if flags & CLONE_THREAD:
        _thread_born(state, creator, event, matched)
        return
    mother = creator.process
    if ns_child and mother.ns.level == 0:
        mother.ns = unseen_ns(state, mother.ns, "the only pid namespace seen that it can have entered")
    ns = mother.ns
    if flags & CLONE_NEWPID or state.ns_for_children:
        ns = ns_of_child(state, creator, flags)
    if start_time and len(ns_pids) != ns.level:
        ns = ns_as_told(ns, ns_pids)
    process = state.new_process(child_tid, ns, at, time, tid, old)
    process.creator = mother
    process.comm = mother.comm
    process.program = mother.program
    process.start_time = start_time
    if ns.level:
        enter_ns(state, process, creator, ns_pids, ns_child)
    if cgroup:
        process.cgroup = mother.cgroup
    if flags & CLONE_PARENT:
        _born_beside(state, process, mother, end)
    else:
        # set_real_parent() spelled out: this is the hottest path of a replay.
        process.real_parent = creator
        process.evidence = OBSERVED
        if creator.children is None:
            creator.children = {}
        creator.children[process] = None
    if matched or creator.membership or parent_tgid:
        _judge_birth(state, process, creator, event, matched, guessed)
    father = process.real_parent.process if process.real_parent is not None else None
    if father is not None and father.state is not RUNNING and not father.outside:
        _born_of_the_dead(state, process, father, at, time, told=bool(parent_tgid))


def _in_use(state: State, tid: int, at: int) -> bool:
    """The trace shows no end of the one that had the number, or none of its parent's waits has returned it yet."""
    if state.unexplained is not None:
        ended, state.unexplained = state.unexplained, None
        if ended == (tid, at):
            return True
    return tid in state.early_reuse and state.nested


def _creator_gone(state: State, tid: int, at: int) -> Task | None:
    """One that was killed inside the call; where it was a thread, another one of its process has what it created."""
    process = state.owner(tid, at)
    return None if process is None else find_alive_thread(process) or process.leader


def _born_of_the_dead(state: State, process: Process, father: Process, at: int, time: int | None, told: bool) -> None:
    """The father's end was told first: the adoption that this birth missed is made up for.

    Live that is no contradiction (`told`): the kernel lets a father have children, by CLONE_PARENT of his other
    children, between sched_process_exit and exit_notify().
    """
    task = process.real_parent
    if task is not None and task.children:
        task.children.pop(process, None)
    reapers = [find_new_reaper(father, state.init, state.doubts, state.lost_at)] if told else heirs(state, father)
    reaper = common(reapers)
    if not told:
        why = f"the trace shows the end of {father.tgid} before this birth"
        reaper = reaper._replace(evidence=Evidence.weakest(reaper.evidence, Evidence.INFERRED), reason=why)
    reparent(state, process, father, reaper, at, time, f"exit of {father.tgid}")
    if reaper.task is None:
        adopted_by_one(state, process, reapers)


def _thread_born(state: State, creator: Task, event: Clone, matched: str) -> None:
    if creator.process.state is RUNNING:
        new_thread(state, creator, event.child, matched)
        if event.start_time:
            _in_order_of_birth(state, creator.process, event.child, event.start_time)
    else:
        attach(state, event.at, event.time, event.child)


def _in_order_of_birth(state: State, process: Process, tid: int, start_time: int) -> None:
    """Two creators may tell of their threads in the other order: copy_process() takes the start time just before it
    puts the thread at the end of the list (list_add_tail_rcu()), and the tracepoint comes after the lock is free."""
    other, other_start = state.newest_thread
    threads = process.threads
    if start_time < other_start and other in threads:
        threads[other] = threads.pop(other)
    else:
        state.newest_thread = tid, start_time


def new_thread(state: State, creator: Task, tid: int, matched: str) -> None:
    """CLONE_THREAD: one more task of the creator's thread group."""
    process = creator.process
    task = Task(tid, process, creator.tid)
    task.membership = matched or creator.membership
    state.add_thread(process, task)
    if tid == process.tgid:
        process.leader = task


def _born_beside(state: State, process: Process, mother: Process, end: int) -> None:
    """CLONE_PARENT: a sibling of the creator, so the creator is not the parent."""
    if end:
        state.open_births[process] = end
    known, reason = known_before(mother, state.lost_at)
    set_real_parent(process, mother.real_parent, Evidence.weakest(Evidence.DERIVED, known), reason)
    if mother.real_parent is None:
        born_beside(state, process, mother)


def _judge_birth(state: State, process: Process, creator: Task, event: Clone, matched: str, guessed: bool) -> None:
    """Weaken or correct what the flags say: matched numbers, creators that may be threads, the kernel's own word."""
    if guessed or (matched and state.lacks.births):
        process.leader.membership = matched
    elif matched == UNTRACED:
        state.untraced = True
    elif matched:
        state.eliminated = True
    if process.real_parent is not None:
        if matched:
            process.evidence, process.reason = Evidence.INFERRED, matched
        elif creator.membership:
            process.evidence = Evidence.weakest(Evidence.INFERRED, process.evidence)
            process.reason = doubt_of(creator)
    flags, parent_tgid = event[4], event[11]
    if not parent_tgid or parent_tgid == process.tgid:
        return
    parent = process.parent
    if parent is None or parent.tgid != parent_tgid:
        # Also one that is dead to us: the kernel keeps the number until the zombie is reaped.
        real = state.tasks.get(parent_tgid)
        if real is None or is_below(real.process, process):
            return
        set_real_parent(process, real.process.leader, OBSERVED)
    process.evidence, process.reason = OBSERVED, ""
    if flags & CLONE_PARENT and state.lost_at:
        _doubt_life_of_parent(state, process)


def _doubt_life_of_parent(state: State, process: Process) -> None:
    """A sibling's child may be born to one who has passed sched_process_exit, unseen: exit_notify() hands it on."""
    parent = process.parent
    if parent is not None and older_than(parent, state.lost_at):
        process.evidence = Evidence.weakest(Evidence.INFERRED, process.evidence)
        process.reason = f"events were lost at {state.lost_at}: whether {parent.tgid} was ending is not known"


def _is_known(state: State, old: Task | None, creator: Task, event: Clone) -> bool:
    """The graph has this very task (from /proc), or the event makes no sense (nobody creates himself, or PID 1).

    Else the number is free now, whatever the trace says of the end of the one that had it.
    """
    if event[3] == 1:
        # The init of the namespace that the tracer lives in is there before anybody.
        if state.live_task(1) is None:
            attach(state, event[0], event[1], 1)
        return True
    assert old is not None
    if old is creator or old.tid == creator.process.tgid or (event[8] and old.process.start_time == event[8]):
        return True
    number_reused(state, old, event[0], event[1])
    return False


def number_reused(state: State, old: Task, at: int, time: int | None) -> None:
    """A new task has this number, so the one before is gone though the trace did not say so (yet)."""
    if old.process.state is ZOMBIE:
        state.early_reuse[old.tid] = old.process
        bury(old.process, at, time)
    elif old.tid == old.process.tgid:
        end_unseen_process(state, old.process, at, time)
        bury(old.process, at, time)
    else:
        end_unseen(state, old, at, time)
