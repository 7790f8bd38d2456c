"""PR_SET_CHILD_SUBREAPER: kernel/sys.c, and what is not known of when it was done."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.event import SetSubreaper, SubreaperSettled
from tracer.graph import Process
from tracer.identity import Evidence
from tracer.reconstruct.attach import process_of
from tracer.reconstruct.edges import is_below
from tracer.reconstruct.membership import doubt_of
from tracer.reconstruct.state import ADOPTION_TAKES, FlagCalls, State


def on_set_subreaper(state: State, event: SetSubreaper) -> None:
    """It sets signal->is_child_subreaper: of the whole process, kept over exec, not inherited."""
    process = _process_of(state, event)
    if not process.leader_known:
        state.flags_of_strangers.append((process, event.at, event.on))
    if state.recent_adoptions and process.subreaper is not event.on:
        _doubt_recent_adoptions(state, process, event)
    known = process.subreaper is event.on and process not in state.doubts
    if not event.returned:
        state.flag_calls.setdefault(process, FlagCalls()).open[event.tid] = event.on
        if not known:
            why = f"{event.tid} was inside prctl: whether it had set the subreaper flag is not known"
            _doubt_flag(state, process, why)
        return
    process.subreaper = event.on
    if not known:
        process.subreaper_at = event.at
    task = state.tasks.get(event.tid)
    if _changed_at_once(state, process, event):
        why = f"two threads of {process.tgid} set the subreaper flag at once: which was last is not known"
        _doubt_flag(state, process, why)
    elif task is not None and task.membership:
        _doubt_flag(state, process, doubt_of(task))
    elif event.sure:
        state.doubts.pop(process, None)
    elif not known:
        why = f"{event.tid} set the subreaper flag at about the same time: which came first is not known"
        _doubt_flag(state, process, why, until=event.tid)


def on_subreaper_settled(state: State, event: SubreaperSettled) -> None:
    """Ends that are told from here on came after what the task has set."""
    process = _process_of(state, event)
    calls = state.flag_calls.get(process)
    if calls is None:
        return
    calls.returned.pop(event.tid, None)
    if calls.doubt_until == event.tid:
        calls.doubt_until = None
        calls.settled_at = event.at
        state.doubts.pop(process, None)


def _process_of(state: State, event: SetSubreaper | SubreaperSettled) -> Process:
    """Also of a thread that has ended since its call began: of -ff logs no line says when that returned."""
    threads = state.ended_threads.get(event.tid) if event.tid not in state.tasks else None
    ended = threads[-1][1] if threads else None
    calls = state.flag_calls.get(ended) if ended is not None else None
    if ended is not None and calls is not None and (event.tid in calls.open or event.tid in calls.returned):
        return ended
    return process_of(state, event)


def _doubt_flag(state: State, process: Process, why: str, until: int | None = None) -> None:
    """`until`: the task whose SubreaperSettled takes the doubt away; None: none can."""
    state.doubts[process] = why
    calls = state.flag_calls.get(process)
    if calls is not None:
        calls.doubt_until = until


def _changed_at_once(state: State, process: Process, event: SetSubreaper) -> bool:
    """Another thread's call that sets the flag to another value was open, too, or has returned so shortly before that
    it may have been after this one."""
    calls = state.flag_calls.get(process)
    if calls is None and event.sure:
        return False
    if calls is None:
        calls = state.flag_calls[process] = FlagCalls()

    def rivals(values: Mapping[int, bool | None]) -> list[int]:
        return [t for t, on in values.items() if on is not event.on and t != event.tid and t in process.threads]

    overtaken = calls.open.pop(event.tid, event.on) is None
    still_open = rivals(calls.open)
    calls.open.update(dict.fromkeys(still_open))
    just_returned = not event.sure and bool(rivals(calls.returned))
    if not event.sure:
        calls.returned[event.tid] = event.on
    return overtaken or bool(still_open) or just_returned


def _doubt_recent_adoptions(state: State, changed: Process, event: SetSubreaper) -> None:
    """A father's end counts before exit_notify() has moved all his children (State.recent_adoptions): a flag above him
    that changes just then may have counted, or not. Who asks /proc (state.moves) gets to know. No flag counts below
    another pid namespace: find_new_reaper() stops where the level does.
    """
    why = f"{changed.tgid} changed its subreaper flag at about the time of the adoption"
    now = event.time or 0
    for father, children in state.recent_adoptions:
        over = now - (father.exited_time or 0) > ADOPTION_TAKES
        if over or father is changed or father.ns.level != changed.ns.level or not is_below(father, changed):
            continue
        for child in children:
            steps = child.reparentings
            if steps and steps[-1].old is father and child.evidence is Evidence.DERIVED:
                child.evidence, child.reason = Evidence.INFERRED, why
                steps[-1] = steps[-1]._replace(evidence=Evidence.INFERRED, reason=why)
                state.note_move(child, steps[-1])
