"""The processes of this machine as /proc shows them now.

/proc is read while it changes: an entry may vanish at any moment (then it is left out), and two entries may be from
different moments. What a reader needs to merge it with live events is when each process was read (`read_at`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tracer.event import Event, Snapshot
from tracer.sources.proc_cgroup import hierarchy_to_follow, unified_cgroup

PROC = Path("/proc")
TICK = 10_000_000
"""ns: /proc tells start times in USER_HZ, which is 100 on all architectures but alpha and ia64."""

_PF_EXITING, _PF_KTHREAD = 0x4, 0x00200000  # include/linux/sched.h
_ARGS_MAX = 1 << 15
_ARGUMENTS_MAX = 1024
"""What is kept of a process's arguments: a stranger chooses them, and 1 MB of short ones would be 20 MB as strings."""
_LOOKS_AT_ZOMBIES = 20
_LOOKS_AT_THREADS = 3
_LOOKS_AT_PARENTS = 3


class Stat(NamedTuple):
    """What /proc/PID/stat says."""

    comm: str
    state: str
    ppid: int
    """As the pid namespace of this /proc sees it; 0 is outside."""
    kernel_thread: bool
    start_ticks: int
    exiting: bool = False
    """It is on its way through do_exit()."""
    tasks: int = 1
    """Of its process, those that are not released yet, itself included; 0: it was released while this was read."""


@dataclass(slots=True)
class ProcProcess:
    """A process and its threads."""

    tgid: int
    stat: Stat
    exe: str
    argv: tuple[str, ...]
    argv_cut: bool
    """There were more."""
    ns_pids: tuple[int, ...]
    """In nested namespaces, outermost first, without the number that this /proc shows."""
    cgroup: str
    """Path in the unified hierarchy, or in systemd's or the first other one of version 1; '' where unknown."""
    pid_ns: int
    """Inode number of its pid namespace; 0 where this user may not see it."""
    threads: dict[int, Stat]
    """By tid, the leader included."""
    read_at: int
    """CLOCK_BOOTTIME in ns, from before the first file was read."""
    seen_at: int = 0
    """The same, from after its leader was read: until then the leader was what it is here."""

    @property
    def zombie(self) -> bool:
        """Ended and not reaped. A leader that ended before its threads looks the same but has live ones."""
        return self.stat.state in "ZX" and not any(s.state not in "ZX" for s in self.threads.values())

    @property
    def dying(self) -> bool:
        """All of its threads have begun to end, and it is no zombie yet: its children may not have moved."""
        return not self.zombie and all(s.exiting or s.state in "ZX" for s in self.threads.values())


def parse_stat(raw: bytes) -> Stat:
    """Parse /proc/PID/stat; comm is raw there and may hold anything, so the last ')' ends it. Raises ValueError."""
    left, right = raw.index(b"("), raw.rindex(b")")
    fields = raw[right + 1 :].split()
    flags = int(fields[6])
    return Stat(
        comm=raw[left + 1 : right].decode("utf-8", "surrogateescape"),
        state=chr(fields[0][0]),
        ppid=int(fields[1]),
        kernel_thread=bool(flags & _PF_KTHREAD),
        start_ticks=int(fields[19]),
        exiting=bool(flags & _PF_EXITING),
        tasks=int(fields[17]),
    )


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def own_hierarchy() -> int:
    """The same for this machine."""
    try:
        return hierarchy_to_follow(_text(PROC / "self" / "cgroup"))
    except OSError:
        return 0


def cgroup_of(tgid: int) -> str:
    """The path that Snapshot has too; '' where the process is gone."""
    try:
        return unified_cgroup(_text(PROC / str(tgid) / "cgroup"))
    except OSError:
        return ""


def _ns_pids(status: str) -> tuple[int, ...]:
    """The NSpid line without its first number."""
    line = status.partition("\nNSpid:")[2].partition("\n")[0]
    return tuple(int(number) for number in line.split()[1:])


def kept_arguments(raw: bytes, size: int, count: int) -> tuple[tuple[str, ...], bool]:
    """Up to so many bytes and arguments of a command line with NULs, and whether there were more."""
    if not raw:
        return (), False
    found = raw[:size].removesuffix(b"\0").split(b"\0", count)
    cut = len(raw) > size or len(found) > count
    return tuple(arg.decode("utf-8", "surrogateescape") for arg in found[:count]), cut


def _threads(folder: Path, tgid: int) -> tuple[dict[int, Stat], int, int]:
    """By tid, the leader's first; who ends meanwhile is left out. Raises OSError or ValueError: the leader is gone.

    Also the times before and after the leader was read.

    A dead leader is a zombie where it is its process's only task: do_task_stat() counts them under the lock under which
    they are released. Where it is not, and no other was seen alive, an exec can have given its number to another thread
    meanwhile (de_thread()), so it is looked at again.
    """
    for _ in range(_LOOKS_AT_ZOMBIES):
        read_at = _now()
        leader = parse_stat((folder / "stat").read_bytes())
        seen_at = _now()
        threads = {tgid: leader, **_others(folder, tgid)}
        if leader.state != "X" and (leader.tasks == 1 or any(stat.state not in "ZX" for stat in threads.values())):
            break
    if leader.state == "X":
        raise ProcessLookupError  # being reaped
    return threads, read_at, seen_at


