"""Who gets the children of a dead process: kernel/exit.c, forget_original_parent().

reaper.py says who inherits; here the children move, with what makes a step doubtful.
"""

from __future__ import annotations

from collections.abc import Mapping

from tracer.graph import RULE_CHILD_REAPER, RULE_SUBREAPER, RUNNING, ZOMBIE, PidNs, Process, Reparenting, Task
from tracer.identity import Evidence
from tracer.reconstruct.edges import bury, is_below, set_real_parent
from tracer.reconstruct.heirs import heir_as_told
from tracer.reconstruct.possible_parents import adopted_by_one, common, father_ended, possible_reapers
from tracer.reconstruct.reaper import Reaper, find_new_reaper
from tracer.reconstruct.state import ADOPTION_TAKES, State


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
    if state.possible_parents:
        father_ended(state, father)
        reapers = possible_reapers(state, father)
        reaper = common(reapers)
    else:
        told = heir_as_told(state, father) if state.heirs or state.heirs_seen else None
        doubts = _doubts_for(state, father)
        reaper = told or find_new_reaper(father, state.init, doubts, state.lost_at)
        if doubts and state.supposed and reaper.reason in doubts.values():
            state.raced.update(children or ())
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
            adopted_by_one(state, child, reapers)


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
    if child.state is ZOMBIE and new is None:
        bury(child)  # until it is known who has to wait for it (possible_parents.waits_for_it)
    elif child.state is ZOMBIE and new is not None and new.outside:
        bury(child, at, time)
