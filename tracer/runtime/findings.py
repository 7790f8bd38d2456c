"""What is wrong in a tree, and what to do about it. One function a kind; `find` asks them all.

A zombie, a shim without a child or a process on its way into a container is normal for a moment: what counts is what
stays. The caller says so with `settled` (a second look at /proc, the clock of a trace).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tracer.graph import DEAD, RUNNING, ZOMBIE, Process, ProcessGraph
from tracer.identity import Evidence, signal_name
from tracer.runtime import cgroup
from tracer.runtime.roles import CONTAINERD, PAUSE, SHIM, is_helper

if TYPE_CHECKING:
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles

ZOMBIES = "zombies"
INIT_DOES_NOT_REAP = "init-does-not-reap"
CHILDLESS_SHIM = "childless-shim"
LOST_SHIM = "lost-shim"
NESTED_SHIM = "nested-shim"
PDEATH_THREAD = "pdeath-thread"
ESCAPED = "escaped-cgroup"

SECOND = 1_000_000_000
Settled = Callable[[Process], bool]


class Finding(NamedTuple):
    """Something that is wrong. All texts are raw: clean them before printing."""

    kind: str
    """A constant above; docs/reference/findings.md has a paragraph for each."""
    process: Process
    """The one that something can be done about."""
    others: tuple[Process, ...]
    """Those that show it: the zombies, the other shim, the container's first process."""
    message: str
    advice: str


@dataclass(slots=True)
class _Scene:
    graph: ProcessGraph
    roles: Roles
    names: Names
    settled: Settled

    def called(self, process: Process) -> str:
        """`app (9515)`."""
        return f"{self.roles.label(process)} ({process.tgid})"

    def container(self, process: Process) -> str:
        """`container shop/web app`, `pod shop/web`; 'a container' where it has no name."""
        name = self.names.of(process)
        if name is None or not name.title:
            return "a container"
        return f"pod {name.title}" if name.sandbox and name.pod else f"container {name.title}"


def find(
    graph: ProcessGraph,
    roles: Roles,
    names: Names,
    *,
    among: Iterable[Process] | None = None,
    settled: Settled = lambda _: True,
) -> list[Finding]:
    """Everything found, the kinds in the order of this module.

    among    only what is about one of these processes, or shown by one
    settled  whether a process has been as it is for long enough; asked for what is normal for a moment
    """
    scene = _Scene(graph, roles, names, settled)
    found = [finding for look in _LOOKS for finding in look(scene)]
    if among is None:
        return found
    wanted = set(among)
    return [f for f in found if f.process in wanted or any(other in wanted for other in f.others)]


def find_in_trace(
    graph: ProcessGraph, roles: Roles, names: Names, *, among: Iterable[Process] | None = None, now: int | None = None
) -> list[Finding]:
    """The same at the end of a trace: what has been so for a second, if the trace has times.

    now  of a live one, in ns by the source's clock; None: the last moment of which the graph knows
    """
    if now is None:
        moments = [t for p in graph.processes for t in (p.born_time, p.exec_time, p.exited_time) if t is not None]
        now = max(moments, default=None)

    def settled(process: Process) -> bool:
        since = process.exited_time if process.state is ZOMBIE else process.exec_time or process.born_time
        return now is None or since is None or now - since >= SECOND

    return find(graph, roles, names, among=among, settled=settled)


def _zombies(scene: _Scene) -> Iterator[Finding]:
    """Ended, and its parent has not called wait: exit_notify() keeps it until then."""
    owed: dict[Process, list[Process]] = {}
    for process in scene.graph.processes:
        parent = process.parent
        known = process.evidence.rank <= Evidence.DERIVED.rank
        if process.state is ZOMBIE and parent is not None and known and scene.settled(process):
            owed.setdefault(parent, []).append(process)
    for parent, zombies in owed.items():
        if parent.state is RUNNING and not parent.outside:
            yield _owed_by_init(scene, parent, zombies) or _owed(scene, parent, zombies)


def _owed_by_init(scene: _Scene, parent: Process, zombies: list[Process]) -> Finding | None:
    if not _is_container_init(parent):
        return None
    return Finding(
        INIT_DOES_NOT_REAP,
        parent,
        tuple(zombies),
        f"{scene.called(parent)} is PID 1 of {scene.container(parent)} and does not reap: "
        f"{_counted(scene, zombies)}. Orphans of its pid namespace come to it, and it waits only for what it knows."
        + _if_asked(scene),
        "Give the container an init that reaps: `docker run --init`, tini or dumb-init as its entrypoint, or "
        "shareProcessNamespace: true in the pod, so that pause reaps. These zombies go when the container restarts.",
    )


