"""Forgetting: a live session must not grow with the processes that came and went.

What the kernel's rules can still ask for is kept: every living process and zombie, its creators, and those that it
was taken from, so that its story can be told. All other dead ones are taken out of the state and handed to the caller,
who counts them and then lets go of them (`release`).
"""

from __future__ import annotations

from tracer.graph import DEAD, Process
from tracer.reconstruct.state import State

STORY_MAX = 16
"""So many dead creators in a row are kept for a living process; a service that replaces itself for ever has more."""


def retire(state: State) -> list[Process]:
    """Take out the dead processes that no living one's story needs; gives them, oldest first.

    Linear in what the state holds: call it when as many processes have died as live, not for each.
    """
    kept = _stories(state)
    dead = [p for p in state.processes if p.state is DEAD and p not in kept]
    if not dead:
        return dead
    gone = set(dead)
    state.processes[:] = [p for p in state.processes if p not in gone]
    tasks = state.tasks
    for process in dead:
        task = tasks.get(process.tgid)
        if task is not None and task.process is process:
            del tasks[process.tgid]
        state.early_reuse.pop(process.tgid, None)
    return dead


def release(gone: list[Process]) -> None:
    """Cut what retired processes refer to: else a service that replaces itself for ever is one growing chain."""
    for process in gone:
        process.creator = None
        process.real_parent = None
        process.reparentings = None
        process.past = None


def _stories(state: State) -> set[Process]:
    """The dead processes that created living ones, or whose children they were."""
    kept: set[Process] = set()
    for process in state.processes:
        if process.state is DEAD:
            continue
        for step in process.reparentings or ():
            _keep_line(step.old, kept)
        if process.creator is not None:
            _keep_line(process.creator, kept)
    return kept


def _keep_line(process: Process, kept: set[Process]) -> None:
    """Keep a process and its creators up to the first living one, at most STORY_MAX of them."""
    node: Process | None = process
    for _ in range(STORY_MAX):
        if node is None or node.state is not DEAD or node in kept:
            return
        kept.add(node)
        node = node.creator
