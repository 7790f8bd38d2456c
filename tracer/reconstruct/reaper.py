"""Who inherits the children of a dead process: kernel/exit.c, find_new_reaper() (read in Linux 6.1 and 6.12).

    1. a living thread of the same process: see exit.py, the children do not change their visible parent
    2. the nearest ancestor that is a subreaper, lives, and is at the same pid-namespace level
    3. the init of the pid namespace (child_reaper)

Since Linux 4.11 setting the subreaper flag marks all descendants (has_child_subreaper), so the walk of step 2 needs
only the flags of the ancestors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tracer.graph import RULE_CHILD_REAPER, RULE_SUBREAPER, Process, Reparenting, Task
from tracer.identity import Evidence

INFERRED = Evidence.INFERRED
NOTHING: Mapping[Process, Process] = {}


class Reaper(NamedTuple):
    """The inheritor, and what the choice is worth."""

    task: Task | None
    """None: not known."""
    rule: str
    evidence: Evidence
    reason: str


def find_alive_thread(process: Process) -> Task | None:
    """The first thread without PF_EXITING: leader first, then by creation (find_alive_thread in kernel/exit.c)."""
    for task in process.threads.values():
        if not task.exiting:
            return task
    return None


def find_new_reaper(
    father: Process,
    init: Process,
    doubts: Mapping[Process, str],
    lost_at: int = 0,
    supposed: Mapping[Process, Process] = NOTHING,
    as_of: int | None = None,
) -> Reaper:
    """Steps 2 and 3 for the children of `father`, whose last thread is dead.

    A flag in `doubts`, which has the reason, makes the choice a guess where its process could be the one. What was last
    known before `lost_at` may have changed unseen.
    `supposed`: parents of processes whose own is not known. `as_of`: the father ended there, earlier than what was told
    last; the flags of then are known as far as each has changed once since at most.
    """
    now = as_of is None and not supposed
    level = father.ns.level
    highest: Process | None = None
    race = ""
    evidence, reason = (INFERRED, father.reason) if father in supposed else _edge_above(father, lost_at)
    if older_than(father, lost_at):
        evidence, reason = Evidence.weakest(evidence, Evidence.INFERRED), reason or _UNSEEN.format(lost_at)
    parent = father.real_parent if now else above_then(father, supposed, as_of)
    while parent is not None and parent.process.ns.level == level:
        ancestor = parent.process
        if ancestor is init or (ancestor is father.ns.init and not ancestor.subreaper):
            break  # it inherits, whatever its flag is and whoever is above it
        thread = find_alive_thread(ancestor) if as_of is None else _alive_then(ancestor, as_of)
        doubt = doubts.get(ancestor, "") if thread is not None else ""
        if doubt or older_than(ancestor, lost_at):
            evidence = Evidence.weakest(evidence, Evidence.INFERRED)
            race = doubt or race
            reason = doubt or reason or _UNSEEN.format(lost_at)
        if ancestor.subreaper if as_of is None else _was_subreaper(ancestor, as_of):
            if thread is not None:
                return _result(thread, RULE_SUBREAPER, evidence, reason)
        elif ancestor.subreaper is None:
            evidence = Evidence.weakest(evidence, Evidence.INFERRED)
            reason = f"{ancestor.tgid} is older than the trace: whether it is a subreaper is not known"
        highest = ancestor
        known, why = (INFERRED, ancestor.reason) if ancestor in supposed else _edge_above(ancestor, lost_at)
        evidence = Evidence.weakest(evidence, known)
        reason = reason or why
        parent = ancestor.real_parent if now else above_then(ancestor, supposed, as_of)
    found = _child_reaper(father, highest, init, parent is None, evidence, reason)
    return found._replace(reason=race) if race and found.evidence is Evidence.ASSUMED else found


def above_then(process: Process, supposed: Mapping[Process, Process], as_of: int | None) -> Task | None:
    """The parent at that point."""
    later = (step for step in process.reparentings or () if as_of is not None and step.at > as_of)
    above = next((step.old for step in later), supposed.get(process))
    return process.real_parent if above is None else above.leader


def passed_over(step: Reparenting) -> Iterable[Process]:
    """Who stood between the one whose end the step tells of and the new parent."""
    passed: dict[Process, None] = {}
    above = above_then(step.old, NOTHING, step.at)
    while above is not None and above.process is not step.new and above.process not in passed:
        passed[above.process] = None
        above = above_then(above.process, NOTHING, step.at)
    return passed


def _was_subreaper(process: Process, as_of: int) -> bool | None:
    changed = process.subreaper is not None and (process.subreaper_at or 0) > as_of
    return not process.subreaper if changed else process.subreaper


def _alive_then(process: Process, as_of: int) -> Task | None:
    ended = process.exited_at
    return process.leader if ended is not None and ended > as_of else find_alive_thread(process)


_UNSEEN = "events were lost at {}: threads that were not seen may set flags and live on"


def older_than(process: Process, lost_at: int) -> bool:
    """It was there when events were lost, and /proc has not been asked since: it may have a thread that nobody knows,
    which may set its subreaper flag at any time, or be the one that inherits."""
    return lost_at > process.born_at and lost_at > process.confirmed_at


def known_before(process: Process, lost_at: int) -> tuple[Evidence, str]:
    """What the edge above a process is worth if events were lost at `lost_at` (0: none were)."""
    if lost_at and process.parent_known_at < lost_at and process.evidence.rank < Evidence.INFERRED.rank:
        return Evidence.INFERRED, f"events were lost at {lost_at}: it may have moved unseen"
    return process.evidence, process.reason


def _edge_above(process: Process, lost_at: int) -> tuple[Evidence, str]:
    """What the walk loses by the edge above a process: nothing where that leads out of its pid namespace, and only who
    adopted it there is assumed. Whoever inherits is on the dead father's level, so a level never changes.
    """
    evidence, reason = known_before(process, lost_at)
    parent = process.parent
    if evidence is Evidence.ASSUMED and parent is not None and parent.ns.level < process.ns.level:
        return Evidence.DERIVED, ""
    return evidence, reason


def _child_reaper(
    father: Process, highest: Process | None, init: Process, above_unknown: bool, evidence: Evidence, reason: str
) -> Reaper:
    """Step 3. `highest`: the last ancestor at father's level."""
    ns = father.ns
    if ns.level == 0:
        thread = find_alive_thread(init)
        if not above_unknown and not init.outside:
            return _result(thread, RULE_CHILD_REAPER, evidence, reason)
        who = father.tgid or "the first process"  # strace need not write its number
        return Reaper(thread, RULE_CHILD_REAPER, Evidence.ASSUMED, f"no living subreaper was seen above {who}")
    if ns.init is not None:
        if ns.guess:
            evidence, reason = Evidence.weakest(evidence, Evidence.INFERRED), ns.guess
        return _result(find_alive_thread(ns.init), RULE_CHILD_REAPER, evidence, reason)
    if highest is None or ns.init_elsewhere:
        why = f"the init of the pid namespace of {father.tgid} was not seen"
        return Reaper(None, RULE_CHILD_REAPER, Evidence.UNKNOWN, why)
    why = f"the init of the pid namespace was not seen; {highest.tgid} is the highest process of it that was"
    return Reaper(find_alive_thread(highest), RULE_CHILD_REAPER, Evidence.INFERRED, why)


def _result(thread: Task | None, rule: str, evidence: Evidence, reason: str) -> Reaper:
    """The rule applied to these facts is `derived` at best; an unknown ancestor makes it an assumption."""
    if evidence is Evidence.UNKNOWN:
        evidence = Evidence.ASSUMED
    worth = Evidence.weakest(Evidence.DERIVED, evidence)
    return Reaper(thread, rule, worth, "" if worth is Evidence.DERIVED else reason)
