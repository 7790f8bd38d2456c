from __future__ import annotations

import time

import pytest

from tests.render.paint import check_snapshot, painted, tree
from tests.script import Script, pod
from tracer.render.tree import tree_lines
from tracer.view import build_view


@pytest.mark.parametrize("width", [60, 100, 140])
@pytest.mark.parametrize("view", ["now", "lineage"])
def test_pod(view: str, width: int) -> None:
    text = tree(pod().graph(), view, width=width)
    check_snapshot(f"pod-{view}-{width}.txt", text)
    assert max(map(len, text.splitlines())) <= width


def test_pod_with_threads_and_reasons() -> None:
    check_snapshot("pod-threads-reasons.txt", tree(pod().graph(), threads=True, reasons=True, width=None))


def test_pod_in_ascii() -> None:
    text = painted(tree_lines(build_view(pod().graph(), "now"), width=100), ascii_only=True)
    assert text.isascii()
    check_snapshot("pod-ascii.txt", text)


def test_ends_and_zombies() -> None:
    s = Script()
    s.attach(10, "make")
    s.fork(10, 11)
    s.exec(11, "/usr/bin/cc1", "cc1")
    s.exit(11, 9 | 0x80)
    s.fork(10, 12)
    s.exec(12, "/usr/bin/ld", "ld")
    s.exit(12, 2 << 8)
    s.reap(10, 12, 2 << 8)
    s.fork(10, 13)
    s.thread(13, 14)
    s.exit(13)
    # strace is told of a leader's end when the last thread has ended; eBPF sees it at once.
    s.info.kind = "ebpf"
    check_snapshot("ends-now.txt", tree(s.graph()))
    check_snapshot("ends-lineage.txt", tree(s.graph(), "lineage"))


def test_adopted_by_a_namespace_init() -> None:
    s = Script()
    s.attach(10, "runc")
    s.fork(10, 11, 0x20000000)
    s.exec(11, "/pause")
    s.fork(11, 12)
    s.fork(12, 13)
    s.exec(13, "/bin/sleep", "sleep", "9")
    s.exit(12)
    check_snapshot("namespace-init.txt", tree(s.graph()))


def test_long_names_are_cut_on_a_terminal_only() -> None:
    s = Script()
    s.attach(10, "x")
    s.exec(10, "/bin/" + "n" * 300)
    cut = tree(s.graph(), width=60).splitlines()[0]
    assert len(cut) == 60
    assert "…" in cut
    assert "n" * 300 in tree(s.graph(), width=None)


def test_tasks_of_unseen_processes_take_one_line() -> None:
    s = Script()
    for tid in range(20, 45):
        s.exit(tid)
    for tid in range(50, 75):
        s.rename(tid, "")
    text = tree(s.graph())
    assert len(text.splitlines()) <= 3
    assert "25 tasks whose process the trace does not name: " in text


@pytest.mark.parametrize("count", [3, 4])
def test_many_named_tasks_of_an_unseen_process_take_one_line(count: int) -> None:
    """Java and Go name their threads (PR_SET_NAME), and many filters leave out clone3."""
    s = Script()
    s.exec(10, "/bin/java")
    for tid in range(20, 20 + count):
        s.rename(tid, f"GC#{tid}")
    text = tree(s.graph())
    assert ("4 tasks whose process the trace does not name: GC#20 (20), GC#21 (21), " in text) is (count == 4)
    assert text.count("perhaps a thread") == (0 if count == 4 else 3)


def chain(depth: int) -> Script:
    s = Script()
    s.attach(100, "top")
    for i in range(depth):
        s.fork(100 + i, 101 + i)
    return s


def wide(count: int) -> Script:
    s = Script()
    s.attach(100, "top")
    for i in range(count):
        s.fork(100, 200 + i)
    return s


@pytest.mark.parametrize("view", ["now", "lineage"])
def test_a_deep_chain_has_bounded_lines(view: str) -> None:
    lines = tree(chain(10_000).graph(), view, width=None).splitlines()
    assert len(lines) == 10_001
    assert max(map(len, lines)) < 150
    assert lines[-1].startswith("…+9979 ")
    assert "(10100)" in lines[-1]


def seconds_to_draw(script: Script) -> float:
    graph = script.graph()
    best = 1e9
    for _ in range(3):
        start = time.process_time()
        tree(graph, width=None)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("shape", [chain, wide])
def test_time_grows_linearly(shape: object) -> None:
    assert callable(shape)
    # Ten times as many may take 25 times as long here; anything quadratic takes 100 times.
    assert seconds_to_draw(shape(20_000)) < 25 * seconds_to_draw(shape(2_000))


def test_a_hundred_thousand_children() -> None:
    assert len(tree(wide(100_000).graph(), width=None).splitlines()) == 100_001
