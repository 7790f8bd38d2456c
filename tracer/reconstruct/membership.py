"""Who a task is, where that was guessed: Task.membership has the reason.

A birth that was matched by guess, or a hint, says of which process a task is, or that it leads one. While nothing
proves it, whatever is built on it (its children's parent, its threads, what the kernel told it, the flags that it sets)
is `inferred`.
"""

from __future__ import annotations

from tracer.graph import Process, Task
from tracer.identity import Evidence
from tracer.reconstruct.edges import set_real_parent


def doubt_of(task: Task) -> str:
    """Why the parent of this task's children is not certain; '' if it is."""
    why = task.membership
    if not why or task.process.leader is not task:
        return why
    return f"it is a guess that {task.tid} is a process of its own: {why}"


def number_in_use(tid: int) -> str:
    """Why a birth is doubtful whose number another task had of which no end, or no wait, was told."""
    return f"number {tid} was still in use: it may be one of another pid namespace"


def number_was_free(task: Task) -> None:
    """The wait that had freed the number was told later."""
    process = task.process
    if process.leader is task and process.reason == number_in_use(task.tid):
        prove(task)
        if not process.reparentings:
            process.evidence, process.reason = Evidence.OBSERVED, ""


def hang(child: Process, parent: Task) -> None:
    """The kernel told `parent` of its child: observed, if it is known who was told."""
    doubt = doubt_of(parent)
    set_real_parent(child, parent, Evidence.INFERRED if doubt else Evidence.OBSERVED, doubt)


def prove(task: Task) -> str:
    """The trace shows that the task is what it was taken for: the children that were weak for that are observed.

    Returns the doubt that has ended.
    """
    why = doubt_of(task)
    task.membership = ""
    for child in task.children or ():
        if child.evidence is Evidence.INFERRED and child.reason == why and not child.reparentings:
            child.evidence, child.reason = Evidence.OBSERVED, ""
    return why