def _owed(scene: _Scene, parent: Process, zombies: list[Process]) -> Finding:
    advice = (
        f"See what {scene.called(parent)} is doing (`cat /proc/{parent.tgid}/stack`, strace -p): it must call wait. "
    )
    if parent.tgid == 1:
        advice += "PID 1 cannot be restarted without the machine; if it runs, its program is at fault."
    elif scene.roles.role(parent) == SHIM:
        advice += "Restarting containerd does not help: the shim owes the wait. Its pod's end frees them."
    else:
        advice += "When it ends, the next reaper above gets them, and waits."
    count = "zombie" if len(zombies) == 1 else f"{len(zombies):,} zombies"
    message = f"{count}: {_counted(scene, zombies)} ended, and {scene.called(parent)} has not called wait."
    return Finding(ZOMBIES, parent, tuple(zombies), message + _if_asked(scene), advice)


def _if_asked(scene: _Scene) -> str:
    if scene.graph.stats.waits_seen:
        return ""
    return " But no wait of anybody is in the trace: unless strace was asked for waits, this means nothing."


def _is_container_init(process: Process) -> bool:
    """PID 1 of a pid namespace of its own, in a container's cgroup or where no cgroup is known."""
    inside = process.ns.init is process or (process.ns_pids and process.ns_pids[-1] == 1)
    known = not process.cgroup or bool(cgroup.facts(process.cgroup).container_id)
    return bool(inside) and process.ns.level > 0 and known


def _counted(scene: _Scene, processes: list[Process], shown: int = 5) -> str:
    names = [scene.called(process) for process in processes[:shown]]
    rest = len(processes) - shown
    return ", ".join(names) + (f" and {rest:,} more" if rest > 0 else "")


def _childless_shims(scene: _Scene) -> Iterator[Finding]:
    """A shim ends with its last container, when containerd tells it to (Shutdown)."""
    for process in scene.graph.processes:
        if process.state is not RUNNING or scene.roles.role(process) != SHIM or not _holds_children(process):
            continue
        if not process.start_time and not _children_known(scene.graph, process):
            continue
        if next(process.children(), None) is None and scene.settled(process):
            name = scene.names.of(process)
            namespace = (name.namespace if name is not None else "") or "NAMESPACE"
            container = (name.id if name is not None else "") or "ID"
            yield Finding(
                CHILDLESS_SHIM,
                process,
                (),
                f"{scene.called(process)} serves {scene.container(process)} and has no child: "
                "what it ran has ended, and nobody told it to go.",
                f"`ctr -n {namespace} task ls` shows whether containerd knows it: if so, "
                f"`ctr -n {namespace} task rm {container}`; if not, it was left behind: kill {process.tgid}.",
            )


def _children_known(graph: ProcessGraph, shim: Process) -> bool:
    """In a log: it was there when the shim was born, and nobody since has a parent that it does not tell."""
    return shim.creator is not None and not any(
        process.state is RUNNING and process.born_at > shim.born_at and process.evidence.rank > Evidence.DERIVED.rank
        for process in graph.processes
    )


def _holds_children(shim: Process) -> bool:
    """runc's shims have the container's processes as children; those of virtual machines (kata) need not."""
    base = shim.program.path.rpartition("/")[2] if shim.program is not None else shim.comm
    return base == "containerd-shim" or base.startswith("containerd-shim-runc")


def _lost_shims(scene: _Scene) -> Iterator[Finding]:
    """The shim is the parent of a container's first process until one of the two ends: forget_original_parent()."""
    lost: dict[tuple[Process, str], list[Process]] = {}
    for process in scene.graph.processes:
        if process.state is not RUNNING or not process.cgroup or not _is_container_init(process):
            continue
        parent, name = process.parent, scene.names.of(process)
        if parent is None or name is None or process.evidence.rank > Evidence.DERIVED.rank:
            continue
        # Others have no shims: conmon is podman's and CRI-O's, and runc itself stays with nothing.
        shimless = name.runtime in {"", "containerd", "docker"} and not _may_hold(scene.roles.role(parent))
        within = cgroup.facts(parent.cgroup).container_id == cgroup.facts(process.cgroup).container_id
        if shimless and not within and scene.settled(process):
            lost.setdefault((parent, name.sandbox_id or name.pod_uid or name.id), []).append(process)
    for (parent, _), processes in lost.items():
        first = next((p for p in processes if scene.roles.role(p) == PAUSE), processes[0])
        them = "it" if len(processes) == 1 else "them"
        yield Finding(
            LOST_SHIM,
            first,
            tuple(p for p in processes if p is not first),
            f"{_counted(scene, processes)} of {scene.container(first)}: the shim above {them} has ended, and "
            f"{scene.called(parent)} adopted {them}. containerd can no longer stop {them}, exec there, or learn the "
            "exit code.",
            "Start containerd, or restart it: it then ends what has no shim, and a kubelet starts the pod anew. "
            "Why the shim ended, the kernel's log (OOM) or containerd's journal may tell.",
        )


def _may_hold(role: str | None) -> bool:
    """Whether a container's first process may be a child of such a one, for a while or for good."""
    return role in {SHIM, "conmon"} or is_helper(role)


