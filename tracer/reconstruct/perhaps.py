"""Processes whose parent is one of several: all that can be it are kept until the kernel's rules lead to one.

A task that is killed inside clone may have created a process all the same, and where several are, nobody knows which
one did (docs/limits.md). Once all of them are gone, and a single process has inherited from each, that is the parent.
And each call creates one: where it is known whom one of them created, it has created none of the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from tracer.event import CLONE_PARENT, CLONE_THREAD, Attach
from tracer.graph import DEAD, RULE_CHILD_REAPER, RULE_SUBREAPER, RUNNING, ZOMBIE, PidNs, Process
from tracer.identity import Evidence
from tracer.reconstruct.heirs import heir_as_told
from tracer.reconstruct.reaper import Reaper, find_alive_thread, find_new_reaper
from tracer.reconstruct.state import State, bury, is_below, set_real_parent
from tracer.reconstruct.ways import calls_of, reason_of

INFERRED = Evidence.INFERRED
MAX_SUPPOSED = 32
"""So many processes in one line whose parent is one of several; no node has more, but a made-up log might."""
MAX_RECENT = 1000
"""So many processes back one is looked for whose number has another owner."""
NOBODY = Reaper(None, RULE_CHILD_REAPER, Evidence.UNKNOWN, "who is above it is not known")

Ways = dict[Process, Evidence]
Claim = tuple[int, int]
"""A call that may have created a process: its caller, and where it began."""


def born_of_one(state: State, process: Process, event: Attach) -> None:
    """One of the calls has created the process."""
    claims: dict[Claim, Ways] = {}
    namespaces: set[PidNs] = set()
    calls = [call for call in calls_of(event) if (call[0], call[2]) not in state.spent]
    process.reason = reason_of(calls)
    for tid, flags, at in calls:
        mother = owner(state, tid, at)
        if mother is None:
            return
        namespaces.add(mother.ns)
        ways = claims[tid, at] = {}
        fathers = _parents(state, mother) if flags & CLONE_PARENT else [mother]
        if not fathers:
            return  # who is above it may be the parent
        for father in fathers:
            if father.state is RUNNING or father.outside:
                ways[father] = INFERRED
            elif not add_reapers(ways, heirs(state, father), INFERRED):
                return
    if len(namespaces) != 1:
        return
    process.ns = namespaces.pop()
    process.subreaper = False
    if any(flags & CLONE_THREAD for _, flags, _ in calls):
        process.leader.membership = process.reason  # then its children are its process's
    suppose(state, process, _union(claims.values()))
    if len(claims) == 1:
        _spend(state, next(iter(claims)))
    elif process in state.perhaps:
        state.claims[process] = {claim: set(ways) for claim, ways in claims.items()}


def _union(several: Iterable[Ways]) -> Ways:
    union: Ways = {}
    for ways in several:
        for father, worth in ways.items():
            union[father] = Evidence.weakest(worth, union.get(father, worth))
    return union


def parent_told(state: State, child: Process, father: Process) -> None:
    """The kernel has said whose child it is. If one call alone leads there, it has created no other task."""
    state.perhaps.pop(child, None)
    claims = state.claims.get(child, {})
    able = {claim for claim, fathers in claims.items() if father in fathers}
    first = child
    while first in state.left_by:
        first = state.left_by[first]
    if able:
        _narrow(state, first, able)
    state.claims.pop(child, None)
    state.left_by.pop(child, None)


def _narrow(state: State, child: Process, able: set[Claim]) -> None:
    """One of these calls has created it; and so with those that it has left."""
    claims = state.claims.get(child, {})
    for claim in claims.keys() - able:
        del claims[claim]
    ways = state.perhaps.get(child)
    if ways is not None:
        fathers = set().union(*claims.values())
        suppose(state, child, {father: worth for father, worth in ways.items() if father in fathers})
    for left in [left for left, by in state.left_by.items() if by is child]:
        _narrow(state, left, able)
    if len(claims) > 1:
        return
    state.claims.pop(child, None)
    if state.left_by.pop(child, None) is None:
        for claim in claims:
            _spend(state, claim)


def _spend(state: State, spent: Claim) -> None:
    """It is known whom this call created."""
    state.spent.add(spent)
    for child, claims in list(state.claims.items()):
        if spent in claims and child not in state.left_by:
            _narrow(state, child, claims.keys() - {spent})


def born_beside(state: State, process: Process, mother: Process) -> None:
    """CLONE_PARENT by one whose own parent is one of several: whose child the one is, the other is."""
    ways = state.perhaps.get(mother)
    if ways is None:
        return
    process.reason = mother.reason
    suppose(state, process, dict(ways))
    claims = state.claims.get(mother)
    if claims is not None and process in state.perhaps:
        state.left_by[process] = mother
        state.claims[process] = {claim: set(fathers) for claim, fathers in claims.items()}


def owner(state: State, tid: int, at: int) -> Process | None:
    """The process that had a task with this number there, which has ended since if it is not the last one."""
    recent = islice(reversed(state.processes), MAX_RECENT)
    own = next((p for p in recent if p.tgid == tid and p.born_at <= at), None)
    if own is not None and (own.exited_at is None or own.exited_at >= at):
        return own
    threads = state.ended_threads.get(tid, ())
    of_thread = next((process for end, process in threads if end >= at and process.born_at <= at), None)
    if of_thread is not None:
        return of_thread
    task = state.tasks.get(tid)
    return task.process if task is not None and task.process.born_at <= at else own


def _parents(state: State, process: Process) -> list[Process]:
    above = process.parent
    return [above] if above is not None else list(state.perhaps.get(process, ()))


def add_reapers(ways: Ways, reapers: list[Reaper], worth: Evidence) -> bool:
    """Add who inherits; False if that is not known."""
    for reaper in reapers:
        if reaper.task is None:
            return False
        heir = reaper.task.process
        ways[heir] = Evidence.weakest(worth, reaper.evidence, ways.get(heir, worth))
    return True


def suppose(state: State, child: Process, ways: Ways) -> None:
    """The child of one of these; its `reason` says why it is not known of which."""
    if not ways or any(is_below(father, child) for father in ways):
        state.perhaps.pop(child, None)
        return
    if len(ways) > 1:
        state.perhaps[child] = ways
        for father in ways:
            state.perhaps_of.setdefault(father, []).append(child)
        return
    state.perhaps.pop(child, None)
    [(father, worth)] = ways.items()
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


def suppose_one_of(state: State, child: Process, reapers: list[Reaper], father: Process | None = None) -> None:
    """The child was adopted by one of these; by whom depends on which call created the father."""
    ways: Ways = {}
    if not add_reapers(ways, reapers, INFERRED):
        return
    suppose(state, child, ways)
    claims = state.claims.get(father) if father is not None else None
    if father is None or claims is None or child not in state.perhaps:
        return
    state.left_by[child] = father
    state.claims[child] = {}
    for claim, fathers in claims.items():
        found = [reaper for above in fathers for reaper in possible_reapers(state, father, above=above)]
        state.claims[child][claim] = {reaper.task.process for reaper in found if reaper.task is not None}


def father_ended(state: State, father: Process) -> None:
    """One that may be the parent of some is dead: whoever inherits from it may be it now."""
    for child in state.perhaps_of.pop(father, ()):
        ways = state.perhaps.get(child)
        if ways is None or father not in ways or child.state is DEAD:
            continue
        worth = ways.pop(father)
        reapers = possible_reapers(state, father)
        known = add_reapers(ways, reapers, worth)
        for fathers in state.claims.get(child, {}).values():
            if father in fathers:
                fathers.remove(father)
                fathers.update(reaper.task.process for reaper in reapers if reaper.task is not None)
        suppose(state, child, ways if known else {})


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


def possible_reapers(
    state: State, father: Process, as_of: int | None = None, above: Process | None = None
) -> list[Reaper]:
    """find_new_reaper() for each way in which the processes above can hang together; with `above`, those in which that
    is the father's parent."""
    seen: set[Process] = set()
    told = heir_as_told(state, father) if (state.heirs or state.heirs_seen) and above is None else None
    if told is not None:
        return [told]

    def search(supposed: dict[Process, Process]) -> list[Reaper]:
        found = find_new_reaper(father, state.init, state.doubts, state.lost_at, supposed, as_of)
        if not state.perhaps or found.rule == RULE_SUBREAPER:
            return [found]
        top = _line(father, supposed)[-1]
        if top not in state.perhaps:
            return [found]
        if top in seen or len(seen) > MAX_SUPPOSED:
            return []
        seen.add(top)
        able = [above for above in state.perhaps[top] if top not in _line(above, supposed)]
        return [reaper for above in able for reaper in search({**supposed, top: above})]

    return search({} if above is None else {father: above}) or [NOBODY]


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
