"""From records to events: tasks that end, and who waits for them."""

from __future__ import annotations

from tracer.event import Event, Exit, Gone
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.known import Known, new
from tracer.sources.ebpf.living import LiveProcess
from tracer.sources.proc import ProcProcess

_exit_brief = wire.EXIT_BRIEF.unpack
_free_brief, _wait_brief = wire.FREE_BRIEF.unpack, wire.WAIT_BRIEF.unpack


class Ends(Known):
    """CT_EXIT, CT_WAIT and CT_FREE."""

    def _exit(self, record: bytes) -> None:
        time, start, tid, status, parent_tgid, flags = _exit_brief(record)
        task = self.tasks.get(tid)
        if task is None or task.start != start:
            task = self.living.find(tid, start)
            if task is None:
                return
        if task.exited:
            return
        process = task if type(task) is LiveProcess else task.process
        if (flags & wire.F_SUBREAPER) != process.subreaper:
            self._subreaper_seen(process, time, flags)
        task.exited = True
        process.live = live = process.live - 1
        if live <= 0 and self._zombies and process.tgid in self._zombies:
            self._before_adoption(process.tgid, tid, time)
        self.at = at = self.at + 1
        self._out.append(new(Exit, (at, time, tid, status)))
        if task is not process:
            del self.tasks[tid]
        if live <= 0:
            self.living.dies(process, time, status, parent_tgid, flags)

    def exited_before(self, process: ProcProcess) -> list[Event]:
        """The next events: of a process that is adopted, an Exit for each thread that was dead when /proc was read."""
        dead = [tid for tid in process.threads if (task := self.tasks.get(tid)) is not None and task.exited]
        events: list[Event] = [Exit(self.at + n, process.read_at, tid, None) for n, tid in enumerate(dead, 1)]
        self.at += len(dead)
        return events

    def _before_adoption(self, parent: int, tid: int, time: int) -> None:
        """The last thread of `parent` dies: children that vanished by themselves are not there to be adopted."""
        for process in list(self._zombies[parent].values()):
            known = self.tasks.get(process.tgid) is process
            if process.autoreaped and known and self._is_gone(process.tgid, process.start):
                self._reap(process, time, tid)

    def reaped_unseen(self, before: int) -> tuple[list[Event], bool]:
        """The next events: a Reap for each who died before this time (ns since boot) and is in /proc no more.

        Also whether somebody died since. Who is still there is not looked up again.
        """
        self._out = []
        waiting = self.living.unconfirmed()
        for process in waiting:
            if process.died >= before:
                continue
            if self._is_gone(process.tgid, process.start):
                self._reap(process, None, 0)
            else:
                process.confirmed = True
        return self._out, any(process.died >= before for process in waiting)

    def _free(self, record: bytes) -> None:
        start, tid = _free_brief(record)
        if tid not in self.tasks:
            return  # the usual case: its reaping was seen when it happened
        task = self.living.find(tid, start)
        if task is None:
            return
        _, _, _, time, _, _, _, parent_start, parent, _ = wire.FREE.unpack(record)
        if not task.process.dead:  # the exit record was lost
            self.at += 1
            self._out.append(Gone(self.at, time, tid))
            del self.tasks[tid]
            return
        known = self.living.find(parent, parent_start)
        self._reap(task.process, time, parent if known is not None else 0)

    def _wait(self, record: bytes) -> None:
        time, tid, tgid, number, level = _wait_brief(record)
        process = self.tasks.get(number) if level == 0 else self.living.zombie_inside(tgid, number, level)
        if type(process) is not LiveProcess or not process.dead:
            return  # a stopped child, or a wait of a ptracer
        if process.parent == tgid or not (process.traced or self.living.lives(process.parent)):
            self._reap(process, time, tid)
