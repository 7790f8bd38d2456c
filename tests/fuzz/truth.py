"""What the kernel says about the processes of one run: /proc, read when nothing moves.

A run is everything below its keeper (keeper.c), which nobody can leave. `look` gives the truth only when every task
is blocked where it will stay blocked; nothing here rests on the tasks' names or on the tracer's word.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

PF_EXITING = 0x4  # include/linux/sched.h
NUMBERS = {
    "x86_64": {"futex": 202, "wait4": 61, "waitid": 247, "clone": 56, "vfork": 58},
    "aarch64": {"futex": 98, "wait4": 260, "waitid": 95, "clone": 220, "vfork": -2},
}
SYSCALL = NUMBERS.get(platform.machine(), NUMBERS["x86_64"])
HELPERS = (b"strace", b"nsenter")


@dataclass(slots=True, frozen=True)
class TrueProcess:
    """One live process or zombie. Numbers are those of the pid namespace that the run's /proc shows."""

    pid: int
    ppid: int
    zombie: bool
    threads: tuple[int, ...]
    """Living tids, sorted; without the leader where that has exited before its threads."""
    ns_pids: tuple[int, ...]
    """Numbers in nested namespaces, outermost first, without `pid`."""
    parent_tid: int
    """The thread of the parent that the process hangs on; 0 where the parent is outside the run."""
    exiting: bool = False
    """Every thread has PF_EXITING and yet is no zombie: the init of a pid namespace that waits for strangers inside
    (zap_pid_ns_processes). It can do nothing more; a tracer has told of its end already, or will later."""
    comm: str = ""


@dataclass(slots=True, frozen=True)
class Truth:
    """All processes of a run at a quiet point."""

    round: int
    keeper: int
    """The outermost reaper's number."""
    tracers: tuple[int, ...]
    processes: dict[int, TrueProcess]

    def to_json(self) -> str:
        """For the folder of a failing run; `load` reads it."""
        rest = {"round": self.round, "keeper": self.keeper, "tracers": self.tracers}
        return json.dumps(rest | {"processes": [asdict(p) for p in self.processes.values()]}, indent=1)

    @staticmethod
    def load(path: Path) -> Truth:
        """Read what `to_json` wrote."""
        raw = json.loads(path.read_text())
        processes = {}
        for p in raw["processes"]:
            threads, ns_pids = tuple(p["threads"]), tuple(p["ns_pids"])
            rest = (p["parent_tid"], p.get("exiting", False), p["comm"])
            processes[p["pid"]] = TrueProcess(p["pid"], p["ppid"], p["zombie"], threads, ns_pids, *rest)
        return Truth(raw["round"], raw["keeper"], tuple(raw["tracers"]), processes)


@dataclass(slots=True)
class _Task:
    tid: int
    tgid: int
    state: str
    ppid: int
    flags: int
    switches: tuple[str, ...]
    tracer: int
    ns_pids: tuple[int, ...]
    comm: bytes
    blocked: bool

    def fingerprint(self) -> tuple[object, ...]:
        return (self.tid, self.tgid, self.state, self.ppid, self.switches, self.tracer)


def _read_task(folder: Path, tgid: int, round_now: int) -> _Task:
    stat = (folder / "stat").read_bytes()
    comm = stat[stat.index(b"(") + 1 : stat.rindex(b")")]
    fields = stat[stat.rindex(b")") + 2 :].split()
    status: dict[str, list[str]] = {}
    for line in (folder / "status").read_bytes().split(b"\n"):
        key, _, value = line.partition(b":")
        status[key.decode("ascii", "replace")] = value.decode("ascii", "replace").split()
    state, flags = fields[0].decode(), int(fields[6])
    return _Task(
        tid=int(folder.name),
        tgid=tgid,
        state=state,
        ppid=int(fields[1]),
        flags=flags,
        switches=(*status.get("voluntary_ctxt_switches", ()), *status.get("nonvoluntary_ctxt_switches", ())),
        tracer=int(status["TracerPid"][0]),
        ns_pids=tuple(int(n) for n in status["NSpid"]),
        comm=comm,
        blocked=_stays_blocked(folder, state, flags, round_now),
    )


def _stays_blocked(folder: Path, state: str, flags: int, round_now: int) -> bool:
    if state == "Z":
        return True
    if flags & PF_EXITING:  # a namespace's init waits in zap_pid_ns_processes until strangers inside are reaped
        return state in "SI"  # idle: seen in 6.1.192
    if state not in "SD":
        return False
    words = (folder / "syscall").read_text().split()
    if words[0] == "running":
        return False
    number = int(words[0])
    if number == SYSCALL["futex"]:
        return int(words[3], 16) == round_now
    if state == "D":
        return number in (SYSCALL["clone"], SYSCALL["vfork"])
    return number in (SYSCALL["wait4"], SYSCALL["waitid"])


def _pids(proc: Path) -> list[int]:
    return [int(p.name) for p in proc.iterdir() if p.name.isdigit()]


