"""Conclusions that need the whole trace: what its filter left out, and what that does to the evidence."""

from __future__ import annotations

from tracer.event import SIGKILL
from tracer.graph import DEAD, RULE_CHILD_REAPER, RULE_SUBREAPER, RUNNING, ZOMBIE, Process, Task
from tracer.identity import Evidence
from tracer.reconstruct.adoption import ns_is_dying
from tracer.reconstruct.edges import bury, doubt_children, doubt_parent
from tracer.reconstruct.exit import end_unseen_process
from tracer.reconstruct.gaps import check_left
from tracer.reconstruct.hosts import doubt_ended, has_lived_on
from tracer.reconstruct.reaper import find_alive_thread, known_before, passed_over
from tracer.reconstruct.state import LEAVE_CALLS, WAIT_CALLS, State

WITHOUT_WAITS = "waits are not traced, and numbers come back: a child in a nested pid namespace may have this one"


def finish(state: State, calls: set[str] | None) -> None:
    """Weaken evidence and end processes where the facts of the whole trace ask for it; count."""
    processes = state.processes
    if state.merged:
        _forget_merged(processes, state.merged)
        state.merged.clear()
    _end_members_of_dead_namespaces(processes, state)
    prctl_unseen = calls is not None and "prctl" not in calls
    maybe_threads = state.clues.incomplete or (processes and not processes[0].leader_known)
    flags = [flag for flag in state.flags_of_strangers if not flag[0].leader_known] if maybe_threads else []
    inferred = state.stats.inferred
    waits_seen = calls is None or bool(calls & WAIT_CALLS)
    given_again = state.nested and not waits_seen and any(process.serial for process in processes)
    _doubt_children_of_leaving(state)
    check_left(state)
    if state.exits_seen or state.lacks.ends:
        _doubt_doomed(state)
    doubt_ended(state)
    if calls is not None and calls.isdisjoint(LEAVE_CALLS):
        _doubt_children_of_half_dead(state)
    for process in processes:
        if maybe_threads:
            _doubt_parent(process)
        if process.reparentings and flags:
            _doubt_adoptions(process, flags)
        elif flags:
            _doubt_sibling(process)
        if prctl_unseen and process.reparentings:
            _doubt_child_reaper(process)
        if process.status is not None and process.state is RUNNING:
            doubt_children(process, f"{process.tgid} was exiting: its children may have moved already")
        if state.lost_at and process.state is not DEAD:
            process.evidence, process.reason = known_before(process, state.lost_at)
        # Where the parent ignores SIGCHLD, the kernel reaps a zombie, and tells nobody (do_notify_parent()).
        if state.untraced and process.state is ZOMBIE and process.confirmed_at < (process.exited_at or 0):
            doubt_parent(process, "if it was reaped without a wait, a task that is not traced may have its number")
        if given_again and process.state is ZOMBIE:
            doubt_parent(process, WITHOUT_WAITS)
        if process.evidence is Evidence.INFERRED:
            inferred += 1
    state.stats.waits_seen = waits_seen
    state.stats.processes = len(processes)
    state.stats.inferred = inferred


def _doubt_children_of_leaving(state: State) -> None:
    """Who has called exit may have ended: its children move before the line that tells of it (exit_notify())."""
    for tid in state.exit_begun:
        task = state.tasks.get(tid)
        if task is None or not task.exiting or task.process.state is not RUNNING:
            continue
        father = task.process
        if father.status is None and find_alive_thread(father) is not None:
            continue
        doubt_children(father, f"{father.tgid} was exiting: its children may have moved already")


def _doubt_doomed(state: State) -> None:
    """Who was killed has ended, though the trace does not say so, or not yet. (Where it never does, that is known.)"""
    for process, at, group in state.doomed.values():
        if process.state is not RUNNING or has_lived_on(process, at):
            continue
        if (
            group
            or state.lacks.ends
            or all(task.exiting or _is_doomed(state, task) for task in process.threads.values())
        ):
            why = f"{process.tgid} was killed: it may be gone"
            doubt_children(process, why)
            doubt_parent(process, why)


def _is_doomed(state: State, task: Task) -> bool:
    told = state.doomed.get(task.tid)
    return told is not None and told[0] is task.process


def _doubt_children_of_half_dead(state: State) -> None:
    """Calls of exit are not shown (-z): where two threads end alike, or one by a signal, that is the end of all. The
    line of the last one is lost, or still to come."""
    for father, (at, status, alike) in state.half_dead.items():
        killed = status is not None and status & 0x7F
        if father.state is RUNNING and (alike or killed) and not has_lived_on(father, at):
            doubt_children(father, f"threads ended, and calls of exit are not shown: all of {father.tgid} may have")


