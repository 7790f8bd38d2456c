"""The kernel's rules, one literal story each; docs/glossary.md has the words."""

from __future__ import annotations

import pytest

from tests.unit.reconstruct.build import Memory, edges, graph_of, parse
from tracer.event import CLONE_THREAD, Attach, Clone, Event, ExitBegin, Killed
from tracer.graph import DEAD, RUNNING, ZOMBIE
from tracer.identity import Moment
from tracer.reconstruct import reconstruct
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.state import Lacks, State


def test_orphan_goes_to_pid_1_by_assumption() -> None:
    graph = graph_of("""
        10 exec sh
        10 fork 11
        11 fork 12
        11 begin 0
        11 exit 0
        10 reap 11
    """)
    assert edges(graph) == {10: (None, "unknown"), 12: (1, "assumed")}
    (step,) = graph.find(12)[0].reparentings or ()
    assert (step.at, step.old.tgid, step.rule, step.cause) == (5, 11, "child_reaper", "exit of 11")


def test_nearest_living_subreaper_inherits() -> None:
    graph = graph_of("""
        10 exec top
        10 subreaper 1
        10 fork 11
        11 subreaper 1
        11 fork 12
        12 fork 13
        13 fork 14
        13 exit 0
        12 exit 0
        11 exit 0
    """)
    assert edges(graph)[14] == (10, "derived")
    assert [s.new.tgid for s in graph.find(14)[0].reparentings or () if s.new] == [12 - 1, 10]


def test_a_subreaper_that_was_turned_off_is_passed_over() -> None:
    graph = graph_of("""
        10 exec top
        10 subreaper 1
        10 fork 11
        11 subreaper 1
        11 subreaper 0
        11 fork 12
        12 fork 13
        12 exit 0
    """)
    assert edges(graph)[13] == (10, "derived")


def test_the_flag_survives_exec_and_is_not_inherited() -> None:
    graph = graph_of("""
        10 exec top
        10 subreaper 1
        10 exec other
        10 fork 11
        11 fork 12
        12 fork 13
        12 exit 0
    """)
    assert edges(graph)[13] == (10, "derived")
    assert graph.find(10)[0].subreaper is True
    assert graph.find(11)[0].subreaper is False


def test_clone_parent_makes_a_sibling_and_its_creator_no_parent() -> None:
    graph = graph_of("""
        10 exec create
        10 fork 11
        11 beside 12
        12 beside 13
        12 exit 0
    """)
    assert edges(graph)[13] == (10, "derived")
    pause = graph.find(13)[0]
    assert pause.creator is graph.find(12)[0]
    assert pause.creator_tid == 12
    assert pause.reparentings is None


def test_children_of_a_thread_stay_with_the_process_when_it_ends() -> None:
    graph = graph_of("""
        10 exec go
        10 thread 11
        11 fork 20
        11 exit 0
    """)
    child = graph.find(20)[0]
    assert edges(graph)[20] == (10, "observed")
    assert child.reparentings is None
    assert child.real_parent is graph.find(10)[0].leader


def test_a_subreaper_whose_leader_is_dead_adopts_with_another_thread() -> None:
    graph = graph_of("""
        10 exec shim
        10 subreaper 1
        10 thread 11
        10 leave 0
        11 fork 20
        20 fork 21
        20 exit 0
    """)
    orphan = graph.find(21)[0]
    assert edges(graph)[21] == (10, "derived")
    assert orphan.real_parent is not None
    assert orphan.real_parent.tid == 11


def test_leader_first_the_group_lives_until_its_last_thread() -> None:
    text = """
        9 exec sh
        9 fork 10
        10 thread 11
        10 fork 20
        10 leave 0
    """
    assert edges(graph_of(text))[20] == (10, "observed")
    assert graph_of(text).find(10)[0].state == RUNNING
    ended = graph_of(text + "11 exit 1792\n10 exit 1792\n")
    assert ended.find(10)[0].state == ZOMBIE
    assert str(ended.find(10)[0].exit) == "exited with 7"
    assert edges(ended)[20] == (1, "assumed")


def test_exec_by_a_thread_takes_the_leaders_number_and_all_children() -> None:
    graph = graph_of(
        """
        10 exec go
        10 thread 11
        10 thread 12
        10 fork 20
        12 fork 21
        10 exit 0
        12 exit 0
        10 exec 11 next
    """,
        None,
    )
    process = graph.find(10)[0]
    assert edges(graph) == {10: (None, "unknown"), 20: (10, "observed"), 21: (10, "observed")}
    assert list(process.threads) == [10]
    assert process.comm == "next"
    assert {c.real_parent for c in process.children()} == {process.leader}


def test_without_prctl_in_the_trace_the_child_reaper_is_an_assumption() -> None:
    text = """
        10 exec unshare
        10 newpid 20
        20 fork 21
        21 fork 22
        21 exit 0
    """
    assert edges(graph_of(text, {"clone", "wait4"}))[22] == (20, "assumed")


