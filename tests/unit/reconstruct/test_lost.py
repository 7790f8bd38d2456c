"""After events were lost: what is still certain, and what /proc repairs."""

from __future__ import annotations

from tests.unit.reconstruct.build import edges, parse
from tracer.event import (
    CLONE_PARENT,
    CLONE_THREAD,
    SIGCHLD,
    Clone,
    Exec,
    Exit,
    Lost,
    SetSubreaper,
    Snapshot,
)
from tracer.reconstruct.engine import Engine


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


def test_an_edge_that_was_repaired_from_proc_is_inferred() -> None:
    engine = Engine()
    engine.feed([*parse("10 exec sh\n10 fork 11\n11 fork 12"), Lost(4, None, 0, 3)])
    engine.feed([Snapshot(5, None, 12, 12, 10, "sh", "/bin/sh", (), 0, False, (), "")])
    child = engine.finish().find(12)[0]
    assert (child.parent and child.parent.tgid, str(child.evidence)) == (10, "inferred")
    assert [(s.old.tgid, s.rule) for s in child.reparentings or ()] == [(11, "seen")]


def test_a_thread_that_may_have_ended_unseen_may_not_have_inherited() -> None:
    """Its execve was lost: it goes on as 11, and ended as that."""
    birth = Clone(2, None, 11, 12, CLONE_THREAD, 0)
    for lost, evidence in (([], "observed"), ([Lost(4, None, 0, 1)], "inferred")):
        engine = Engine()
        engine.feed([Clone(1, None, 10, 11, 0, SIGCHLD), birth, Exit(3, None, 11, 0), *lost])
        engine.feed([Clone(5, None, 11, 13, 0, SIGCHLD), Exit(6, None, 11, 0)])
        (child,) = engine.finish().find(13)
        assert (child.parent and child.parent.tgid, str(child.evidence)) == (11, evidence)


def test_after_a_loss_a_siblings_child_may_have_been_born_to_one_who_was_ending() -> None:
    """Between sched_process_exit, which was lost, and exit_notify() the kernel calls him the parent."""
    for lost, evidence in (([], "observed"), ([Lost(4, None, 0, 1)], "inferred")):
        engine = Engine()
        engine.feed([*parse("10 exec sh\n10 fork 11\n11 fork 12"), *lost])
        engine.feed([Clone(5, None, 12, 13, CLONE_PARENT, SIGCHLD, start_time=7, parent=11)])
        assert edges(engine.finish())[13] == (11, evidence)


def dead_but_for_a_thread() -> Engine:
    """11's leader has ended, and 12, whose birth was lost, lives on."""
    engine = Engine()
    engine.feed(
        [*parse("10 exec sh\n10 subreaper 1\n10 fork 11\n11 fork 15"), Lost(5, None, 0, 1), Exit(6, None, 11, 0)]
    )
    assert engine.graph.find(11)[0].state == "zombie"
    return engine


def test_who_was_taken_for_a_zombie_and_runs_a_program_lives() -> None:
    engine = dead_but_for_a_thread()
    engine.feed([Exec(7, None, 11, 11, "/bin/x", ("x",), False), Clone(8, None, 11, 13, 0, SIGCHLD, parent=11)])
    graph = engine.finish()
    (process,) = graph.find(11)
    assert (process.state, process.comm, process.exited_at) == ("running", "x", None)
    assert edges(graph)[13] == (11, "observed")


def test_who_was_taken_for_a_zombie_and_lives_in_proc_lives() -> None:
    engine = dead_but_for_a_thread()
    rest = (11, 10, "t", "/t", (), 0, False, (), "", False)
    engine.feed([Snapshot(7, None, 11, *rest), Snapshot(7, None, 12, *rest)])
    engine.feed([Snapshot(7, None, 15, 15, 11, "c", "/c", (), 0, False, (), "", False)])
    (process,) = engine.graph.find(11)
    assert (process.state, set(process.threads)) == ("running", {11, 12})
    assert edges(engine.graph)[15] == (11, "inferred")
    engine.feed([Exit(8, None, 12, 9)])
    assert (process.state, process.status) == ("zombie", 9)
    assert edges(engine.finish())[15] == (10, "inferred")
