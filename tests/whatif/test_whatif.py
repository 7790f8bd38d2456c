"""`ctrace whatif` on logs: literal question in, literal answer out."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.unit.cli.command import ctrace
from tests.unit.reconstruct.build import graph_of as replay
from tracer.graph import ProcessGraph
from tracer.identity import Evidence
from tracer.mirror import Mirror
from tracer.runtime.containers import Names
from tracer.runtime.ends import ASKED, Death
from tracer.runtime.reactions import Reactions
from tracer.runtime.roles import Roles
from tracer.whatif import Fate, foresee

SCHEMA = json.loads(Path("docs/reference/fate.schema.json").read_text(encoding="utf-8"))
POD = "fixtures/logs/containerd-pod/strace.log"


def whatif(*args: str | Path) -> str:
    done = ctrace("whatif", *args)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_stop_with_kill_mode_process_ends_the_main_process_only() -> None:
    assert whatif("stop", "containerd", POD, "--kill-mode", "process") == (
        """\
If systemd stops containerd.service
  containerd.service: KillMode=process, main process containerd (57), 2 in its cgroup
  Nothing else dies: KillMode=process ends the main process only, and it has no children.

dies        containerd (57): the main process of containerd.service
lives on    containerd-shim-runc-v2 (103) of 5be4949b4c3a, and 4 below it: in the cgroup of
            containerd.service; its parent is init (1)

With KillMode=control-group, systemd's default: containerd-shim-runc-v2 (103) would die, too.
  pause (125) and nginx (158) would be adopted by init (1), unless containerd deletes them before it
  ends itself.

no cgroup tells who is in it: counted are containerd and what it started, but no containers
"""
    )


def test_a_kill_mode_that_nobody_told_is_assumed_and_said_to_be() -> None:
    text = whatif("stop", "containerd.service", POD)
    assert "KillMode=control-group (assumed)" in text
    assert "its KillMode is not in the trace: systemd's default, control-group, is assumed" in text
    fate = json.loads(whatif("stop", "containerd.service", POD, "--format", "json"))
    assert {d["evidence"] for d in fate["deaths"]} == {"assumed"}
    assert [u["kill_mode_known"] for u in fate["units"]] == [False]


def test_an_exit_with_an_adoption(log: Path) -> None:
    assert whatif("exit", "101", log) == (
        """\
If sh (101) exits
  Nothing else dies. 1 is adopted by init (1).

dies        sh (101)
adopted     daemon (103), child of sh (101), goes to the init of the machine, init (1)     assumed
              not certain: no living subreaper was seen above 101
zombie      sh (101) stays one until sh (100) waits for it
"""
    )


def test_a_zombie_gets_another_parent() -> None:
    assert whatif("exit", "4354", "fixtures/logs/orphaned_zombie/f.log") == (
        """\
If orphaned_zombie (4354) exits
  Nothing else dies.

dies        orphaned_zombie (4354)
zombie      orphaned_zombie (4356) is one already, and goes to init (1), which waits for it: it is
            gone then
