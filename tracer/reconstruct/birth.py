"""How tasks come into the graph: created (kernel/fork.c, copy_process()), found, or read from /proc."""

from __future__ import annotations

from tracer.event import (
    CLONE_NEWPID,
    CLONE_PARENT,
    CLONE_THREAD,
    Attach,
    Clone,
    JoinPidNs,
    NewPidNs,
    PidNsId,
    SameProcess,
    Snapshot,
)
from tracer.graph import DEAD, RUNNING, ZOMBIE, PidNs, Process, Program, Reparenting, Task
from tracer.graph import RULE_SEEN as SEEN
from tracer.identity import Evidence
from tracer.reconstruct.exit import end_unseen, end_unseen_process, reparent
from tracer.reconstruct.reaper import find_new_reaper
from tracer.reconstruct.state import State, bury, is_below, set_real_parent

OBSERVED = Evidence.OBSERVED


def on_clone(state: State, event: Clone) -> None:
    """copy_process(): the child's real_parent is the caller, or with CLONE_PARENT and CLONE_THREAD the caller's own."""
    at, time, tid, child_tid, flags, _, ns_child, matched, start_time, ns_pids, cgroup, parent_tgid = event
    creator = state.tasks.get(tid)
    if creator is None:
        creator = attach(state, at, time, tid)
    old = state.tasks.get(child_tid)
    if old is not None and old.process.state is not DEAD and _is_known(state, old, start_time, at, time):
        return
    if flags & CLONE_THREAD:
        if creator.process.state is not RUNNING:
            attach(state, at, time, child_tid)
            return
        _new_thread(state, creator, child_tid, matched)
        return
    mother = creator.process
    if ns_child and mother.ns.level == 0:
        mother.ns = _unseen_ns(state, mother.ns, "the only pid namespace seen that it can have entered")
    ns = mother.ns
    if flags & CLONE_NEWPID or state.ns_for_children:
        ns = _ns_of_child(state, creator, flags)
    if start_time and len(ns_pids) != ns.level:
        ns = _ns_as_told(ns, ns_pids)
    process = state.new_process(child_tid, ns, at, time, tid, old)
    process.creator = mother
    process.comm = mother.comm
    process.program = mother.program
    process.start_time = start_time
    if ns.level:
        _enter_ns(state, process, creator, ns_pids, ns_child)
    if cgroup:
        process.cgroup = mother.cgroup
    if flags & CLONE_PARENT:
        _born_beside(process, mother)
    else:
        # set_real_parent() spelled out: this is the hottest path of a replay.
        process.real_parent = creator
        process.evidence = OBSERVED
        if creator.children is None:
            creator.children = {}
        creator.children[process] = None
    if matched or creator.membership or parent_tgid:
        _judge_birth(state, process, creator, matched, parent_tgid)
    if mother.state is not RUNNING:
        _born_of_the_dead(state, process, mother, at, time)


def _born_of_the_dead(state: State, process: Process, mother: Process, at: int, time: int | None) -> None:
    """The trace told of the creator's end first: the adoption that this birth missed is made up for."""
    if process.parent is not mother:
        return
    why = f"the trace shows the end of {mother.tgid} before this birth"
    reaper = find_new_reaper(mother, state.init, None, state.doubts)
    reaper = reaper._replace(evidence=Evidence.weakest(reaper.evidence, Evidence.INFERRED), reason=why)
    reparent(state, process, mother, reaper, at, time, f"exit of {mother.tgid}")


def _new_thread(state: State, creator: Task, tid: int, matched: str) -> None:
    """CLONE_THREAD: one more task of the creator's thread group."""
    process = creator.process
    task = Task(tid, process, creator.tid)
    task.membership = matched or creator.membership
    process.threads[tid] = state.tasks[tid] = task
    if tid == process.tgid:
        process.leader = task


def _born_beside(process: Process, mother: Process) -> None:
    """CLONE_PARENT: a sibling of the creator, so the creator is not the parent."""
    evidence = Evidence.weakest(Evidence.DERIVED, mother.evidence)
    set_real_parent(process, mother.real_parent, evidence, mother.reason)


def _judge_birth(state: State, process: Process, creator: Task, matched: str, parent_tgid: int) -> None:
    """Weaken or correct what the flags say: matched numbers, creators that may be threads, the kernel's own word."""
    if matched:
        process.evidence, process.reason = Evidence.INFERRED, matched
    elif creator.membership:
        process.evidence = Evidence.weakest(Evidence.INFERRED, process.evidence)
        process.reason = creator.membership
    if not parent_tgid:
        return
    parent = process.parent
    if parent is None or parent.tgid != parent_tgid:
        real = state.live_task(parent_tgid)
        if real is not None:
            set_real_parent(process, real, OBSERVED)
            return
    process.evidence, process.reason = OBSERVED, ""