def _forget_merged(processes: list[Process], merged: set[Process]) -> None:
    """Threads that were taken for processes leave the graph; what they created, their real processes created."""
    processes[:] = [p for p in processes if p not in merged]
    for process in processes:
        if process.creator in merged:
            process.creator = _merged_into(process.creator, merged)
        task = process.real_parent
        if task is not None and task.process in merged:
            task.process = _merged_into(task.process, merged)
        if process.reparentings:
            process.reparentings = [
                change._replace(old=_merged_into(change.old, merged)) if change.old in merged else change
                for change in process.reparentings
            ]


def _merged_into(process: Process, merged: set[Process]) -> Process:
    """The process that this one's tasks are threads of; each merge leads to an older process."""
    while process in merged:
        process = process.leader.process
    return process


def _end_members_of_dead_namespaces(processes: list[Process], state: State) -> None:
    """zap_pid_ns_processes(): with the init of a pid namespace everything in it was killed."""
    for process in processes:
        ns = process.ns
        # The init itself is reaped by its parent, which is a level above.
        around = ns.parent if ns.init is process and process.exited_at is not None else ns
        if ns.level > 0 and process.state is not DEAD and ns_is_dying(around) and not _is_owed_outside(process):
            process.status = SIGKILL if process.status is None else process.status
            if around is not None and around.guess:
                doubt_children(process, around.guess)
            end_unseen_process(state, process, process.born_at, None)
            bury(process)
        elif process.state is ZOMBIE and _is_dying_init(process.parent):
            bury(process)


def _is_owed_outside(process: Process) -> bool:
    """A zombie whose parent is not of a namespace that ends: the init inside waits until that one has reaped it."""
    parent = process.parent
    return process.state is ZOMBIE and parent is not None and parent.state is RUNNING and not ns_is_dying(parent.ns)


def _is_dying_init(parent: Process | None) -> bool:
    """zap_pid_ns_processes(): an exiting init stays until its namespace is empty, and reaps its children."""
    if parent is None or parent.ns.level == 0 or parent.ns.init is not parent:
        return False
    return parent.state is RUNNING and find_alive_thread(parent) is None


def _doubt_parent(process: Process) -> None:
    """The parent is a task that may be a thread: the tgid of the edge is a guess."""
    parent = process.parent
    if parent is None or process.evidence.rank >= Evidence.INFERRED.rank:
        return
    if parent.leader_known and parent.tgid:  # without a number, it may be any of the tasks that are named later
        return
    process.evidence = Evidence.INFERRED
    process.reason = f"{parent.tgid} may be a thread of a process that the trace does not show"


def _doubt_adoptions(process: Process, flags: list[tuple[Process, int, bool]]) -> None:
    """Tasks that may be threads have set subreaper flags, or cleared them (State.flags_of_strangers): perhaps that of
    somebody who was passed over for want of it, or of who inherited by it."""
    for step in process.reparentings or () if process.evidence is Evidence.DERIVED else ():
        hosts = [(passed, True, 0) for passed in passed_over(step)]
        if step.new is not None and step.rule == RULE_SUBREAPER:
            has_it_since = step.new.subreaper_at or 0
            hosts.append((step.new, False, has_it_since if has_it_since <= step.at else 0))
        for host, to, since in hosts:
            able = (who for who, at, on in flags if on is to and since <= at <= step.at and who.born_at > host.born_at)
            owner = next(able, None)
            if owner is not None:
                what = "set" if to else "cleared"
                process.evidence = Evidence.INFERRED
                process.reason = f"{owner.tgid} has {what} the subreaper flag, and may be a thread of {host.tgid}"


def _doubt_sibling(process: Process) -> None:
    """CLONE_PARENT: it was born to the parent of its creator, who may never have come there."""
    creator = process.creator
    if creator is None or creator is process.parent or creator.parent is not process.parent:
        return
    if process.evidence is Evidence.DERIVED and creator.evidence.rank > Evidence.DERIVED.rank:
        process.evidence, process.reason = creator.evidence, creator.reason


def _doubt_child_reaper(process: Process) -> None:
    """Without prctl in the trace nobody knows whether a subreaper stood between."""
    why = "prctl was not traced: a nearer subreaper may have been missed"
    steps = process.reparentings or []
    for i, step in enumerate(steps):
        if step.rule == RULE_CHILD_REAPER and step.evidence is Evidence.DERIVED:
            steps[i] = step._replace(evidence=Evidence.ASSUMED, reason=why)
    if steps[-1].rule == RULE_CHILD_REAPER and process.evidence is Evidence.DERIVED:
        process.evidence, process.reason = Evidence.ASSUMED, why
