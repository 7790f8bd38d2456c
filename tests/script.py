"""A trace written by hand: a source whose events a test spells out, read by the real reconstructor."""

from __future__ import annotations

from collections.abc import Iterator

from tracer import event as ev
from tracer.event import CLONE_PARENT, CLONE_THREAD, CLONE_VFORK, SIGCHLD, Event
from tracer.graph import ProcessGraph
from tracer.identity import Moment
from tracer.reconstruct import reconstruct
from tracer.sources.base import Progress, SourceInfo, SourceStats

SECOND = 1_000_000_000


class Script:
    """Each method is one line of the trace. Also a tracer.sources.base.Source."""

    def __init__(self, *, timed: bool = False) -> None:
        self.events: list[Event] = []
        self.timed = timed
        self.info = SourceInfo("strace", "script.log", None, "day" if timed else None)
        self.stats = SourceStats()

    @property
    def _next(self) -> tuple[int, int | None]:
        at = len(self.events) + 1
        return at, (5 * 3600 * SECOND + at * SECOND // 4 if self.timed else None)

    def attach(self, tid: int, comm: str = "") -> None:
        """A process that is there since before the trace."""
        self.events.append(ev.Attach(*self._next, tid, comm, noticed=True, threads=1))

    def fork(self, tid: int, child: int, flags: int = CLONE_VFORK) -> None:
        """A new process."""
        self.events.append(ev.Clone(*self._next, tid, child, flags, SIGCHLD))

    def beside(self, tid: int, child: int) -> None:
        """A new process with CLONE_PARENT."""
        self.fork(tid, child, CLONE_PARENT)

    def thread(self, tid: int, child: int) -> None:
        """A new thread."""
        self.events.append(ev.Clone(*self._next, tid, child, CLONE_THREAD, 0))

    def exec(self, tid: int, filename: str, *argv: str, cut: bool = False) -> None:
        """execve."""
        self.events.append(ev.Exec(*self._next, tid, tid, filename, argv or (filename,), cut))

    def subreaper(self, tid: int, on: bool = True) -> None:
        """prctl(PR_SET_CHILD_SUBREAPER)."""
        self.events.append(ev.SetSubreaper(*self._next, tid, on))

    def rename(self, tid: int, comm: str) -> None:
        """prctl(PR_SET_NAME)."""
        self.events.append(ev.Rename(*self._next, tid, comm))

    def exit(self, tid: int, status: int = 0) -> None:
        """The end of a task."""
        self.events.append(ev.Exit(*self._next, tid, status))

    def reap(self, tid: int, child: int, status: int = 0) -> None:
        """wait4 of tid gave child."""
        self.events.append(ev.Reap(*self._next, tid, child, status))

    def run(self, parent: int, child: int, filename: str, *argv: str, status: int = 0) -> None:
        """A process that comes, runs, ends and is reaped."""
        self.fork(parent, child)
        self.exec(child, filename, *argv)
        self.exit(child, status)
        self.reap(parent, child, status)

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        """Source protocol."""
        self.stats = SourceStats(lines=len(self.events), events=len(self.events))
        self.stats.calls = {"clone", "clone3", "fork", "vfork", "execve", "prctl", "wait4", "exit_group"}
        yield self.events

    def graph(self, at: Moment | None = None) -> ProcessGraph:
        """What the reconstructor makes of it."""
        return reconstruct(self, at=at)


RUNC = ("--root", "/run/containerd/runc/k8s.io", "--log", "/run/l", "--log-format", "json", "--systemd-cgroup")
SHIM = "/usr/local/bin/containerd-shim-runc-v2"


def pod(*, timed: bool = False) -> Script:
    """A containerd, older than the trace, starts a pod: cni, shim start, shim, runc stages, pause, an application."""
    s = Script(timed=timed)
    s.attach(100, "containerd")
    s.thread(100, 101)
    s.run(101, 200, "/opt/cni/bin/loopback")
    s.run(101, 201, "/opt/cni/bin/cilium-cni", status=256)
    s.run(101, 202, "/opt/cni/bin/cilium-cni")
    s.fork(101, 210)
    s.exec(210, SHIM, SHIM, "-namespace", "k8s.io", "-address", "/run/c.sock", "-id", "abc", "start")
    s.subreaper(210)
    s.thread(210, 211)
    s.fork(211, 220)
    s.exec(220, SHIM, SHIM, "-namespace", "k8s.io", "-id", "abc", "-address", "/run/c.sock")
    s.subreaper(220)
    s.thread(220, 221)
    s.exit(211)
    s.exit(210)
    s.reap(101, 210)
    start_container(s, 300, "/pause")
    start_container(s, 400, "/docker-entrypoint.sh", "/docker-entrypoint.sh", "nginx")
    s.exec(404, "/usr/sbin/nginx", "nginx", "-g", "daemon off;")
    s.fork(404, 410)
    s.fork(404, 411)
    return s


def start_container(s: Script, base: int, *command: str) -> None:
    """runc create (base), its init stages (base + 2 to base + 4), runc start (base + 5)."""
    s.fork(221, base)
    s.exec(base, "/usr/local/bin/runc", "runc", *RUNC, "create", "--bundle", "/b", "abc")
    s.subreaper(base)
    s.fork(base, base + 2)
    s.exec(base + 2, "/proc/self/fd/6", "/usr/local/bin/runc", "init")
    s.rename(base + 2, "runc:[0:PARENT]")
    s.beside(base + 2, base + 3)
    s.beside(base + 3, base + 4)
    for stage in (base + 3, base + 2):
        s.exit(stage)
        s.reap(base, stage)
    s.exit(base)
    s.reap(221, base)
    s.run(221, base + 5, "/usr/local/bin/runc", "runc", *RUNC, "start", "abc")
    s.exec(base + 4, *command)