def _ns_of_child(state: State, creator: Task, flags: int) -> PidNs:
    """The pid namespace that copy_process() puts a child of `creator` in."""
    ns = state.ns_for_children.get(creator.tid, creator.process.ns)
    if flags & CLONE_NEWPID:
        ns = PidNs(ns.level + 1, ns)
    return ns


def _ns_as_told(ns: PidNs, ns_pids: tuple[int, ...]) -> PidNs:
    """Live the kernel tells the level; it differs after a setns that was not seen."""
    told = PidNs(len(ns_pids), ns)
    told.joined = bool(ns_pids) and ns_pids[-1] != 1
    return told


def _enter_ns(state: State, process: Process, creator: Task, ns_pids: tuple[int, ...], ns_child: int) -> None:
    """The first process of a new namespace has number 1 there and is its child_reaper (alloc_pid(), copy_process())."""
    ns = process.ns
    if ns.init is None and not ns.joined:
        ns.init = process
        state.living_ns[ns] = None
    if ns_pids:
        process.ns_pids = ns_pids
        return
    # The creator got the number of its own namespace; a new one below it starts at 1. Others are not told.
    own = (ns_child,) if ns_child else ()
    inner = (1,) if ns.init is process else ()
    numbers = own + inner
    process.ns_pids = numbers if len(numbers) == ns.level else ()


def _unseen_ns(state: State, around: PidNs, why: str, ns_id: int = 0) -> PidNs:
    """A namespace that was entered in a way the trace does not show: the only one seen that fits, or an unknown one."""
    ns = PidNs(around.level + 1, around, ns_id)
    ns.joined = True
    fitting = [n for n in state.living_ns if n.parent is around]
    if len(fitting) == 1:
        ns.init = fitting[0].init
        ns.guess = why
    return ns


def on_new_pid_ns(state: State, event: NewPidNs) -> None:
    """unshare(CLONE_NEWPID): create_new_namespaces() replaces pid_ns_for_children; the caller itself stays."""
    task = state.live_task(event.tid) or attach(state, event.at, event.time, event.tid)
    own = task.process.ns
    state.ns_for_children[event.tid] = PidNs(own.level + 1, own)


def on_join_pid_ns(state: State, event: JoinPidNs) -> None:
    """setns(): children go into that namespace. An unknown one gets a namespace whose init was not seen."""
    task = state.live_task(event.tid) or attach(state, event.at, event.time, event.tid)
    own = task.process.ns
    ns = state.ns_by_id.get(event.ns_id)
    if ns is None:
        ns = _unseen_ns(state, own, "the only pid namespace seen that setns can have meant", event.ns_id)
        if event.ns_id:
            state.ns_by_id[event.ns_id] = ns
    state.ns_for_children[event.tid] = ns


def _is_known(state: State, old: Task, start_time: int, at: int, time: int | None) -> bool:
    """The graph has this very task (from /proc); else its number is free now, whatever the trace says of the end."""
    if start_time and old.process.start_time == start_time:
        return True
    _number_reused(state, old, at, time)
    return False


def _number_reused(state: State, old: Task, at: int, time: int | None) -> None:
    """A new task has this number, so the one before is gone though the trace did not say so (yet)."""
    if old.process.state is ZOMBIE:
        state.early_reuse.add(old.tid)
        bury(old.process, at)
    elif old.tid == old.process.tgid:
        end_unseen_process(state, old.process, at, time)
        bury(old.process, at)
    else:
        end_unseen(state, old, at, time)


def on_pid_ns_id(state: State, event: PidNsId) -> None:
    """The number by which setns() and /proc name the namespace that this process lives in."""
    task = state.live_task(event.tid)
    if task is not None:
        ns = task.process.ns
        ns.ns_id = event.ns_id
        state.ns_by_id[event.ns_id] = ns


