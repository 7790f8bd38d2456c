"""Pid namespaces: who is init, what ends with it, and how numbers and levels are kept apart."""

from __future__ import annotations

import pytest

from tests.unit.reconstruct.build import Memory, edges, graph_of, parse
from tracer.event import (
    CLONE_NEWPID,
    SIGCHLD,
    Clone,
    Exit,
    JoinPidNs,
    PidNsId,
)
from tracer.graph import DEAD, RULE_CHILD_REAPER, RUNNING, ZOMBIE
from tracer.reconstruct import reconstruct
from tracer.reconstruct.engine import Engine


def test_orphan_in_a_pid_namespace_goes_to_its_init() -> None:
    graph = graph_of("""
        10 exec unshare
        10 subreaper 1
        10 newpid 20
        20 fork 21
        21 fork 22
        21 exit 0
    """)
    assert edges(graph)[22] == (20, "derived")
    assert graph.find(20)[0].ns_pids == (1,)


def test_who_has_the_namespaces_init_is_nothing_to_an_orphan_inside() -> None:
    """find_new_reaper() does not look above the dead father's level."""
    graph = graph_of("""
        10 exec outer
        10 fork 15
        15 newpid 20
        15 exit 0
        20 fork 21
        21 fork 22
        21 exit 0
    """)
    assert edges(graph)[20] == (1, "assumed")
    assert edges(graph)[22] == (20, "derived")


def test_who_has_an_injected_process_is_nothing_to_an_orphan_inside() -> None:
    """Whoever adopted 30 is on the level of the dead 16, so the walk from 31 ends there."""
    before = parse("""
        10 exec outer
        10 newpid 20
        10 fork 16
    """)
    after = parse("""
        16 fork 30
        16 exit 0
        30 fork 31
        31 fork 32
        31 exit 0
    """)
    graph = reconstruct(Memory([*before, PidNsId(4, None, 20, 77), JoinPidNs(5, None, 16, 77), *after]))
    assert edges(graph)[30] == (1, "assumed")
    assert edges(graph)[32] == (20, "derived")


def test_a_subreaper_inside_wins_over_the_init_inside_and_levels_do_not_mix() -> None:
    graph = graph_of("""
        10 exec outer
        10 subreaper 1
        10 unshare
        10 fork 20
        20 fork 21
        21 subreaper 1
        21 fork 22
        22 fork 23
        22 exit 0
        21 exit 0
    """)
    steps = graph.find(23)[0].reparentings or ()
    assert [(s.new.tgid, s.rule) for s in steps if s.new] == [(21, "subreaper"), (20, "child_reaper")]


def test_the_init_of_a_pid_namespace_takes_everything_with_it() -> None:
    graph = graph_of("""
        10 exec outer
        10 newpid 20
        20 fork 21
        21 fork 22
        20 exit 9
    """)
    assert set(edges(graph)) == {10, 20}
    assert graph.find(22)[0].state == DEAD
    assert str(graph.find(22)[0].exit) == "killed by SIGKILL"
    assert graph.find(22)[0].reparentings is None


def test_an_init_that_is_exiting_reaps_all_its_children() -> None:
    """zap_pid_ns_processes() waits for strangers inside, here 14, whose parent outside owes the wait."""
    graph = graph_of("""
        10 fork 9
        10 unshare
        10 fork 11
        10 fork 14
        11 fork 12
        12 fork 13
        13 exit 0
        11 leave 3
        14 exit 9
        12 exit 9
        10 reap 9
    """)
    states = {10: RUNNING, 9: DEAD, 11: RUNNING, 14: ZOMBIE, 12: DEAD, 13: DEAD}
    assert {p.tgid: p.state for p in graph.processes} == states


def test_a_nested_namespace_ends_with_the_one_around_it() -> None:
    graph = graph_of("""
        5 exec t
        5 newpid 6
        6 newpid 162
        162 exit 9
        6 exit 0
    """)
    assert graph.find(162)[0].state == DEAD
    assert graph.find(6)[0].state == ZOMBIE


NESTED = Clone(3, None, 11, 12, 0, SIGCHLD, 4)


