"""Tasks that may be threads of one of several processes, and end it where ends are not told (strace -qq).

Who is killed inside clone does not say what was created, or strace prints what is no result (creating.REFUSALS). Where
such a call makes a thread, a task that nothing explains can be that one: if it calls exit_group, the process is gone.
"""

from __future__ import annotations

from tracer.graph import RUNNING, Process, Task
from tracer.reconstruct.edges import doubt_children
from tracer.reconstruct.state import State


def may_be_thread(state: State, process: Process, hosts: tuple[int, ...]) -> None:
    """`hosts`: Attach.hosts."""
    found = [state.owner(tid, at) for tid, at in zip(hosts[::2], hosts[1::2], strict=False)]
    state.hosts[process] = [host for host in found if host is not None]


def group_exit(state: State, task: Task, at: int) -> None:
    """exit_group, where no end will be told."""
    for host in state.hosts.get(task.process, ()):
        state.perhaps_ended[host] = at, task.tid


def doubt_end(state: State, process: Process) -> None:
    """Its last known thread was killed; one of those may be another, by whose execve it was (de_thread())."""
    for child, hosts in state.hosts.items():
        if process in hosts and child.state is RUNNING:
            doubt_children(process, f"{child.tgid} may be a thread of {process.tgid}, and live on")


def doubt_ended(state: State) -> None:
    """The trace is over: children of those that may be gone may have moved."""
    for host, (at, tid) in state.perhaps_ended.items():
        if host.state is RUNNING and not has_lived_on(host, at):
            doubt_children(host, f"{tid}, which may be a thread of {host.tgid}, has ended its process")


def has_lived_on(process: Process, at: int) -> bool:
    """It has done something since; by what it left, so that nothing is noted for each call."""
    children = (child for thread in process.threads.values() for child in thread.children or ())
    last = max(process.subreaper_at or 0, process.exec_at or 0)
    return last > at or any(c.creator is process and c.born_at > at for c in children)
