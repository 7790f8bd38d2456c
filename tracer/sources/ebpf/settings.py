"""From records to events: what a task sets for itself, or has set for it."""

from __future__ import annotations

from tracer.event import JoinPidNs, NewPidNs, Rename, SetPdeathsig, SetSubreaper
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.known import Known


class Settings(Known):
    """CT_PRCTL, CT_RENAME, CT_PIDNS and CT_CGROUP, and CT_STATE of a walk after a loss."""

    def _prctl(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, option, _, arg = wire.PRCTL.unpack(record)
        task = self.living.find(tid, start)
        if task is None:
            return
        self.at += 1
        if option == wire.PR_SET_CHILD_SUBREAPER:
            task.process.subreaper = arg != 0
            self._out.append(SetSubreaper(self.at, time, tid, arg != 0))
        else:
            self._out.append(SetPdeathsig(self.at, time, tid, arg))

    def _state(self, record: bytes) -> None:
        _, _, _, time, start, tid, *_, flags, _, _, _ = wire.STATE.unpack(record)
        task = self.living.find(tid, start)
        if task is not None and (flags & wire.F_SUBREAPER) != task.process.subreaper:
            if task.process.subreaper is not None:
                self._out += self.lost_events(1)
            self._subreaper_seen(task.process, time, flags)

    def _rename(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, comm = wire.RENAME.unpack(record)
        if self.living.find(tid, start) is not None:
            self.at += 1
            self._out.append(Rename(self.at, time, tid, wire.comm(comm)))

    def _pidns(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, pidns, _, joined, _ = wire.PIDNS.unpack(record)
        if self.living.find(tid, start) is not None:
            self.at += 1
            self._out.append(JoinPidNs(self.at, time, tid, pidns) if joined else NewPidNs(self.at, time, tid))

    def _cgroup(self, record: bytes) -> None:
        _, _, _, time, start, tid, _, path_len, _ = wire.CGROUP.unpack_from(record)
        if self.living.find(tid, start) is not None:
            path = wire.text(record[wire.CGROUP.size : wire.CGROUP.size + path_len])
            self._out.append(self.moved(tid, time, path))