def _now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _others(folder: Path, tgid: int) -> dict[int, Stat]:
    """The threads besides the leader.

    Where one ends while they are listed, the list may end there, or lack another that lives (next_tid(), first_tid() in
    fs/proc/base.c): they are listed once more.
    """
    threads: dict[int, Stat] = {}
    for _ in range(_LOOKS_AT_THREADS):
        tids = dict.fromkeys(threads)
        with contextlib.suppress(OSError):
            tids |= dict.fromkeys(int(entry.name) for entry in (folder / "task").iterdir())
        tids.pop(tgid, None)
        threads.clear()
        for tid in tids:
            with contextlib.suppress(OSError, ValueError):
                threads[tid] = parse_stat((folder / "task" / str(tid) / "stat").read_bytes())
        if len(threads) == len(tids):
            break
    return threads


def has_ended(tgid: int, tid: int) -> bool:
    """This thread is through do_exit(), or is not there."""
    try:
        stat = parse_stat((PROC / str(tgid) / "task" / str(tid) / "stat").read_bytes())
    except (OSError, ValueError):
        return True
    return stat.state in "ZX"


def read_process(tgid: int, proc: Path = PROC) -> ProcProcess | None:
    """One process; None where it is gone. What this user may not see of it is left empty."""
    folder = proc / str(tgid)
    try:
        threads, read_at, seen_at = _threads(folder, tgid)
        ns_pids = _ns_pids(_text(folder / "status"))
    except (OSError, ValueError):
        return None
    try:
        exe = str((folder / "exe").readlink()).removesuffix(" (deleted)")  # d_path(): replaced by an upgrade
    except OSError:
        exe = ""  # a kernel thread, a zombie, or not permitted
    try:
        with (folder / "cmdline").open("rb") as file:
            argv, argv_cut = kept_arguments(file.read(_ARGS_MAX + 1), _ARGS_MAX, _ARGUMENTS_MAX)
        cgroup = unified_cgroup(_text(folder / "cgroup"))
    except OSError:
        argv, argv_cut, cgroup = (), False, ""
    try:
        pid_ns = (folder / "ns" / "pid").stat().st_ino
    except OSError:
        pid_ns = 0
    return ProcProcess(tgid, threads[tgid], exe, argv, argv_cut, ns_pids, cgroup, pid_ns, threads, read_at, seen_at)


def read_table(proc: Path = PROC) -> dict[int, ProcProcess]:
    """All processes by tgid. A process whose parent went away, or ended, meanwhile is read again."""
    table: dict[int, ProcProcess] = {}
    for tgid in sorted(int(p.name) for p in proc.iterdir() if p.name.isdigit()):
        found = read_process(tgid, proc)
        if found is not None:
            table[tgid] = found
    for _ in range(_LOOKS_AT_PARENTS):
        stale = misplaced(table, ())
        for tgid in stale:
            again = read_process(tgid, proc)
            if again is not None:
                table[tgid] = again
            else:
                table.pop(tgid, None)
        if not stale:
            break
    return table


def misplaced(table: Mapping[int, ProcProcess], known: Container[int]) -> set[int]:
    """Who has to be read again: processes whose parent is not there, or is a zombie, and such parents.

    exit_notify() hands the children on before anybody can see the zombie. `known`: more processes that are there.
    """
    found: set[int] = set()
    for tgid, process in table.items():
        above = process.stat.ppid
        parent = table.get(above)
        if not above or above in known or (parent is not None and not parent.zombie):
            continue
        found |= {tgid} if parent is not None else {tgid, above}
    return found


def parents_first(processes: Iterable[ProcProcess]) -> list[ProcProcess]:
    """The same, each after its parent where that is among them, else by start time."""
    chosen = {p.tgid: p for p in sorted(processes, key=lambda p: (p.stat.start_ticks, p.tgid))}
    ordered: dict[int, ProcProcess] = {}
    for process in chosen.values():
        chain: list[ProcProcess] = []
        step: ProcProcess | None = process
        while step is not None and step.tgid not in ordered and step not in chain:
            chain.append(step)
            step = chosen.get(step.stat.ppid)
        for link in reversed(chain):
            ordered[link.tgid] = link
    return list(ordered.values())


def snapshot_events(
    process: ProcProcess,
    at: int,
    *,
    start_time: int = 0,
    subreaper: bool | None = None,
    parent_tid: int = 0,
    zombie: bool | None = None,
) -> list[Event]:
    """Snapshot events of a process, its leader's first; `at` counts up.

    The keywords replace what /proc knows less well, or not at all.
    """
    events: list[Event] = []
    for tid, stat in process.threads.items():
        leader = tid == process.tgid
        events.append(
            Snapshot(
                at=at + len(events),
                time=process.read_at,
                tid=tid,
                tgid=process.tgid,
                ppid=process.stat.ppid,
                comm=stat.comm,
                exe=process.exe,
                argv=process.argv,
                start_time=start_time if leader and start_time else stat.start_ticks * TICK,
                zombie=(process.zombie if zombie is None else zombie) if leader else stat.state in "ZX",
                ns_pids=process.ns_pids if leader else (),
                cgroup=process.cgroup,
                subreaper=subreaper,
                pid_ns=process.pid_ns,
                argv_cut=process.argv_cut,
                parent_tid=parent_tid,
            )
        )
    return events
