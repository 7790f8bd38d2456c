"""The kernel's rules, one literal story each; docs/glossary.md has the words."""

from __future__ import annotations

import pytest

from tests.unit.reconstruct.build import Memory, edges, graph_of, parse
from tracer.event import (
    CLONE_NEWPID,
    CLONE_PARENT,
    CLONE_THREAD,
    SIGCHLD,
    Clone,
    Exit,
    JoinPidNs,
    Lost,
    PidNsId,
    SetSubreaper,
    Snapshot,
    SubreaperSettled,
)
from tracer.graph import DEAD, RULE_CHILD_REAPER, RUNNING, ZOMBIE
from tracer.identity import Moment
from tracer.reconstruct import reconstruct
from tracer.reconstruct.engine import Engine


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


def test_without_prctl_in_the_trace_the_child_reaper_is_an_assumption() -> None:
    text = """
        10 exec unshare
        10 newpid 20
        20 fork 21
        21 fork 22
        21 exit 0
    """
    assert edges(graph_of(text, {"clone", "wait4"}))[22] == (20, "assumed")


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


def test_where_tasks_come_out_of_nowhere_an_unseen_wait_is_likely() -> None:
    graph = graph_of("5 exec t\n5 fork 6\n90 attach\n6 exit 0\n5 sigchld 6", {"clone", "prctl"})
    assert graph.find(6)[0].state == DEAD


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


STOPOVERS = [
    (
        "5 exec t|5 subreaper 1|5 fork 7|7 subreaper 1|7 fork 8|8 fork 9|8 exit 0|7 begin 0|7 exit 0",
        ["derived", "derived"],
    ),
    (
        "5 exec t|5 subreaper 1|5 fork 7|7 subreaper 1|7 fork 8|8 fork 9|8 exit 0|7 reap 8|7 exit 9",
        ["derived", "derived"],
    ),
    ("5 exec t|5 subreaper 1|5 fork 7|7 subreaper 1|7 fork 8|8 fork 9|8 exit 0|7 exit 9", ["inferred", "derived"]),
    ("5 exec t|5 subreaper 1|5 fork 7|7 subreaper 1|7 fork 8|8 fork 9|8 begin 0|7 begin 0|8 exit 0", ["inferred"]),
    ("5 exec t|5 subreaper 1|5 fork 7|7 subreaper 1|7 fork 8|8 fork 9|8 begin 0|7 exit 9|8 exit 0", ["inferred"]),
]


@pytest.mark.parametrize(("story", "steps"), STOPOVERS)
def test_two_that_die_at_once_the_way_is_a_guess_and_the_parent_is_not(story: str, steps: list[str]) -> None:
    """Was 7, a subreaper, still there when 8's children moved? Either way 5 has them."""
    child = graph_of(story.replace("|", "\n")).find(9)[0]
    assert [str(s.evidence) for s in child.reparentings or ()] == steps
    assert (child.parent and child.parent.tgid, str(child.evidence)) == (5, "derived")


@pytest.mark.parametrize(("end", "birth"), [(0, "derived"), (5, "derived"), (7, "inferred")])
def test_a_sibling_made_while_the_father_died_may_be_the_next_parents_from_birth(end: int, birth: str) -> None:
    events = parse("5 exec t\n5 subreaper 1\n5 fork 7\n7 fork 8")
    events += [Clone(5, None, 8, 9, CLONE_PARENT, SIGCHLD, end=end), Exit(6, None, 7, 0)]
    child = reconstruct(Memory(events)).find(9)[0]
    assert (child.parent and child.parent.tgid, str(child.evidence)) == (5, "derived")
    assert str(child.birth_evidence) == birth


def orphan_while_5_sets_its_flag(calls: str) -> tuple[int | None, str]:
    """12, a child of 10, a child of 5, which has two threads. A call `begins`, has `returned`, `settles`; or `sets`."""
    events = parse("5 exec t\n5 thread 6\n5 fork 10\n10 fork 12")
    for at, line in enumerate(calls.split(", "), 5):
        tid, verb, value = line.split()
        if verb == "exit":
            events += [Exit(at, None, int(tid), 0)]
        elif verb == "settles":
            events += [SubreaperSettled(at, None, int(tid))]
        else:
            events += [SetSubreaper(at, None, int(tid), value == "1", sure=verb == "sets", returned=verb != "begins")]
    engine = Engine()
    engine.feed(events)
    return edges(engine.finish())[12]


