"""What proves, by the kernel's rules, that a strace log lacks lines: an end without its cause, a cause without its end.

Each is counted as a loss: what was known before is a guess from there on. `sources/strace/lines/gaps.py` finds what
contradicts itself line by line.
"""

from __future__ import annotations

from tracer.graph import LOST_KEPT, RUNNING, Process, Task
from tracer.reconstruct.state import State


def lines_are_missing(state: State, at: int, count: int = 1) -> None:
    """Before this line there were others that the log does not have; of live events, `count`."""
    stats = state.stats
    stats.lost += count
    if len(stats.lost_before) < LOST_KEPT and at not in stats.lost_before:
        stats.lost_before.append(at)
    state.lost_at = max(state.lost_at, at)


def check_end(state: State, task: Task, status: int, at: int) -> None:
    """`+++ exited with N +++` of a task that has not called exit: another thread's exit_group ended it, or its execve
    (do_group_exit(): with status 0). Only where both calls are traced."""
    process = task.process
    if status & 0x7F or not _is_sure(state, process):
        return
    if task.membership or task.exiting or process.status is not None or process.born_at > at:
        return
    last = task is process.leader or len(process.threads) == 1
    if (last or status) and not any(thread.exiting for thread in process.threads.values()):
        state.ended_without_cause += 1
        if state.exit_shown:
            lines_are_missing(state, at)


def exit_is_shown(state: State, at: int) -> None:
    """The first call of exit: so those that ended before without one have lost theirs."""
    state.exit_shown = True
    if state.ended_without_cause:
        lines_are_missing(state, at)


def check_threads(state: State, process: Process, at: int) -> None:
    """The leader has ended: that is told behind the ends of all other threads (delay_group_leader() in kernel/exit.c).
    A thread that is killed inside its execve may have the leader's number already (de_thread()); where the log can tell
    that it was inside one, it is told to have ended."""
    leader = process.leader
    if state.untraced or not _is_sure(state, process):
        return
    left = sum(thread is not leader and not thread.membership for thread in process.threads.values())
    told = state.from_start and not (state.lacks.begun or state.lacks.apart)
    if process.status is not None and left > (process.status & 0x7F != 0 and not told):
        lines_are_missing(state, at)


def _is_sure(state: State, process: Process) -> bool:
    """Which threads it has and whether they have called exit_group; where pid namespaces nest, numbers are guesses."""
    return state.exit_group_shown and state.exits_seen and process.leader_known and not state.nested


def must_have_ended(state: State, father: Process, at: int) -> None:
    """The kernel says that a child of his is another's now (forget_original_parent())."""
    if state.ptraced and father.state is RUNNING and not father.outside:
        state.doomed[father.tgid] = father, at, True
        state.left_alive.append(father)


def check_left(state: State) -> None:
    """The trace is over, and one of them is not told to have ended."""
    if state.exit_shown and any(father.state is RUNNING and _is_sure(state, father) for father in state.left_alive):
        lines_are_missing(state, max(at for _, at, _ in state.doomed.values()))
