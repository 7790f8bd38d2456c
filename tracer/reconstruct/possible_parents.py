"""Processes whose parent is one of several: all that can be it are kept until the kernel's rules lead to one.

A task that is killed inside clone may have created a process all the same, and where several are, nobody knows which
one did (docs/limits.md). Once all of them are gone, and a single process has inherited from each, that is the parent.
"""

from __future__ import annotations

from tracer.event import CLONE_PARENT, CLONE_THREAD, Attach
from tracer.graph import DEAD, RULE_CHILD_REAPER, RULE_SUBREAPER, RUNNING, ZOMBIE, PidNs, Process
from tracer.identity import Evidence
from tracer.reconstruct.edges import bury, is_below, set_real_parent
from tracer.reconstruct.heirs import heir_as_told
from tracer.reconstruct.reaper import Reaper, find_alive_thread, find_new_reaper
from tracer.reconstruct.state import State
from tracer.reconstruct.ways import calls_of, reason_of

INFERRED = Evidence.INFERRED
MAX_SUPPOSED = 32
"""So many processes in one line whose parent is one of several; no node has more, but a made-up log might."""
NOBODY = Reaper(None, RULE_CHILD_REAPER, Evidence.UNKNOWN, "who is above it is not known")

Parents = dict[Process, Evidence]
"""Who can be the parent, and what the way to each is worth."""


def born_of_one(state: State, process: Process, event: Attach) -> None:
    """One of the calls has created the process."""
    calls = calls_of(event)
    process.reason = reason_of(calls)
    parents: Parents = {}
    namespaces: set[PidNs] = set()
    for tid, flags, at in calls:
        mother = state.owner(tid, at)
        if mother is None:
            return
        namespaces.add(mother.ns)
        fathers = _parents(state, mother) if flags & CLONE_PARENT else [mother]
        if not fathers:
            return  # who is above it may be the parent
        for father in fathers:
            if father.state is RUNNING or father.outside:
                parents.setdefault(father, INFERRED)
            elif not _add_heirs(parents, heirs(state, father), INFERRED):
                return
    if len(namespaces) != 1:
        return
    process.ns = namespaces.pop()
    process.subreaper = False
    if any(flags & CLONE_THREAD for _, flags, _ in calls):
        process.leader.membership = process.reason  # then its children are its process's
    _is_child_of_one(state, process, parents)


def born_beside(state: State, process: Process, mother: Process) -> None:
    """CLONE_PARENT by one whose own parent is one of several: whose child the one is, the other is."""
    parents = state.possible_parents.get(mother)
    if parents is not None:
        process.reason = mother.reason
        _is_child_of_one(state, process, dict(parents))


def adopted_by_one(state: State, child: Process, reapers: list[Reaper]) -> None:
    """By whom depends on which call created one above it."""
    parents: Parents = {}
    if _add_heirs(parents, reapers, INFERRED):
        _is_child_of_one(state, child, parents)


def father_ended(state: State, father: Process) -> None:
    """One that may be the parent of some is dead: whoever inherits from it may be it now."""
    for child in state.possible_children.pop(father, ()):
        parents = state.possible_parents.get(child)
        if parents is None or father not in parents or child.state is DEAD:
            continue
        worth = parents.pop(father)
        known = _add_heirs(parents, possible_reapers(state, father), worth)
        _is_child_of_one(state, child, parents if known else {})


def _parents(state: State, process: Process) -> list[Process]:
    above = process.parent
    return [above] if above is not None else list(state.possible_parents.get(process, ()))


def _add_heirs(parents: Parents, reapers: list[Reaper], worth: Evidence) -> bool:
    """Add who inherits; False if that is not known."""
    for reaper in reapers:
        if reaper.task is None:
            return False
        heir = reaper.task.process
        parents[heir] = Evidence.weakest(worth, reaper.evidence, parents.get(heir, worth))
    return True


def _is_child_of_one(state: State, child: Process, parents: Parents) -> None:
    """The child of one of these, of nobody known if there is none; its `reason` says why it is not known of which."""
    state.possible_parents.pop(child, None)
    if not parents or any(is_below(father, child) for father in parents):
        return
    if len(parents) > 1:
        state.possible_parents[child] = parents
        for father in parents:
            state.possible_children.setdefault(father, []).append(child)
        return
    [(father, worth)] = parents.items()
    set_real_parent(child, find_alive_thread(father) or father.leader, worth, f"{child.reason}; all lead here")
    if child.reaped_at is None:
        waits_for_it(state, child)
    if child.state is ZOMBIE and father.outside:
        bury(child)


def waits_for_it(state: State, child: Process) -> None:
    """Buried only because nobody was known to owe the wait, it has a parent in the trace, who has not waited yet."""
    if child.state is DEAD and child.exited_at is not None and not state.lacks.waits:
        child.state = ZOMBIE
        child.threads = {child.tgid: child.leader}


def heirs(state: State, father: Process) -> list[Reaper]:
    """Who has the children of one that has ended before: his reapers, or theirs, as it was when each of them ended."""
    found: list[Reaper] = []
    dead = {father: None}
    for each in (waiting := [father]):
        for reaper in possible_reapers(state, each, each.exited_at):
            process = None if reaper.task is None else reaper.task.process
            if process is None or process.outside or process.state is RUNNING:
                found.append(reaper)
            elif process not in dead:
                dead[process] = None
                waiting.append(process)
    return found or [NOBODY]


def possible_reapers(state: State, father: Process, as_of: int | None = None) -> list[Reaper]:
    """find_new_reaper() for each way in which the processes above can hang together."""
    seen: set[Process] = set()
    told = heir_as_told(state, father) if state.heirs or state.heirs_seen else None
    if told is not None:
        return [told]

    def search(supposed: dict[Process, Process]) -> list[Reaper]:
        found = find_new_reaper(father, state.init, state.doubts, state.lost_at, supposed, as_of)
        if not state.possible_parents or found.rule == RULE_SUBREAPER:
            return [found]
        top = _line(father, supposed)[-1]
        if top not in state.possible_parents:
            return [found]
        if top in seen or len(seen) > MAX_SUPPOSED:
            return []
        seen.add(top)
        able = [above for above in state.possible_parents[top] if top not in _line(above, supposed)]
        return [reaper for above in able for reaper in search({**supposed, top: above})]

    return search({}) or [NOBODY]


def _line(process: Process, supposed: dict[Process, Process]) -> list[Process]:
    """The process and all above it, as far as that is known or supposed."""
    line = [process]
    while (above := line[-1].parent or supposed.get(line[-1])) is not None:
        line.append(above)
    return line


def common(reapers: list[Reaper]) -> Reaper:
    """What all of them have in common."""
    if len({reaper.task and reaper.task.process for reaper in reapers}) == 1:
        return max(reapers, key=lambda reaper: reaper.evidence.rank)
    return Reaper(None, RULE_CHILD_REAPER, Evidence.UNKNOWN, "who adopted it depends on who created one above it")