@pytest.mark.parametrize(
    ("calls", "edge"),
    [
        ("5 sets 1, 10 exit 0", (5, "derived")),
        ("5 sets 1, 5 sets 0, 10 exit 0", (1, "assumed")),
        ("5 begins 1, 10 exit 0", (1, "assumed")),
        ("5 begins 1, 10 exit 0, 5 sets 1", (1, "assumed")),
        ("5 sets 1, 5 begins 0, 10 exit 0", (5, "inferred")),
        ("5 begins 1, 5 returned 1, 10 exit 0", (5, "inferred")),
        ("5 begins 1, 5 returned 1, 5 settles 1, 10 exit 0", (5, "derived")),
        ("5 returned 1, 6 settles 1, 10 exit 0", (5, "inferred")),
        ("5 returned 1, 6 begins 0, 5 settles 1, 10 exit 0", (5, "inferred")),
        ("5 returned 1, 6 returned 0, 5 settles 1, 6 settles 0, 10 exit 0", (1, "assumed")),
        ("5 begins 0, 6 begins 1, 5 returned 0, 6 returned 1, 5 settles 0, 6 settles 1, 10 exit 0", (5, "inferred")),
        ("5 begins 1, 5 sets 1, 10 exit 0", (5, "derived")),
        ("5 sets 1, 5 begins 1, 10 exit 0", (5, "derived")),
        ("5 begins 0, 6 begins 1, 5 sets 0, 6 sets 1, 10 exit 0", (5, "inferred")),
        ("5 begins 1, 6 begins 1, 5 sets 1, 6 sets 1, 10 exit 0", (5, "derived")),
        ("5 begins 0, 6 begins 1, 5 sets 0, 6 sets 1, 5 begins 1, 5 sets 1, 10 exit 0", (5, "derived")),
        ("6 begins 0, 6 exit 0, 5 begins 1, 5 sets 1, 10 exit 0", (5, "derived")),
    ],
)
def test_a_flag_that_is_being_set_is_no_certain_one(calls: str, edge: tuple[int, str]) -> None:
    """Open calls, and two threads that set it to different values at once: nobody knows what the kernel did first."""
    assert orphan_while_5_sets_its_flag(calls) == edge


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


@pytest.mark.parametrize(("unshares", "level"), [(10, 0), (12, 1)])
def test_exec_by_a_thread_keeps_that_threads_namespace_for_children(unshares: int, level: int) -> None:
    """nsproxy->pid_ns_for_children is of the task, and de_thread() ends the leader's task."""
    graph = graph_of(f"9 fork 10\n10 thread 12\n{unshares} unshare\n10 exec 12 sh\n10 fork 13")
    assert graph.find(13)[0].ns.level == level


def test_numbers_inside_from_the_outermost_level_on() -> None:
    between = Clone(3, None, 7, 18, CLONE_NEWPID, SIGCHLD, 11)
    graph = reconstruct(Memory([*parse("5 exec t\n5 newpid 7"), between]))
    assert graph.find(18)[0].ns_pids == (11, 1)


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


def test_the_end_of_the_leader_is_the_end_of_all_where_strace_tells_it() -> None:
    """delay_group_leader(): under ptrace the leader is told last, so threads whose end was not shown are dead, too."""
    text = "5 exec t\n5 fork 17\n17 thread 202\n17 exit 61"
    assert graph_of(text).find(17)[0].state == ZOMBIE
    assert graph_of(text, None).find(17)[0].state == RUNNING


def test_live_a_child_may_be_born_to_a_father_whose_end_was_told() -> None:
    """CLONE_PARENT between the father's sched_process_exit and his exit_notify(): the kernel names the dead father."""
    late = Clone(6, None, 12, 13, CLONE_PARENT, SIGCHLD, parent=11)
    engine = Engine()
    engine.feed([*parse("9 exec top\n9 subreaper 1\n9 fork 10\n10 fork 11\n11 fork 12"), *parse("11 exit 0"), late])
    graph = engine.finish()
    assert edges(graph)[13] == (9, "derived")
    assert graph.find(13)[0].birth_parent is graph.find(11)[0]


def test_live_a_flag_that_changes_right_after_an_end_makes_the_adoption_a_guess() -> None:
    engine = Engine()
    engine.feed(parse("9 exec top\n9 subreaper 1\n9 fork 10\n10 fork 11\n11 fork 12\n11 exit 0"))
    assert edges(engine.graph)[12] == (9, "derived")
    engine.feed([SetSubreaper(7, 1000, 10, True)])
    assert edges(engine.graph)[12] == (9, "inferred")


