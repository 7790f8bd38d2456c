"""Tasks whose creation the trace lacks: whose threads they are, and what follows from not knowing it."""

from __future__ import annotations

from tests.unit.reconstruct.build import Memory, edges, graph_of, parse
from tracer.event import (
    CLONE_THREAD,
    Clone,
)
from tracer.graph import DEAD
from tracer.reconstruct import reconstruct


def test_where_tasks_come_out_of_nowhere_an_unseen_wait_is_likely() -> None:
    graph = graph_of("5 exec t\n5 fork 6\n90 attach\n6 exit 0\n5 sigchld 6", {"clone", "prctl"})
    assert graph.find(6)[0].state == DEAD


def test_an_exec_proves_that_a_task_out_of_nowhere_was_a_thread() -> None:
    graph = graph_of("""
        5 exec t
        5 fork 285
        292 attach
        292 fork 70
        285 exec 292 t
        285 fork 79
    """)
    assert edges(graph) == {
        5: (None, "unknown"),
        285: (5, "observed"),
        70: (285, "observed"),
        79: (285, "observed"),
    }


def test_an_exec_moves_a_thread_that_a_guess_had_put_into_another_process() -> None:
    """Only the thread moves: the process that it was taken from stays what it is."""
    events = parse("9 exec t\n9 fork 20\n9 fork 30\n20 fork 21")
    events += [Clone(5, None, 20, 31, CLONE_THREAD, 0, 5, "number 5 is of another pid namespace")]
    events += parse("30 exec 31 t\n20 fork 22\n30 fork 32")
    graph = reconstruct(Memory(events))
    parents = {tgid: parent for tgid, (parent, evidence) in edges(graph).items() if evidence == "observed"}
    assert parents == {20: 9, 30: 9, 21: 20, 22: 20, 32: 30}
    assert [list(p.threads) for p in graph.processes] == [[9], [20], [30], [21], [22], [32]]


def test_tasks_out_of_nowhere_join_the_process_whose_exit_group_ends_them() -> None:
    graph = graph_of(
        """
        10 exec sh
        10 fork 20
        20 exec runc
        21 attach
        22 attach
        22 fork 30
        21 begin 0
        22 exit 0
        21 exit 0
        20 exit 0
    """,
        {"clone", "execve", "exit_group"},
    )
    assert [p.tgid for p in graph.processes] == [10, 20, 30]
    assert graph.find(30)[0].creator is graph.find(20)[0]
    assert edges(graph)[30] == (1, "assumed")


def test_sigchld_tells_whose_thread_a_task_out_of_nowhere_is() -> None:
    graph = graph_of(
        """
        10 exec sh
        10 fork 20
        21 attach
        20 fork 30
        30 exit 0
        21 sigchld 30
        21 fork 31
    """,
        {"clone", "execve"},
    )
    assert edges(graph)[31] == (20, "inferred")
    assert list(graph.find(20)[0].threads) == [20, 21]


def test_exec_ends_threads_out_of_nowhere() -> None:
    graph = graph_of(
        """
        10 exec sh
        10 fork 20
        21 attach
        21 exit 0
        20 exec pause
        20 fork 30
    """,
        {"clone", "execve"},
    )
    assert [p.tgid for p in graph.processes] == [10, 20, 30]


def test_what_may_be_a_thread_is_no_certain_parent() -> None:
    graph = graph_of(
        """
        10 exec sh
        21 attach
        21 fork 30
    """,
        {"clone", "execve"},
    )
    assert edges(graph)[30] == (21, "inferred")


def test_contradictions_tie_no_knots() -> None:
    """10 cannot be a child of what is below it, whatever a damaged log says."""
    graph = graph_of("""
        10 exec sh
        10 fork 11
        11 fork 12
        10 exit 0
        12 sigchld 10
        11 reap 10
        12 fork 12
    """)
    for process in graph.processes:
        seen = set()
        while process is not None and process not in seen:
            seen.add(process)
            process = process.parent
        assert process is None


def test_nobody_creates_himself() -> None:
    assert [p.tgid for p in graph_of("1 fork 1\n1 exit 5").processes] == [1]