"""
    )


def test_pdeath_signal_follows_the_parent() -> None:
    text = whatif("exit", "9888", "fixtures/logs/thread_exit_pdeath/f.log")
    assert (
        "            thread_exit_pdeath (9889): its pdeath_signal is SIGKILL: thread_exit_pdeath    derived\n" in text
    )
    assert "thread_exit_pdeath (9892), child of thread_exit_pdeath (9888), goes to" in text


def test_at_an_earlier_moment() -> None:
    """Before line 502 runc create lives, and its child the container goes with it only by adoption."""
    text = whatif("exit", "148", POD, "--at", "480")
    assert "Nothing else dies. 1 is adopted by containerd-shim-runc-v2 (103)." in text
    assert "containerd-shim-runc-v2 (103) waits" not in text  # a shim does, at once


@pytest.mark.parametrize(
    "question",
    [
        ("stop", "containerd", POD),
        ("stop", "containerd", POD, "--kill-mode", "none"),
        ("exit", "103", POD),
        ("kill", "22b2c54f6d38", POD),
        ("kill", "5be4949b4c3a", POD),
        ("exit", "9888", "fixtures/logs/thread_exit_pdeath/f.log"),
        ("exit", "4354", "fixtures/logs/orphaned_zombie/f.log"),
    ],
)
def test_json_keeps_its_contract(question: tuple[str, ...]) -> None:
    jsonschema.validate(json.loads(whatif(*question, "--format", "json")), SCHEMA)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (("exit", "102"), "ctrace: daemonize (102) has ended already"),
        (("exit", "1"), "ctrace: init (1) is not in the trace"),
        (("exit", "sh"), "ctrace: sh is the name of 2 processes\nGive the number of one: sh (100), sh (101)"),
        (("exit", "9"), "ctrace: there is no process 9"),
        (("stop", "nginx"), "ctrace: there is no running process of nginx"),
        (("kill", "web"), "ctrace: there is no running container or pod web"),
        (("kill", "12"), "ctrace: there is no running container or pod 12\nOf a process: ctrace whatif exit 12"),
    ],
)
def test_questions_without_an_answer(question: tuple[str, ...], said: str, log: Path) -> None:
    done = ctrace("whatif", *question, log)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(said)


def test_a_moment_needs_a_file() -> None:
    assert ctrace("whatif", "exit", "1", "--at", "3").returncode == 2


def ask(graph: ProcessGraph, *victims: int) -> Fate:
    """Of a graph, with what runtimes do."""
    react = Reactions(graph, Roles(graph), Names(), namespaces_known=True)
    deaths = [Death(p, ASKED, "", Evidence.DERIVED) for p in graph.live() if p.tgid in victims]
    return foresee(graph, deaths, Mirror(graph), react, react.waits)


def test_the_graph_that_was_asked_about_stays_as_it_is() -> None:
    graph = replay("1 fork 2\n2 fork 3\n3 subreaper 1\n3 fork 4\n4 fork 5\n5 fork 6\n")

    def state() -> list[object]:
        return [
            (p.uid, p.state, p.parent, p.evidence, list(p.children()), len(p.threads), p.reparentings)
            for p in graph.processes
        ]

    before = state()
    fate = ask(graph, 4, 5)
    assert state() == before
    assert [(p.tgid, step.old.tgid, step.new and step.new.tgid) for p, step in fate.adoptions] == [(6, 5, 3)]


def test_everything_in_a_namespace_dies_with_its_init() -> None:
    graph = replay("1 fork 2\n2 newpid 3\n3 fork 4\n4 newpid 5\n5 fork 6\n2 fork 7\n")
    fate = ask(graph, 3)
    assert [d.process.tgid for d in fate.deaths] == [3, 4, 5, 6]
    assert fate.adoptions == []
    assert [z.process.tgid for z in fate.zombies] == [3]


@pytest.mark.parametrize(("birth", "evidence"), [("newpid", Evidence.DERIVED), ("fork", Evidence.INFERRED)])
def test_the_init_of_a_namespace_inherits_whatever_its_flag_is(birth: str, evidence: Evidence) -> None:
    """A node in a box: systemd need not be a subreaper there, as a user's one must."""
    graph = replay(f"1 fork 2\n2 {birth} 3\n3 exec /lib/systemd/systemd\n3 fork 4\n4 fork 5\n")
    (systemd,) = graph.find(3)
    systemd.subreaper = None  # as /proc leaves it
    react = Reactions(graph, Roles(graph), Names(), namespaces_known=True)
    mirror = Mirror(graph)
    mirror.suppose_subreapers(react.suppositions())
    fate = foresee(graph, [Death(graph.find(4)[0], ASKED, "", Evidence.DERIVED)], mirror, react, react.waits)
    ((orphan, step),) = fate.adoptions
    assert (orphan.tgid, step.new and step.new.tgid, step.evidence) == (5, 3, evidence)


def test_without_pid_1_nothing_lives() -> None:
    graph = replay("1 fork 2\n2 fork 3\n")
    assert [d.process.tgid for d in ask(graph, 1).deaths] == [1, 2, 3]
    with_zombies = ask(replay("1 fork 2\n2 fork 3\n3 exit 0\n1 fork 4\n4 exit 0\n"), 1)
    assert ([d.process.tgid for d in with_zombies.deaths], with_zombies.zombies) == ([1, 2], [])


def test_at_once_is_not_one_after_another() -> None:
    """A subreaper that dies too adopts nobody for good, whichever is first."""
    text = "1 fork 2\n2 subreaper 1\n2 fork 3\n3 subreaper 1\n3 fork 4\n4 fork 5\n"
    for victims in [(3, 4), (4, 3)]:
        fate = ask(replay(text), *victims)
        assert [(p.tgid, step.new and step.new.tgid) for p, step in fate.adoptions] == [(5, 2)]