def attach(state: State, at: int, time: int | None, tid: int) -> Task:
    """A task whose creation was not seen: a thread where a hint of the first pass says so, else its own process."""
    hint = state.hints.get((at, tid))
    if hint is not None:
        host = state.live_task(hint.tgid)
        if host is not None and host.process.state is RUNNING:
            task = Task(tid, host.process, 0)
            task.membership = hint.reason
            host.process.threads[tid] = state.tasks[tid] = task
            state.stats.inferred += 1
            return task
    if state.processes:
        state.clues.found()
    process = state.new_process(tid, state.root_ns, at, time, 0, state.tasks.get(tid))
    process.subreaper = None
    process.leader_known = tid == 1
    process.reason = "it was there before the trace, or its creation was not traced"
    return process.leader


def on_attach(state: State, event: Attach) -> None:
    """A notice, or the first line of a task without a birth."""
    at, time, tid, comm, noticed, threads = event
    if state.live_task(tid) is not None:
        return
    first = not state.processes
    task = attach(state, at, time, tid)
    process = task.process
    if comm and process.leader is task:
        process.comm = comm
    if task.membership:
        return
    if threads or (noticed and first):
        # `strace -f -p N` attaches to all threads of N and says how many where they are several.
        process.leader_known = True
    if threads:
        state.clues.attached_with_threads(process, threads)
    elif not noticed:
        state.clues.found_without_notice(process)


def on_same_process(state: State, event: SameProcess) -> None:
    """The trace itself puts two tasks into one process."""
    task, other = state.live_task(event.tid), state.live_task(event.other)
    if task is not None and other is not None and task.process is not other.process:
        state.clues.same_process(task.process, other.process)


def on_snapshot(state: State, event: Snapshot) -> None:
    """A task as /proc has it: new to the graph, or the kernel's word against ours."""
    task = state.live_task(event.tid)
    if task is not None and event.tid == event.tgid and _is_other(task.process, event):
        _number_reused(state, task, event.at, event.time)
        task = None
    if event.tid != event.tgid:
        host = state.live_task(event.tgid)
        if task is None and host is not None:
            _new_thread(state, host, event.tid, "")
        return
    if task is None:
        old = state.tasks.get(event.tid)
        process = state.new_process(event.tid, _snapshot_ns(state, event), event.at, event.time, 0, old)
        if event.ns_pids and event.ns_pids[-1] == 1:
            process.ns.init = process
        process.subreaper = None
        process.comm, process.start_time = event.comm, event.start_time
        process.program = Program(event.exe, event.argv, False) if event.exe or event.argv else None
    else:
        process = task.process
    if event.subreaper is not None:
        process.subreaper = event.subreaper
    process.cgroup = event.cgroup or process.cgroup
    process.ns_pids = event.ns_pids or process.ns_pids
    if event.zombie and process.state is RUNNING:
        process.state = ZOMBIE
    _kernel_says_parent(state, process, event)


def _is_other(process: Process, event: Snapshot) -> bool:
    """Another process than the one with this number in the graph (a start time of 0 is unknown)."""
    known = process.start_time
    # /proc rounds the start time down to clock ticks of 10 ms (fs/proc/array.c, nsec_to_clock_t).
    return bool(known and event.start_time and abs(known - event.start_time) >= 10_000_000)


def _snapshot_ns(state: State, event: Snapshot) -> PidNs:
    """The namespace of a process found in /proc: by its inode, else by the parent's and the number of nested ids."""
    level = len(event.ns_pids)
    if level == 0:
        return state.root_ns
    ns = state.ns_by_id.get(event.pid_ns)
    if ns is not None:
        return ns
    parent = state.live_task(event.ppid)
    above = parent.process.ns if parent is not None else state.root_ns
    if above.level == level and not event.pid_ns:
        return above
    ns = PidNs(level, above, event.pid_ns)
    ns.joined = event.ns_pids[-1] != 1
    if event.pid_ns:
        state.ns_by_id[event.pid_ns] = ns
    return ns


def _kernel_says_parent(state: State, process: Process, event: Snapshot) -> None:
    """Take the parent from /proc; where the graph had another one, keep that as history."""
    if event.ppid == 0:
        return
    parent = process.parent
    if parent is not None and parent.tgid == event.ppid and (parent.alive or parent.outside):
        if process.evidence is not OBSERVED:
            process.evidence, process.reason = OBSERVED, ""
        return
    new = state.live_task(event.ppid)
    if new is None:
        if event.ppid != 1:
            return
        new = state.init.leader
    if is_below(new.process, process):
        return
    set_real_parent(process, new, OBSERVED)
    if parent is None:
        return
    moved = Reparenting(event.at, event.time, parent, new.process, SEEN, "seen in /proc", OBSERVED, "")
    process.reparentings = [*(process.reparentings or ()), moved]
    state.note_move(process, moved)