def test_nobody_creates_himself() -> None:
    assert [p.tgid for p in graph_of("1 fork 1\n1 exit 5").processes] == [1]


def test_after_a_loss_nothing_older_is_certain_until_the_kernel_confirms_it() -> None:
    engine = Engine()
    engine.feed([*parse("10 exec sh\n10 fork 11\n10 fork 12"), Lost(4, None, 0, 3)])
    engine.feed([Snapshot(5, None, 11, 11, 10, "sh", "/bin/sh", (), 0, False, (), "")])
    graph = engine.finish()
    assert edges(graph)[11] == (10, "observed")
    assert edges(graph)[12] == (10, "inferred")


def test_after_a_loss_any_process_that_was_there_may_have_a_thread_that_nobody_knows() -> None:
    """Lost was `8 thread 9`: 9 seems to be a process of its own, and clears the flag that 8 has set since."""
    events = [*parse("5 exec t\n5 subreaper 1\n5 fork 8"), Lost(4, None, 0, 1)]
    events += [SetSubreaper(5, None, 8, True), SetSubreaper(6, None, 9, False)]
    events += [Clone(7, None, 8, 10, 0, SIGCHLD), Clone(8, None, 10, 11, 0, SIGCHLD), Exit(9, None, 10, 0)]
    engine = Engine()
    engine.feed(events)
    assert edges(engine.finish())[11] == (8, "inferred")  # 5 has it
    asked = Engine()
    seen = Snapshot(5, None, 8, 8, 5, "t", "/t", (), 0, False, (), "", True)
    asked.feed([*events[:4], seen, *(e for e in events[5:] if e.tid != 9)])
    assert edges(asked.finish())[11] == (8, "derived")


def test_after_a_loss_the_first_process_seen_in_a_namespace_need_not_be_its_init() -> None:
    """The kernel tells its number inside, which is not 1."""
    events = [*parse("5 exec t\n5 subreaper 1\n5 unshare"), Lost(4, None, 0, 1)]
    events += [Clone(5, None, 5, 8, 0, SIGCHLD, start_time=7, ns_pids=(2,), parent=5)]
    events += [Clone(6, None, 8, 9, 0, SIGCHLD, start_time=8, ns_pids=(3,), parent=8)]
    events += [Clone(7, None, 9, 10, 0, SIGCHLD, start_time=9, ns_pids=(4,), parent=9), Exit(8, None, 9, 0)]
    engine = Engine()
    engine.feed(events)
    assert edges(engine.finish())[10] == (8, "inferred")  # the highest that was seen; the init has it


def test_a_zombie_whose_parent_is_outside_outlives_its_namespaces_init() -> None:
    """As the probes tell it: the init ends first, and waits in zap_pid_ns_processes() until 12 is reaped."""
    graph = graph_of("9 newpid 10\n9 fork 5\n10 fork 11\n10 exit 9\n11 exit 9", None)
    assert {p.tgid: p.state for p in graph.processes}[11] == DEAD
    inside = Clone(3, None, 9, 12, 0, SIGCHLD)
    events = [*parse("9 newpid 10"), JoinPidNs(2, None, 9), inside, Exit(4, None, 10, 9), Exit(5, None, 12, 9)]
    engine = Engine()
    engine.feed(events)
    assert {p.tgid: p.state for p in engine.finish().processes}[12] == ZOMBIE


def test_an_edge_that_was_repaired_from_proc_is_inferred() -> None:
    engine = Engine()
    engine.feed([*parse("10 exec sh\n10 fork 11\n11 fork 12"), Lost(4, None, 0, 3)])
    engine.feed([Snapshot(5, None, 12, 12, 10, "sh", "/bin/sh", (), 0, False, (), "")])
    child = engine.finish().find(12)[0]
    assert (child.parent and child.parent.tgid, str(child.evidence)) == (10, "inferred")
    assert [(s.old.tgid, s.rule) for s in child.reparentings or ()] == [(11, "seen")]


def test_a_moment_before_the_first_end_does_not_make_the_trace_one_without_ends() -> None:
    events = parse("9 exec sh\n9 fork 10\n10 fork 11\n10 begin 0\n10 exit 0")
    assert reconstruct(Memory(events), at=Moment(line=4)).find(10)[0].state == RUNNING
    assert reconstruct(Memory(events), at=Moment(line=5)).find(10)[0].state == ZOMBIE


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