def test_a_number_of_another_namespace_proves_that_its_receiver_is_inside_one() -> None:
    """setns was not traced: the father was inside, so a subreaper outside does not inherit."""
    events = [*parse("10 exec top\n10 subreaper 1"), *parse("10 fork 11"), NESTED, *parse("11 exit 0")]
    assert edges(reconstruct(Memory(events)))[12] == (None, "unknown")
    with_init = [*parse("10 exec top\n10 subreaper 1\n10 newpid 20\n10 fork 11"), NESTED, *parse("11 exit 0")]
    assert edges(reconstruct(Memory(with_init)))[12] == (20, "inferred")


def test_setns_into_the_only_namespace_there_is() -> None:
    events = parse("10 exec top\n10 newpid 20\n10 fork 11")
    events += [JoinPidNs(4, None, 11), *parse("11 fork 12\n12 fork 13\n12 exit 0")]
    assert edges(reconstruct(Memory(events)))[13] == (20, "inferred")


def test_setns_among_several_namespaces_means_nobody_knows_which() -> None:
    """20 and 30 are inits; 11 enters the namespace of one of the two."""
    events = parse("10 exec top\n10 newpid 20\n10 newpid 30\n10 fork 11")
    events += [JoinPidNs(5, None, 11), *parse("11 fork 12\n12 fork 13\n12 exit 0")]
    assert edges(reconstruct(Memory(events)))[13] == (None, "unknown")


def test_who_came_into_a_namespace_by_setns_is_never_its_init() -> None:
    """The namespace is older than the trace: 12's orphan goes to somebody in it whom the trace does not have."""
    events = [
        *parse("10 exec nsenter"),
        JoinPidNs(1, None, 10),
        *parse("10 fork 11\n11 fork 12\n12 fork 13\n12 exit 0"),
    ]
    assert edges(reconstruct(Memory(events)))[13] == (None, "unknown")


@pytest.mark.parametrize(("unshares", "level"), [(10, 0), (12, 1)])
def test_exec_by_a_thread_keeps_that_threads_namespace_for_children(unshares: int, level: int) -> None:
    """nsproxy->pid_ns_for_children is of the task, and de_thread() ends the leader's task."""
    graph = graph_of(f"9 fork 10\n10 thread 12\n{unshares} unshare\n10 exec 12 sh\n10 fork 13")
    assert graph.find(13)[0].ns.level == level


def test_numbers_inside_from_the_outermost_level_on() -> None:
    between = Clone(3, None, 7, 18, CLONE_NEWPID, SIGCHLD, 11)
    graph = reconstruct(Memory([*parse("5 exec t\n5 newpid 7"), between]))
    assert graph.find(18)[0].ns_pids == (11, 1)


def test_a_zombie_whose_parent_is_outside_outlives_its_namespaces_init() -> None:
    """As the probes tell it: the init ends first, and waits in zap_pid_ns_processes() until 12 is reaped."""
    graph = graph_of("9 newpid 10\n9 fork 5\n10 fork 11\n10 exit 9\n11 exit 9", None)
    assert {p.tgid: p.state for p in graph.processes}[11] == DEAD
    inside = Clone(3, None, 9, 12, 0, SIGCHLD)
    events = [*parse("9 newpid 10"), JoinPidNs(2, None, 9), inside, Exit(4, None, 10, 9), Exit(5, None, 12, 9)]
    engine = Engine()
    engine.feed(events)
    assert {p.tgid: p.state for p in engine.finish().processes}[12] == ZOMBIE


def test_the_way_to_the_init_of_a_joined_namespace_leads_past_no_subreaper_outside() -> None:
    """A pod's pause is init for the application, which runc put beside it; the shim above is of another namespace."""
    events = [
        *parse("5 exec shim\n5 subreaper 1"),
        Clone(3, None, 5, 7, CLONE_NEWPID, SIGCHLD),
        PidNsId(4, None, 7, 77),
    ]
    events += [*parse("5 fork 8"), JoinPidNs(6, None, 8, 77), *parse("8 fork 9\n9 fork 10\n10 fork 11\n10 exit 0")]
    child = reconstruct(Memory(events)).find(11)[0]
    assert [(s.new and s.new.tgid, s.rule, str(s.evidence)) for s in child.reparentings or ()] == [
        (7, RULE_CHILD_REAPER, "derived")
    ]
