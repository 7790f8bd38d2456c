"""What happens at about the same time: several that die, flags that change meanwhile, births and ends out of order."""

from __future__ import annotations

import pytest

from tests.unit.reconstruct.build import Memory, edges, graph_of, parse
from tracer.event import (
    CLONE_PARENT,
    CLONE_THREAD,
    SIGCHLD,
    Clone,
    Event,
    Exit,
    SetSubreaper,
    SubreaperSettled,
)
from tracer.reconstruct import reconstruct
from tracer.reconstruct.engine import Engine

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


def test_live_a_flag_that_changes_outside_of_the_pid_namespace_changes_nothing_inside() -> None:
    """conmon gives up its flag when its container ends; what is left in there has that namespace's init."""
    engine = Engine()
    engine.feed(parse("9 exec conmon\n9 subreaper 1\n9 newpid 10\n10 fork 11\n11 fork 12\n11 exit 0"))
    engine.feed([SetSubreaper(7, 1000, 9, False)])
    assert edges(engine.graph)[12] == (10, "derived")


@pytest.mark.parametrize(("first", "second"), [(20, 10), (10, 20)])
def test_threads_inherit_in_the_order_in_which_they_started(first: int, second: int) -> None:
    """Of two that two threads make at once the tracepoints may come the other way round."""
    events: list[Event] = [*parse("1 fork 5\n5 thread 6\n5 fork 9")]
    events.append(Clone(4, None, 5, 7, CLONE_THREAD, 0, start_time=first, parent=1))
    events.append(Clone(5, None, 6, 8, CLONE_THREAD, 0, start_time=second, parent=1))
    events += [Exit(6, None, 6, 0), Exit(7, None, 5, 0)]
    graph = reconstruct(Memory(events, None))
    [child] = graph.find(9)
    assert child.real_parent is not None
    assert child.real_parent.tid == (7 if first < second else 8)
