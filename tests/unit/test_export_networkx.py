from __future__ import annotations

from typing import Any

import networkx as nx

from tests.script import Script, pod
from tracer.identity import TaskUid


def edges(graph: nx.MultiDiGraph[TaskUid], kind: str) -> list[tuple[int, int, dict[str, Any]]]:
    return [(a.tid, b.tid, data) for a, b, data in graph.edges(data=True) if data["kind"] == kind]


def test_pod() -> None:
    graph = pod().graph()
    out = graph.to_networkx()
    assert {kind for *_, kind in out.edges(data="kind")} == {"created", "child-of", "adopted", "thread-of"}
    assert out.nodes[TaskUid(304, 0)]["role"] == "pause"
    assert out.nodes[TaskUid(1, 0)]["outside"] is True
    assert (303, 304) in {(a, b) for a, b, _ in edges(out, "created")}
    assert {(a, b, d["rule"], d["evidence"]) for a, b, d in edges(out, "adopted")} == {
        (1, 220, "child_reaper", "assumed"),
        (220, 304, "subreaper", "derived"),
        (220, 404, "subreaper", "derived"),
    }
    assert {(a, b) for a, b, _ in edges(out, "thread-of")} == {(101, 100), (221, 220)}


def test_stretches_of_parents_follow_each_other() -> None:
    out = pod().graph().to_networkx()
    stretches = [(b, d["from_line"], d["to_line"], d["rule"]) for a, b, d in edges(out, "child-of") if a == 304]
    assert stretches == [(300, 33, 38, None), (220, 38, None, "subreaper")]
    gone = [d["to_line"] for a, _, d in edges(out, "child-of") if a == 200]
    assert gone == [6]


def test_now_is_a_forest() -> None:
    out = pod().graph().to_networkx()
    now = nx.DiGraph((b, a) for a, b, d in out.edges(data=True) if d["kind"] == "child-of" and d["to_line"] is None)
    assert nx.is_forest(now)
    assert nx.descendants(now, TaskUid(220, 0)) == {TaskUid(n, 0) for n in (304, 404, 410, 411)}


def test_a_number_used_twice_is_two_nodes() -> None:
    s = Script()
    s.attach(10)
    s.run(10, 11, "/bin/a")
    s.run(10, 11, "/bin/b")
    s.fork(10, 12)
    s.thread(12, 11)
    out = s.graph().to_networkx()
    assert [out.nodes[TaskUid(11, i)]["kind"] for i in range(3)] == ["process", "process", "thread"]
