from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.render.paint import painted
from tests.script import Script, pod
from tracer import filters
from tracer.errors import TargetError
from tracer.filters import Predicate, select
from tracer.graph import ProcessGraph
from tracer.render.tree import tree_lines
from tracer.runtime.containers import names_of
from tracer.runtime.roles import Roles
from tracer.view import LINEAGE, NOW, build_view, creator_or_parent, parent_now

Make = Callable[[ProcessGraph, Roles], list[Predicate]]


def chosen(make: Make, script: Script | None = None) -> list[int]:
    graph = (script or pod()).graph()
    kept = select(graph, make(graph, Roles(graph)))
    assert kept is not None
    return [process.tgid for process in kept]


def test_no_filter_is_no_selection() -> None:
    assert select(pod().graph(), []) is None


def test_each_kind() -> None:
    assert chosen(lambda _g, _r: [filters.by_pid([304, 100, 7])]) == [100, 304]
    assert chosen(lambda _g, _r: [filters.by_comm(["ngi*", "pause"])]) == [304, 404, 410, 411]
    assert chosen(lambda _g, _r: [filters.by_comm(["docker-entry*"])]) == [404]
    assert chosen(lambda _g, _r: [filters.by_comm(["containerd-shim-runc-v2"])]) == [210, 220]
    assert chosen(lambda _g, r: [filters.by_role(["shim*"], r)]) == [210, 220]
    assert chosen(lambda _g, _r: [filters.by_state(["running"])]) == [100, 220, 304, 404, 410, 411]


@pytest.mark.parametrize(("text", "found"), [("980", False), ("9802", True), ("9803", False)])
def test_an_id_is_known_by_its_first_four_digits(text: str, found: bool) -> None:
    """With fewer, `--pod 9` would mean a name as well as every id that begins so."""
    s = Script()
    shim = "/usr/bin/containerd-shim-runc-v2"
    s.exec(10, shim, shim, "-namespace", "k8s.io", "-id", "9802" * 16)
    assert bool(chosen(lambda g, _r: [filters.by_pod([text], names_of(g))], s)) is found


def test_a_program_that_calls_itself_something_else() -> None:
    s = Script()
    s.exec(10, "/usr/bin/tmux")
    s.rename(10, "tmux: server")
    for name in ("tmux", "tmux: server"):
        assert chosen(lambda _g, _r, name=name: [filters.by_comm([name])], s) == [10]


def test_subtree_by_tree_and_by_lineage() -> None:
    assert chosen(lambda g, _r: [filters.by_subtree(g, [404], parent_now)]) == [404, 410, 411]
    assert 304 not in chosen(lambda g, _r: [filters.by_subtree(g, [100], parent_now)])
    assert len(chosen(lambda g, _r: [filters.by_subtree(g, [100], creator_or_parent)])) == 18
    assert 220 in chosen(lambda g, _r: [filters.by_subtree(g, [1], parent_now)])


def test_subtree_of_nobody_is_an_error() -> None:
    with pytest.raises(TargetError, match="no process 9999"):
        chosen(lambda g, _r: [filters.by_subtree(g, [9999], parent_now)])


def test_kinds_compose() -> None:
    assert chosen(
        lambda g, r: [
            filters.by_subtree(g, [220], creator_or_parent),
            filters.by_role(["runc-*"], r),
            filters.by_comm(["runc:*"]),
        ]
    ) == [302, 303, 402, 403]
    assert chosen(lambda _g, _r: [filters.by_pid([304]), filters.by_state(["dead"])]) == []


def shown(view: str, make: Make) -> list[tuple[int, bool]]:
    graph = pod().graph()
    drawn = build_view(graph, view, keep=select(graph, make(graph, Roles(graph))))
    return [(placed.process.tgid, placed.process in drawn.context) for placed in drawn.walk()]


def test_ancestors_are_kept_as_context() -> None:
    assert shown(NOW, lambda _g, _r: [filters.by_pid([411])]) == [(1, True), (220, True), (404, True), (411, False)]
    assert shown(LINEAGE, lambda _g, _r: [filters.by_pid([304])]) == [
        (100, True),
        (210, True),
        (220, True),
        (300, True),
        (302, True),
        (303, True),
        (304, False),
    ]


def test_finished_ones_are_counted_below_their_context() -> None:
    graph = pod().graph()
    roles = Roles(graph)
    view = build_view(graph, NOW, keep=select(graph, [filters.by_role(["cni"], roles)]), roles=roles)
    text = painted(tree_lines(view, width=100))
    assert "3 finished: cni cilium-cni ×2, cni loopback ×1" in text
    assert "shim" not in text


def test_subtree_is_linear_in_depth() -> None:
    s = Script()
    s.attach(100, "top")
    for i in range(20_000):
        s.fork(100 + i, 101 + i)
    assert len(chosen(lambda g, _r: [filters.by_subtree(g, [10_100], parent_now)], s)) == 10_001
