"""From records to events: tasks that are born, and the programs that they run."""

from __future__ import annotations

from collections.abc import Callable

from tracer.event import CLONE_THREAD, Clone, Exec, Gone, PidNsId, Reap, Rename, Snapshot
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.known import Known, new
from tracer.sources.ebpf.living import LiveProcess, LiveTask, LiveThread
from tracer.sources.ebpf.programs import Programs

CLONE_INTO_CGROUP = 1 << 33
"""include/uapi/linux/sched.h; the cgroup's move is not traced then."""

_clone_brief, _exec_brief = wire.CLONE_BRIEF.unpack, wire.EXEC_BRIEF.unpack_from


class Births(Known):
    """CT_CLONE and CT_EXEC."""

    def __init__(self, new_member: Callable[[int, int], None], is_gone: Callable[[int, int], bool]) -> None:
        super().__init__(new_member, is_gone)
        self._programs = Programs()

    def _clone(self, record: bytes) -> None:
        time, start, tid, flags, child_start, cgroup, child, parent_tgid, exit_signal, own, level = _clone_brief(record)
        tasks = self.tasks
        creator = tasks.get(tid)
        if creator is None or creator.start != start:
            creator = self.living.find(tid, start)
            if creator is None:
                return
        process = creator if type(creator) is LiveProcess else creator.process
        thread = flags & CLONE_THREAD
        if not (thread or process.member):
            return
        if child in tasks and not self._is_free(child, child_start, time):
            return
        if (own & wire.F_SUBREAPER) != process.subreaper:
            self._subreaper_seen(process, time, own)
        inner = wire.CLONE_REST.unpack(record)[1:-1][:level] if level else ()
        if thread:
            process.live += 1
            tasks[child] = LiveThread(child_start, process)
        else:
            tasks[child] = LiveProcess(child, child_start, True, inner)
            if not own & wire.F_MEMBER:
                self._new_member(child, child_start)
        self.at = at = self.at + 1
        said = at, time, tid, child, flags, exit_signal, 0, "", child_start, inner, cgroup, parent_tgid, False, 0
        self._out.append(new(Clone, said))
        if inner or own & wire.F_OWN_COMM or flags & CLONE_INTO_CGROUP:
            self._born_apart(record, time, child, flags, own, inner)

    def _born_apart(self, record: bytes, time: int, child: int, flags: int, own: int, inner: tuple[int, ...]) -> None:
        """What the child does not share with its creator."""
        thread = flags & CLONE_THREAD
        if own & wire.F_OWN_COMM and not thread:
            self.at += 1
            self._out.append(Rename(self.at, time, child, wire.comm(wire.CLONE_REST.unpack(record)[-1])))
        if inner and inner[-1] == 1 and not thread:
            self.at += 1
            self._out.append(PidNsId(self.at, time, child, wire.CLONE_REST.unpack(record)[0]))
        if flags & CLONE_INTO_CGROUP:
            self.into_cgroup.append(child)

    def _is_free(self, tid: int, start: int, time: int) -> bool:
        """Whether a number in use is not this new task's: then who had it is gone, though no record has said so yet."""
        if self.living.find(tid, start) is not None:
            return False
        process = self.tasks[tid].process
        self.at += 1
        if process.dead and process.tgid == tid:
            self._out.append(Reap(self.at, time, 0, tid, process.status))
            self.living.forget(process)
        else:
            self._out.append(Gone(self.at, time, tid))
            process.live -= 1
            del self.tasks[tid]
        return True

    def _exec(self, record: bytes) -> None:
        time, start, tid, old_tid, flags = _exec_brief(record)
        program = self._programs.of(record)
        task = self.living.find(tid, start)
        if task is None:
            if not flags & wire.F_FOLLOWED:
                return
            task = self._followed(record)
        process = task.process
        if time < process.read_at:
            return  # /proc has told of it
        if old_tid != tid:
            caller = self.tasks.get(old_tid)
            if caller is not None and caller.process is process:
                del self.tasks[old_tid]
            else:
                old_tid = tid  # /proc was read when the thread had the leader's number already
                process.live += 1
        if process.live > 1:
            self._left_alone(process)
        if process.dead:
            self.living.lives_on(process)
        task.exited = False
        process.live = 1
        if (flags & wire.F_SUBREAPER) != process.subreaper:
            self._subreaper_seen(process, time, flags)
        filename, argv, cut, comm = program
        self.at = at = self.at + 1
        self._out.append(new(Exec, (at, time, tid, old_tid, filename, argv, cut)))
        if comm is not None:
            # execveat of a descriptor: since Linux 6.14 the name of the file, and not of the descriptor
            self.at += 1
            self._out.append(Rename(self.at, time, tid, comm))

    def _left_alone(self, process: LiveProcess) -> None:
        """de_thread(): other threads have ended, unseen. Or /proc told of them before their births are decoded."""
        others = [tid for tid, task in self.tasks.items() if type(task) is LiveThread and task.process is process]
        for tid in others:
            del self.tasks[tid]

    def _followed(self, record: bytes) -> LiveTask:
        """It has the name of a program to follow, and was nobody's child here until now."""
        (
            _, _, _, time, start, tid, tgid, _, parent_tgid, flags, _, _, _, level, pidns, ns_pid, comm,
        ) = wire.EXEC.unpack_from(record)  # fmt: skip
        filename, argv, _, _ = self._programs.of(record)
        process = self.tasks[tid] = LiveProcess(tgid, start, True, (ns_pid,) if level else ())
        self.at += 1
        self._out.append(
            Snapshot(
                self.at, time, tid, tgid, parent_tgid, wire.comm(comm), filename, argv, start, False,
                process.ns_pids, "", bool(flags & wire.F_SUBREAPER), pidns,
            )
        )  # fmt: skip
        return process