def test_zombie_stays_until_it_is_reaped_and_moves_like_any_child() -> None:
    text = """
        10 exec top
        10 subreaper 1
        10 fork 11
        11 fork 12
        12 exit 256
    """
    graph = graph_of(text)
    assert (graph.find(12)[0].state, edges(graph)[12]) == (ZOMBIE, (11, "observed"))
    orphaned = graph_of(text + "11 exit 0\n")
    assert (orphaned.find(12)[0].state, edges(orphaned)[12]) == (ZOMBIE, (10, "derived"))
    reaped = graph_of(text + "11 exit 0\n10 reap 12\n")
    gone = reaped.find(12)[0]
    assert (gone.state, gone.reaped_at, gone.reaper_tid, gone.evidence) == (DEAD, 7, 10, "observed")


def test_a_zombie_that_falls_to_an_outside_init_is_reaped() -> None:
    graph = graph_of("""
        10 exec top
        10 fork 11
        11 fork 12
        12 exit 0
        11 exit 0
    """)
    assert graph.find(12)[0].state == DEAD


@pytest.mark.parametrize("late_reap", [False, True])
def test_a_number_that_is_used_again_is_another_process(late_reap: bool) -> None:
    lines = ["10 exec sh", "10 fork 11", "11 exit 0", "10 reap 11", "10 fork 11", "11 fork 12", "11 exit 0"]
    if late_reap:
        lines[3], lines[4] = lines[4], lines[3]
    graph = graph_of("\n".join(lines))
    first, second = graph.find(11)
    assert (str(first.uid), str(second.uid)) == ("11#0", "11#1")
    assert (first.state, second.state) == (DEAD, ZOMBIE)
    assert edges(graph)[12] == (1, "assumed")


def test_sigchld_settles_what_was_assumed() -> None:
    graph = graph_of("""
        10 attach
        10 exec old
        10 fork 11
        11 fork 12
        11 exit 0
        12 exit 0
        10 sigchld 12
    """)
    assert graph.find(12)[0].state == ZOMBIE
    # Nobody saw 10 become a subreaper (it is older than the trace), but the kernel told it of the end of 12.
    assert graph.find(12)[0].parent is graph.find(10)[0]
    assert graph.find(12)[0].evidence == "observed"


def test_zombies_of_a_trace_in_which_nobody_waited() -> None:
    graph = graph_of("5 exec t\n5 fork 6\n6 exit 0\n5 sigchld 6", {"clone", "prctl"})
    assert graph.find(6)[0].state == ZOMBIE


def test_the_end_of_the_leader_is_the_end_of_all_where_strace_tells_it() -> None:
    """delay_group_leader(): under ptrace the leader is told last, so threads whose end was not shown are dead, too."""
    text = "5 exec t\n5 fork 17\n17 thread 202\n17 exit 61"
    assert graph_of(text).find(17)[0].state == ZOMBIE
    assert graph_of(text, None).find(17)[0].state == RUNNING


def test_a_moment_before_the_first_end_does_not_make_the_trace_one_without_ends() -> None:
    events = parse("9 exec sh\n9 fork 10\n10 fork 11\n10 begin 0\n10 exit 0")
    assert reconstruct(Memory(events), at=Moment(line=4)).find(10)[0].state == RUNNING
    assert reconstruct(Memory(events), at=Moment(line=5)).find(10)[0].state == ZOMBIE


@pytest.mark.parametrize(("matched", "evidence"), [("", "derived"), ("a guess", "inferred")])
def test_a_guessed_thread_that_calls_exit_group_ends_its_process_by_guess(matched: str, evidence: str) -> None:
    """Where ends are not told (strace -qq)."""
    events: list[Event] = [*parse("5 exec t\n5 subreaper 1\n5 fork 7\n7 fork 8")]
    events.append(Clone(5, None, 7, 9, CLONE_THREAD, 0, matched=matched, guessed=bool(matched)))
    engine = Engine(State(lacks=Lacks(ends=True), ptraced=True))
    engine.feed([*events, ExitBegin(6, None, 9, 0, True)])
    [child] = engine.graph.find(8)
    assert child.parent is not None
    assert (child.parent.tgid, str(child.evidence)) == (5, evidence)


@pytest.mark.parametrize(("hosts", "evidence"), [((), "derived"), ((7, 5), "inferred")])
def test_who_was_killed_may_have_a_thread_that_lives_on(hosts: tuple[int, ...], evidence: str) -> None:
    """By its execve the leader may have been killed inside the call that made it."""
    events: list[Event] = [*parse("5 exec t\n5 subreaper 1\n5 fork 7\n7 fork 8"), Attach(5, None, 10, hosts=hosts)]
    engine = Engine(State(lacks=Lacks(ends=True), ptraced=True))
    engine.feed([*events, Killed(6, None, 7, False)])
    [child] = engine.graph.find(8)
    assert child.parent is not None
    assert (child.parent.tgid, str(child.evidence)) == (5, evidence)