def _scan(proc: Path, keeper: int, round_now: int) -> list[_Task] | None:
    """Every task below the keeper, helpers included; None when one vanished meanwhile."""
    try:
        tasks: list[_Task] = []
        for tgid in _wanted(proc, keeper):
            tasks.extend(_read_task(t, tgid, round_now) for t in (proc / str(tgid) / "task").iterdir())
        return tasks
    except (OSError, IndexError, KeyError, ValueError):
        return None


def _wanted(proc: Path, keeper: int) -> list[int]:
    if keeper == 1:
        return [pid for pid in _pids(proc) if pid != 1]
    parents = {}
    for pid in _pids(proc):
        try:
            stat = (proc / str(pid) / "stat").read_bytes()
        except OSError:
            continue
        parents[pid] = int(stat[stat.rindex(b")") + 2 :].split()[1])
    children: dict[int, list[int]] = {}
    for pid, ppid in parents.items():
        children.setdefault(ppid, []).append(pid)
    found = []
    stack = list(children.get(keeper, ()))
    while stack:
        pid = stack.pop()
        found.append(pid)
        stack.extend(children.get(pid, ()))
    return found


def _helper(task: _Task) -> bool:
    return task.comm in HELPERS


def _moving(tasks: list[_Task], keeper: int) -> list[_Task]:
    """The tasks whose state will change by itself."""
    sizes: dict[int, int] = {}
    for task in tasks:
        sizes[task.tgid] = sizes.get(task.tgid, 0) + 1
    reaping = {keeper, *(t.tgid for t in tasks if _helper(t))}
    return [t for t in tasks if _moves(t, sizes[t.tgid] == 1, reaping)]


def _moves(task: _Task, alone: bool, reaping: set[int]) -> bool:
    if _helper(task):
        return task.state != "S"
    if task.state == "Z":  # a tracer cannot reap a leader that has threads left (delay_group_leader)
        return (alone and (bool(task.tracer) or task.ppid in reaping)) or task.tid != task.tgid
    return not task.blocked


def look(proc: Path, keeper: int, round_now: int, deadline: float) -> Truth | None:
    """Wait until nothing moves and return the truth, or None if that does not come before `deadline`.

    `proc` is the /proc to read, `keeper` the outermost reaper's number in it, `deadline` a time.monotonic().
    """
    before = None
    while time.monotonic() < deadline:
        tasks = _scan(proc, keeper, round_now)
        if tasks is not None and not _moving(tasks, keeper):
            prints = sorted(t.fingerprint() for t in tasks)
            if prints == before:
                truth = _truth(proc, keeper, round_now, tasks)
                again = _scan(proc, keeper, round_now)
                if truth and again is not None and sorted(t.fingerprint() for t in again) == prints:
                    return truth
            before = prints
        else:
            before = None
        time.sleep(0.003)
    return None


def why_not_quiet(proc: Path, keeper: int, round_now: int) -> str:
    """For the report of a run that never came to rest."""
    tasks = _scan(proc, keeper, round_now) or []
    return "; ".join(
        f"{t.tid}/{t.tgid} {t.state} flags {t.flags:x} tracer {t.tracer} {t.comm!r}" for t in _moving(tasks, keeper)
    )


def _truth(proc: Path, keeper: int, round_now: int, tasks: list[_Task]) -> Truth | None:
    tracers = tuple(sorted({t.tgid for t in tasks if _helper(t)}))
    members = [t for t in tasks if not _helper(t)]
    threads: dict[int, list[int]] = {}
    doing: dict[int, int] = {}
    """tgid -> threads that are not on their way out"""
    for task in members:
        living = threads.setdefault(task.tgid, [])
        doing.setdefault(task.tgid, 0)
        if task.state != "Z":
            living.append(task.tid)
            doing[task.tgid] += not task.flags & PF_EXITING
    try:
        hangs_on = dict(_children_of_threads(proc, members))
    except OSError:
        return None
    processes = {}
    for task in members:
        if task.tid == task.tgid:
            processes[task.tid] = TrueProcess(
                pid=task.tid,
                ppid=task.ppid,
                zombie=not threads[task.tgid],
                threads=tuple(sorted(threads[task.tgid])),
                ns_pids=task.ns_pids[1:],
                parent_tid=hangs_on.get(task.tid, 0),
                exiting=bool(threads[task.tgid]) and not doing[task.tgid],
                comm=task.comm.decode("utf-8", "backslashreplace"),
            )
    return Truth(round_now, keeper, tracers, processes)


def _children_of_threads(proc: Path, tasks: list[_Task]) -> Iterator[tuple[int, int]]:
    """(child, thread that it hangs on). Needs CONFIG_PROC_CHILDREN; yields nothing without."""
    for task in tasks:
        path = proc / str(task.tgid) / "task" / str(task.tid) / "children"
        if path.exists():
            for child in path.read_text().split():
                yield int(child), task.tid
