"""Who inherited from a process, where that is told later: what one pass finds out for the next.

All children that a dead task leaves get the same new parent: forget_original_parent() (kernel/exit.c) asks
find_new_reaper() once. Where a race leaves open who that was, the end of one of them, told to its parent, says it of
all, and so does that of a sibling that one of them made there (CLONE_PARENT).
"""

from __future__ import annotations

from tracer.graph import RULE_CHILD_REAPER, RULE_SUBREAPER, RUNNING, ZOMBIE, Process, Reparenting
from tracer.identity import Evidence
from tracer.reconstruct.clues import Hint, Hints
from tracer.reconstruct.edges import is_below
from tracer.reconstruct.reaper import NOTHING, Reaper, above_then, find_alive_thread
from tracer.reconstruct.state import State

MAX_SIBLINGS = 100
"""So many, each made by the next with CLONE_PARENT, are gone through."""
MAX_DEPTH = 1000
"""So many ancestors at most."""


def note_parent(state: State, child: Process, told: Process) -> None:
    """The kernel has said whose child it is; a guess may have been behind what was taken for that.

    Who inherits from a process is above it: if not by what was taken for its own parent, that was wrong, too.
    """
    why = "{child}, which {father} left to the same, was {told}'s child when it ended"
    for _ in range(MAX_SIBLINGS):
        step = _adoption_behind(child, told)
        if step is None or step.new is None or step.evidence.rank < Evidence.INFERRED.rank:
            return
        guess = 0 if step.new.outside else step.new.tgid
        reason = why.format(child=child.tgid, father=step.old.tgid, told=told.tgid)
        state.heirs_told.setdefault((step.at, step.old.tgid), {guess: ""})[told.tgid] = reason
        if _was_below(step.old, told, step.at):
            return
        child = step.old
        why = "{child}, which {father} left to the same, was below {told}, who has inherited from it"


def note_heir(state: State, zombie: Process, heir: Process) -> None:
    """A zombie that was its parent's for sure is announced to another: that one has inherited all that the parent had
    (reparent_leader()), whose own end is told of in the same round."""
    father = zombie.parent
    if (
        zombie.state is ZOMBIE
        and zombie.evidence is Evidence.OBSERVED
        and father is not None
        and father.state is RUNNING
    ):
        why = f"{zombie.tgid}, a zombie that {father.tgid} left to the same, was announced to {heir.tgid}"
        state.heirs_seen[father] = Hint(heir.tgid, why)


def _adoption_behind(child: Process, told: Process) -> Reparenting | None:
    """The step by which it came to its parent: its own last one, or that of the sibling that made it. Whoever left
    `told` as well has left nothing to that one: then the step before it was another."""
    before: int | None = None
    for _ in range(MAX_SIBLINGS):
        steps = child.reparentings or []
        past = [s for s in steps if (before is None or s.at < before) and not _was_below(told, s.old, s.at)]
        if past:
            return past[-1]
        first = steps[0].old if steps else child.parent
        if child.creator is None or first is child.creator:
            return None
        before, child = child.born_at, child.creator
    return None


def _was_below(process: Process, other: Process, at: int) -> bool:
    """Right before this place."""
    above = above_then(process, NOTHING, at - 1)
    for _ in range(MAX_DEPTH):
        if above is None or above.process is other:
            return above is not None
        above = above_then(above.process, NOTHING, at - 1)
    return False


def told_heirs(state: State) -> Hints:
    """By place and number of the dead process: who inherited from it, where that was not who was taken for it."""
    found = {}
    for father, told in state.heirs_told.items():
        heirs = [(heir, why) for heir, why in told.items() if why]
        if len(heirs) == 1 and next(iter(told)) != heirs[0][0]:
            found[father] = Hint(*heirs[0])
    return found


def heir_as_told(state: State, father: Process) -> Reaper | None:
    """Who inherits from the dead process, if the kernel has said so already, or the pass before has found it out."""
    hint = state.heirs_seen.get(father) or state.heirs.get((father.exited_at or 0, father.tgid))
    task = None if hint is None else state.live_task(hint.tgid)
    thread = None if task is None else find_alive_thread(task.process)
    if hint is None or thread is None or thread.process.state is not RUNNING or is_below(thread.process, father):
        return None
    heir = thread.process
    rule = RULE_CHILD_REAPER if heir in (father.ns.init, state.init) else RULE_SUBREAPER
    if rule == RULE_SUBREAPER and heir in state.doubts and not _has_changed(state, heir):
        heir.subreaper = True
    return Reaper(thread, rule, Evidence.INFERRED, hint.reason)


def _has_changed(state: State, heir: Process) -> bool:
    """What its subreaper flag is now is known: only whether the death came before that is not. Who inherited by the
    flag's value of before does not have that value any more."""
    calls = state.flag_calls.get(heir)
    return calls is not None and calls.doubt_until is not None