def _nested_shims(scene: _Scene) -> Iterator[Finding]:
    """`shim start` leaves the serving shim to the nearest subreaper above containerd: on a plain node PID 1."""
    for process in scene.graph.processes:
        parent = process.parent
        if process.state is not RUNNING or parent is None or scene.roles.role(process) != SHIM:
            continue
        if process.evidence.rank > Evidence.DERIVED.rank:
            continue
        above = scene.roles.role(parent)
        if above == SHIM:
            yield Finding(
                NESTED_SHIM,
                process,
                (parent,),
                f"{scene.called(process)} is a child of another shim, {scene.called(parent)}: its containerd runs in "
                f"{scene.container(parent)}, in the machine's pid namespace, and the nearest subreaper above that is "
                "this shim.",
                "Run that containerd as a service of the machine, or in a container with a pid namespace of its own. "
                f"Until then the end of {scene.container(parent)} moves the shim once more, to what is above.",
            )
        elif above == CONTAINERD:
            yield _under_containerd(scene, process, parent)


def _under_containerd(scene: _Scene, process: Process, containerd: Process) -> Finding:
    if containerd.ns.init is containerd or (containerd.ns_pids and containerd.ns_pids[-1] == 1):
        why = "containerd is PID 1 of its pid namespace: its end kills the shim and every container at once"
        todo = "Start containerd under an init (tini, systemd) in that namespace."
    else:
        why = (
            "containerd is a subreaper, or this is a shim of the old kind (runtime v1): it reaps what it does not know"
        )
        todo = "Look for what made it a subreaper (a wrapper's prctl survives exec); start it without."
    message = f"{scene.called(process)} is a child of {scene.called(containerd)} itself: {why}."
    return Finding(NESTED_SHIM, process, (containerd,), message, todo)


def _pdeath_threads(scene: _Scene) -> Iterator[Finding]:
    """reparent_leader(): the signal is sent when the *thread* ends that created (or adopted) the process."""
    for process in scene.graph.processes:
        number = process.leader.pdeath_signal
        if not number or is_helper(scene.roles.role(process)):
            continue
        thread = process.real_parent
        if process.state is RUNNING and thread is not None and thread.tid != thread.process.leader.tid:
            yield Finding(
                PDEATH_THREAD,
                process,
                (thread.process,),
                f"{scene.called(process)} gets {signal_name(number)} when thread {thread.tid} of "
                f"{scene.called(thread.process)} ends, even if that process lives on (PR_SET_PDEATHSIG).",
                _KEEP_THREAD,
            )
        elif _killed_by_thread(process, number) and process.creator is not None:
            yield Finding(
                PDEATH_THREAD,
                process,
                (process.creator,),
                f"{scene.called(process)} was killed by {signal_name(number)}, its pdeath_signal: thread "
                f"{process.creator_tid} of {scene.called(process.creator)}, its creator, ended. That process lives on.",
                _KEEP_THREAD,
            )


_KEEP_THREAD = (
    "Start it from a thread that stays: the main thread, or in Go a goroutine that called runtime.LockOSThread and "
    "does not return before the child ends. Or do without the signal."
)


def _killed_by_thread(process: Process, number: int) -> bool:
    """Killed by the signal that it asked for, its creator's thread gone and the creator alive."""
    creator, status = process.creator, process.status
    if creator is None or creator.state is not RUNNING or status is None or status & 0x7F != number:
        return False
    return process.creator_tid != creator.leader.tid and process.creator_tid not in creator.threads


def _escaped(scene: _Scene) -> Iterator[Finding]:
    """In a container by its pid namespace or its parent, and in no container by its cgroup."""
    for process in scene.graph.processes:
        if process.state is not RUNNING or not process.cgroup or cgroup.facts(process.cgroup).container_id:
            continue
        inside = _container_around(process)
        if inside is None or is_helper(scene.roles.role(process)) or not scene.settled(process):
            continue
        held = process.ns is inside.ns and process.ns.level > 0
        end = "it ends with PID 1 of the container, " if held else "it outlives the container, "
        yield Finding(
            ESCAPED,
            process,
            (inside,),
            f"{scene.called(process)} belongs to {scene.container(inside)} and is not in its cgroup, but in "
            f"{process.cgroup}: {end}and the container's limits and accounting do not reach it.",
            f"End it (kill {process.tgid}), then see what moved it: a privileged container that writes to the host's "
            "cgroups, or sshd, cron or systemd-run inside the container. Whoever came in by nsenter has kept a "
            "cgroup from outside.",
        )


def _container_around(process: Process) -> Process | None:
    """The process in a container's cgroup that this one belongs to: PID 1 of its namespace, or its parent."""
    for other in (process.ns.init if process.ns.level > 0 else None, process.parent):
        if other is None or other is process or other.state is DEAD or other.outside:
            continue
        where = cgroup.facts(other.cgroup)
        if where.container_id and not where.monitor:
            return other
    return None


_LOOKS: tuple[Callable[[_Scene], Iterator[Finding]], ...] = (
    _zombies,
    _childless_shims,
    _lost_shims,
    _nested_shims,
    _pdeath_threads,
    _escaped,
)
