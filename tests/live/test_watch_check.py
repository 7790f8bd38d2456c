"""`--verify` finds what is wrong, and only that."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.harness import Compiled, running, wait_until
from tests.live.watching import workload
from tracer.graph import ZOMBIE, Process
from tracer.identity import Evidence
from tracer.live.check import Agreement, check
from tracer.live.session import Session
from tracer.live.start import Scope
from tracer.reconstruct.edges import set_real_parent
from tracer.sources.ebpf.source import EbpfSource, Selection
from tracer.sources.proc import read_process


class Checked:
    """A session on this test's own descendants, with a workload of two living processes."""

    def __init__(self, source: EbpfSource) -> None:
        self.session = Session(source)
        self.scope = Scope(lambda table: Selection({os.getpid()}))
        self.scope.start(source, self.session)

    def check(self) -> Agreement:
        session, scope = self.session, self.scope
        return check(session.graph, session.drain, everything=False, context=scope.context)

    def find(self, pid: int) -> Process:
        self.session.drain()
        return self.session.graph.find(pid)[-1]


@pytest.fixture
def checked() -> Iterator[Checked]:
    with EbpfSource() as source:
        yield Checked(source)


def test_agreement(checked: Checked) -> None:
    with running(workload(600, 600), stdout=subprocess.PIPE) as work:
        assert work.stdout is not None
        top, _, orphan, _ = map(int, work.stdout.readline().split())
        agreement = checked.check()
        assert agreement.differences == []
        assert not agreement.differs
        assert agreement.processes >= len(checked.scope.context) + 3
        assert checked.find(orphan).parent is checked.find(top)


def test_threads_that_come_and_go_are_no_difference(checked: Checked) -> None:
    """Whenever both are compared, /proc has a thread that is gone and lacks one that is new."""
    others = ExitStack()

    def another() -> None:
        others.close()
        over = threading.Event()
        thread = threading.Thread(target=over.wait, daemon=True)
        thread.start()
        task = Path(f"/proc/self/task/{thread.native_id}")
        others.callback(wait_until, lambda: not task.exists(), "the thread is gone")
        others.callback(over.set)
        checked.session.drain()

    with others:
        agreement = check(checked.session.graph, another, everything=False, context=checked.scope.context)
    assert agreement.differences == []


def test_every_kind_of_difference_names_both_sides(checked: Checked) -> None:
    with running(workload(600, 600), stdout=subprocess.PIPE) as work:
        assert work.stdout is not None
        top, _, orphan, _ = map(int, work.stdout.readline().split())
        parent, child = checked.find(top), checked.find(orphan)
        me = checked.find(os.getpid())

        set_real_parent(child, me.leader, Evidence.DERIVED)
        (wrong,) = checked.check().differences
        assert (wrong.pid, wrong.what) == (orphan, "parent")
        assert (wrong.ours, wrong.kernel) == (f"{os.getpid()} (derived)", str(top))
        set_real_parent(child, parent.leader, Evidence.DERIVED)

        parent.threads[999_999_999] = parent.leader
        (wrong,) = checked.check().differences
        assert (wrong.pid, wrong.what, wrong.ours) == (top, "threads", "also 999999999")
        del parent.threads[999_999_999]

        parent.state = "zombie"
        assert {(d.pid, d.what, d.ours, d.kernel) for d in checked.check().differences} == {
            (top, "state", "zombie", "running")
        }
        parent.state = "running"

        checked.session.graph.processes.remove(child)
        (wrong,) = checked.check().differences
        assert (wrong.pid, wrong.what, wrong.ours) == (orphan, "presence", "not there")
        assert wrong.kernel == f"running, child of {top}"
        checked.session.graph.processes.append(child)

        assert checked.check().differences == []

        child.start_time -= 5_000_000_000
        (wrong,) = checked.check().differences
        assert (wrong.pid, wrong.what) == (orphan, "presence")
        child.start_time += 5_000_000_000


def test_a_process_that_the_kernel_does_not_have(checked: Checked) -> None:
    ghost = Process(999_999_999, 0, checked.session.graph.root_ns, 1, 1)
    ghost.comm = "ghost"
    checked.session.graph.processes.append(ghost)
    (wrong,) = checked.check().differences
    assert (wrong.name, wrong.what, wrong.ours, wrong.kernel) == ("ghost", "presence", "running", "not there")


def test_who_is_dying_is_as_good_as_dead(checked: Checked, programs: Compiled) -> None:
    with running([programs("undying")], stdout=subprocess.PIPE) as work:
        assert work.stdout is not None
        init = int(work.stdout.readline())
        wait_until(lambda: checked.find(init).state == ZOMBIE, "its end is not told")
        kernel = read_process(init)
        assert kernel is not None
        assert (kernel.zombie, kernel.dying) == (False, True)
        assert checked.check().differences == []
