"""The process graph as a networkx MultiDiGraph: the whole history, for other tools (docs/reference/graph.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import networkx as nx

from tracer.graph import DEAD, Process, ProcessGraph
from tracer.identity import TaskUid
from tracer.runtime.roles import Roles

if TYPE_CHECKING:
    from tracer.identity import Evidence


def to_networkx(graph: ProcessGraph) -> nx.MultiDiGraph[TaskUid]:
    """A node for each process and each of its living other threads, keyed by TaskUid; every edge has a `kind`.

    created    creator -> child           evidence, line, time, tid (the creating thread)
    child-of   child -> parent            evidence, rule (None at birth), reason, from_line, to_line (None: still so),
                                          from_time, to_time; one for each stretch of time
    adopted    new parent -> child        evidence, rule, cause, reason, line, time
    thread-of  thread -> its process
    """
    out: nx.MultiDiGraph[TaskUid] = nx.MultiDiGraph(schema="ctrace.networkx/1")
    roles = Roles(graph)
    for process in graph.processes:
        _add_node(out, process, roles)
    for process in graph.processes:
        _add_created(out, process, roles)
        _add_parents(out, process, roles)
        if process.state != DEAD:
            _add_threads(out, process)
    return out


def _add_node(out: nx.MultiDiGraph[TaskUid], process: Process, roles: Roles) -> None:
    program = process.program
    out.add_node(
        process.uid,
        kind="process",
        pid=process.tgid,
        comm=process.comm,
        exe=program.exe if program else "",
        argv=program.argv if program else (),
        state=process.state,
        role=roles.role(process),
        subreaper=process.subreaper,
        status=process.status,
        outside=process.outside,
        born_line=process.born_at,
        exited_line=process.exited_at,
    )


def _named(out: nx.MultiDiGraph[TaskUid], process: Process, roles: Roles) -> TaskUid:
    """The node of a process, added where it lies outside the trace."""
    if process.uid not in out:
        _add_node(out, process, roles)
    return process.uid


def _add_created(out: nx.MultiDiGraph[TaskUid], process: Process, roles: Roles) -> None:
    if process.creator is None:
        return
    out.add_edge(
        _named(out, process.creator, roles),
        process.uid,
        key="created",
        kind="created",
        evidence=process.birth_evidence.value,
        line=process.born_at,
        time=process.born_time,
        tid=process.creator_tid,
    )


class _Stretch(NamedTuple):
    """A time during which a process had one parent."""

    parent: Process | None
    evidence: Evidence
    rule: str | None
    reason: str
    line: int
    time: int | None


def _add_parents(out: nx.MultiDiGraph[TaskUid], process: Process, roles: Roles) -> None:
    changes = process.reparentings or []
    first = process.birth_parent
    stretches = [_Stretch(first, process.birth_evidence, None, process.reason, process.born_at, process.born_time)]
    stretches += [_Stretch(c.new, c.evidence, c.rule, c.reason, c.at, c.time) for c in changes]
    gone = process.exited_at if process.state == DEAD and process.reaped_at is None else process.reaped_at
    ends = [*((c.at, c.time) for c in changes), (gone, None)]
    for stretch, (end, end_time) in zip(stretches, ends, strict=True):
        if stretch.parent is not None:
            _add_child_of(out, process, _named(out, stretch.parent, roles), stretch, end, end_time)
    for i, change in enumerate(changes):
        if change.new is None:
            continue
        out.add_edge(
            _named(out, change.new, roles),
            process.uid,
            key=f"adopted#{i}",
            kind="adopted",
            evidence=change.evidence.value,
            rule=change.rule,
            cause=change.cause,
            reason=change.reason,
            line=change.at,
            time=change.time,
        )


def _add_child_of(
    out: nx.MultiDiGraph[TaskUid],
    process: Process,
    parent: TaskUid,
    stretch: _Stretch,
    end: int | None,
    end_time: int | None,
) -> None:
    out.add_edge(
        process.uid,
        parent,
        key=f"child-of#{stretch.line}",
        kind="child-of",
        evidence=stretch.evidence.value,
        rule=stretch.rule,
        reason=stretch.reason,
        from_line=stretch.line,
        from_time=stretch.time,
        to_line=end,
        to_time=end_time,
    )


def _add_threads(out: nx.MultiDiGraph[TaskUid], process: Process) -> None:
    """Threads other than the leader, whose node is the process's own."""
    for tid in process.threads:
        if tid != process.tgid:
            uid = TaskUid(tid, 0)
            while uid in out and out.nodes[uid]["kind"] == "process":
                uid = TaskUid(tid, uid.serial + 1)
            out.add_node(uid, kind="thread", tid=tid)
            out.add_edge(uid, process.uid, key="thread-of", kind="thread-of")
