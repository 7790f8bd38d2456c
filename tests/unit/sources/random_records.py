"""Records of a made-up machine that makes mostly short lives, and now and then does anything else."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.unit.live.memory import there
from tracer.event import CLONE_PARENT, CLONE_THREAD, Snapshot
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.decode import Decoder
from tracer.sources.proc import ProcProcess, Stat

ROOT, INIT = 100, 1
ROOT_START = 10_000_000_000
PROGRAMS = (b"/bin/true", b"/usr/bin/make", b"/opt/\xff\x1b[2J", b"/usr/bin/runc")


def with_losses(records: list[bytes], seed: int) -> list[bytes]:
    """Some in a row left out, now and then, as the ring buffer does: those that follow have the number."""
    rng, kept, lost, gap = random.Random(seed), list[bytes](), 0, 0
    for record in records:
        if not gap and rng.random() < 0.01:
            gap = rng.choice([1, 2, 5, 20])
        if gap:
            gap, lost = gap - 1, lost + 1
        else:
            kept.append(record[:4] + lost.to_bytes(4, "little") + record[8:])
    return kept


class Task:
    def __init__(self, tid: int, start: int, tgid: int, parent: Task | None) -> None:
        self.tid = tid
        self.start = start
        self.tgid = tgid
        self.parent = parent
        """The task whose child its process is."""
        self.subreaper = False
        self.children: list[Task] = []
        self.threads: list[Task] = []
        """Of a leader: the others."""


class Machine:
    """Everything below ROOT, whose parent is INIT; one record follows the other, some ns apart."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.records: list[bytes] = []
        self._time = ROOT_START + 1_000_000
        self._numbers = iter(range(200, 1 << 22))
        self._free: list[int] = []
        self.root = Task(ROOT, ROOT_START, ROOT, None)
        self.living = [self.root]
        """Leaders."""

    @staticmethod
    def snapshot() -> list[Snapshot]:
        """What was there before."""
        return [there(INIT, 0, "init"), there(ROOT, INIT)._replace(start_time=ROOT_START)]

    @staticmethod
    def know(decoder: Decoder) -> Decoder:
        """Let a decoder know what was there before."""
        stat = Stat("sh", "S", INIT, False, ROOT_START // 10_000_000)
        root = ProcProcess(ROOT, stat, "/bin/sh", ("sh",), False, (), "", 0, {ROOT: stat}, 0)
        decoder.adopt(root, ROOT_START, False, True, {})
        return decoder

    def run(self, steps: int) -> list[bytes]:
        """So many steps of what happens, up to four things at once; what is written."""
        going: list[Iterator[None]] = []
        loops = [self.fork(self.root), self.fork(self.root)]
        for _ in range(steps):
            if len(going) < 4 and self.rng.random() < 0.7:
                going.append(self.short(self.rng.choice(loops)))
            elif len(going) < 4:
                kind = self.rng.choice([self.short, self.short, self.two, self.any])
                going.append(kind(self.rng.choice(self.living)))
            chosen = self.rng.choice(going)
            if next(chosen, self) is self:
                going.remove(chosen)
        return self.records

    # ---- what happens: a generator each ----

    def short(self, leader: Task) -> Iterator[None]:
        """A usual life, with something unusual about it now and then."""
        if leader not in self.living:
            return
        odd = self.rng.random()
        child = self.fork(leader)
        yield
        if self.rng.random() < 0.6:
            self.execs(child)
            yield
        if odd < 0.05:
            self.execs(child)
        elif odd < 0.1:
            self.prctl(child)
        elif odd < 0.15 and child in self.living:
            self.wait(child, self.exit(self.fork(child)))
        elif odd < 0.18:
            self.renamed(child)
        elif odd < 0.21:
            self.prctl(leader)
        self.exit(child)
        yield
        self.wait(leader, child)
        if odd > 0.9:
            yield
            self.freed(child)

    def two(self, leader: Task) -> Iterator[None]:
        """Two at a time."""
        if leader not in self.living:
            return
        one, other = self.fork(leader), self.fork(leader)
        yield
        for child in (one, other):
            self.execs(child)
            yield
        if self.rng.random() < 0.1:
            self.execs(leader)
        self.exit(other)
        yield
        self.exit(one, status=self.rng.choice([0, 256, 9]))
        for child in (one, other):
            yield
            self.wait(leader, child)

    def any(self, leader: Task) -> Iterator[None]:
        """One unusual thing."""
        yield
        if leader not in self.living:
            return
        kind = self.rng.choice([self.fork, self.execs, self.prctl, self.renamed, self.thread, self.beside, self.leave])
        kind(leader)

    def leave(self, leader: Task) -> None:
        """Ends, for whoever is above to wait, or not yet; its children go to the root."""
        if leader is not self.root and not leader.threads:
            self.exit(leader)
            assert leader.parent is not None
            if self.rng.random() < 0.7:
                self.wait(leader.parent, leader)

    # ---- records ----

    def _header(self, kind: int, task: Task) -> tuple[int, ...]:
        self._time += self.rng.randrange(1, 3_000_000)
        return kind, 0, 0, self._time, task.start, task.tid, task.tgid

    def _number(self) -> int:
        if self._free and self.rng.random() < 0.3:
            return self._free.pop(0)
        return next(self._numbers)

    def _clone(self, creator: Task, child: Task, flags: int, parent: Task) -> None:
        header = self._header(wire.T_CLONE, creator)
        child.start = self._time
        own = wire.F_MEMBER | creator.subreaper
        birth = (flags, child.start, 7, child.tid, child.tgid, parent.tid, parent.tgid, 17, own, 0, 0)
        self.records.append(wire.CLONE.pack(*header, *birth, *[0] * 8, b"sh"))

    def fork(self, leader: Task) -> Task:
        child = Task(number := self._number(), 0, number, leader)
        self._clone(leader, child, 0, leader)
        leader.children.append(child)
        self.living.append(child)
        return child

    def beside(self, leader: Task) -> None:
        if leader.parent is not None and leader.parent in self.living:
            child = Task(number := self._number(), 0, number, leader.parent)
            self._clone(leader, child, CLONE_PARENT, leader.parent)
            leader.parent.children.append(child)
            self.living.append(child)

    def thread(self, leader: Task) -> None:
        child = Task(next(self._numbers), 0, leader.tgid, None)
        self._clone(leader, child, CLONE_THREAD, leader)
        self.records.append(wire.EXIT.pack(*self._header(wire.T_EXIT, child), 0, self._above(leader), 0, 0))

    def execs(self, leader: Task, name: bytes = b"") -> None:
        if leader not in self.living:
            return
        name = name or self.rng.choice(PROGRAMS[:1] * 4 + PROGRAMS)
        args = name.rpartition(b"/")[2] + b"\0-x\0"
        header = self._header(wire.T_EXEC, leader)
        told = (leader.tid, self._above(leader), leader.subreaper, len(args), len(name), len(args), 0, 1, leader.tid)
        comm = name.rpartition(b"/")[2][:15]
        self.records.append(wire.EXEC.pack(*header, *told, comm) + name + args)

    def exit(self, leader: Task, status: int = 0, *, usual: bool = False) -> Task:
        if leader not in self.living:
            return leader
        odd = 0 if usual else self.rng.choice([0] * 20 + [wire.F_TRACED, wire.F_AUTOREAP])
        flags = wire.F_GROUP_DEAD | leader.subreaper | odd
        header = self._header(wire.T_EXIT, leader)
        self.records.append(wire.EXIT.pack(*header, status, self._above(leader), flags, 0))
        self.living.remove(leader)
        for child in leader.children:
            child.parent = self.root
        self.root.children += leader.children
        leader.children = []
        return leader

    def wait(self, waiter: Task, child: Task) -> None:
        if waiter in self.living and child not in self.living and child in waiter.children:
            self.records.append(wire.WAIT.pack(*self._header(wire.T_WAIT, waiter), child.tid, 0))
            waiter.children.remove(child)
            self._free.append(child.tid)

    def freed(self, child: Task) -> None:
        header = self._header(wire.T_FREE, child)
        self.records.append(wire.FREE.pack(*header, ROOT_START, ROOT, ROOT))

    def prctl(self, leader: Task) -> None:
        if leader not in self.living:
            return
        leader.subreaper = not leader.subreaper
        header = self._header(wire.T_PRCTL, leader)
        self.records.append(wire.PRCTL.pack(*header, wire.PR_SET_CHILD_SUBREAPER, 0, leader.subreaper))

    def renamed(self, leader: Task) -> None:
        if leader not in self.living:
            return
        self.records.append(wire.RENAME.pack(*self._header(wire.T_RENAME, leader), b"new name"))

    @staticmethod
    def _above(leader: Task) -> int:
        return INIT if leader.parent is None else leader.parent.tgid
