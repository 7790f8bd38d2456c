"""What a TARGET of `ctrace watch` and `ctrace record` means: a PID, a systemd unit, a cgroup, or a program's name.

A name or a unit is followed: when its program is exec'd again (containerd restarts), the new process belongs to it.
To containerd belong its shims, which are no descendants of it any more: a shim was adopted by the nearest subreaper
above containerd, so its parent is an ancestor of containerd's, and where two containerds have such a one in common, the
socket or the unit tells whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from tracer.errors import TargetError
from tracer.near import near
from tracer.runtime import cgroup
from tracer.sources.ebpf.members import Table
from tracer.sources.ebpf.source import Select, Selection
from tracer.sources.proc import ProcProcess

CONTAINERD = "containerd"
SHIM = "containerd-shim"
_ADDRESS = "/run/containerd/containerd.sock"
"""containerd's default (containerd/defaults)."""
_UNIT_TYPES = (".service", ".scope", ".slice")
_EVERYONES = re.compile(r"(ba|da|z)?sh|busybox|env|sudo|systemd|python[\d.]*|perl|ruby|node|java", re.ASCII)
"""Programs of which a new process says nothing about what it is for: they are not followed."""
_LISTED = 5


def select(target: str) -> Select:
    """What chooses a target's processes from /proc's table. It raises TargetError where that is nobody, or unclear."""
    if target.isascii() and target.isdigit():
        return lambda table: _by_pid(table, int(target))
    if target.startswith("/"):
        return lambda table: _by_cgroup(table, target)
    if target.endswith(_UNIT_TYPES):
        return lambda table: _by_unit(table, target)
    return lambda table: _by_name(table, target)


def _by_pid(table: Table, pid: int) -> Selection:
    process = table.get(pid)
    if process is None:
        owner = next((p for p in table.values() if pid in p.threads), None)
        if owner is not None:
            raise TargetError(f"{pid} is a thread of {owner.stat.comm} ({owner.tgid})", f"Give the PID: {owner.tgid}")
        raise TargetError(f"no process {pid}", "`ctrace tree` shows what runs.")
    return Selection({pid} | _shims_of([process], table))


def _by_cgroup(table: Table, path: str) -> Selection:
    wanted = "/" + path.removeprefix("/sys/fs/cgroup").strip("/")
    members = [p for p in table.values() if p.cgroup == wanted or (p.cgroup + "/").startswith(wanted.rstrip("/") + "/")]
    if not members:
        hint = _near(wanted, {p.cgroup for p in table.values()} - {"", "/"})
        raise TargetError(f"no process in the cgroup {wanted}", hint or "systemd-cgls shows the cgroups.")
    return _group(table, members)


def _by_unit(table: Table, name: str) -> Selection:
    members = [p for p in table.values() if name in cgroup.components(p.cgroup)]
    if not members:
        hint = _near(name, {cgroup.unit(p.cgroup).name for p in table.values()} - {""})
        raise TargetError(f"no process in the unit {name}", hint or f"systemctl status {name}")
    paths = sorted({p.cgroup.partition(f"/{name}")[0] + f"/{name}" for p in members})
    if len(paths) > 1:
        listed = "\n".join(f"  {path}" for path in paths[:_LISTED])
        raise TargetError(f"{len(paths)} units are called {name}", f"Give the cgroup of one:\n{listed}")
    return _group(table, members)


def _group(table: Table, members: list[ProcProcess]) -> Selection:
    """All of a cgroup; its main programs are followed, but not what they left behind."""
    inside = {p.tgid for p in members}
    tops = [p for p in members if p.stat.ppid not in inside and not _is_shim(p)]
    return Selection(inside | _shims_of(members, table), _followed(p.stat.comm for p in tops))


def _by_name(table: Table, name: str) -> Selection:
    found = {p.tgid: p for p in table.values() if name in _names(p)}
    tops = [p for p in found.values() if not _has_above(p, found, table)]
    if not tops:
        known = {n for p in table.values() if not p.stat.kernel_thread for n in _names(p)}
        units = {cgroup.unit(p.cgroup).name for p in table.values()} - {""}
        hint = _near(name, known | units)
        raise TargetError(
            f"no process is called {name}", hint or "`ctrace tree` shows what runs; --all takes all of it."
        )
    if len(tops) > 1:
        listed = "\n".join(f"  {p.tgid}  {_command(p)}" for p in tops[:_LISTED])
        more = f"\n  and {len(tops) - _LISTED} more" if len(tops) > _LISTED else ""
        raise TargetError(
            f"{len(tops)} processes are called {name}", f"Give the PID of one, or its unit:\n{listed}{more}"
        )
    return Selection({tops[0].tgid} | _shims_of(tops, table), _followed([tops[0].stat.comm]))


def _names(process: ProcProcess) -> set[str]:
    """What people may call it."""
    names = {process.stat.comm, _base(process.exe)}
    if process.argv:
        names.add(_base(process.argv[0]))
    return names - {""}


def _base(path: str) -> str:
    return path.removesuffix(" (deleted)").rpartition("/")[2]


def _command(process: ProcProcess) -> str:
    text = " ".join(process.argv) or process.stat.comm
    return text if len(text) <= 70 else text[:69] + "…"


def _followed(comms: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({comm for comm in comms if not _EVERYONES.fullmatch(comm)}))


def _has_above(process: ProcProcess, others: Table, table: Table) -> bool:
    """One of the others is its ancestor."""
    return any(above.tgid in others for above in _above(process, table))


def _above(process: ProcProcess, table: Table) -> list[ProcProcess]:
    """Its ancestors, the nearest first."""
    found: list[ProcProcess] = []
    node = table.get(process.stat.ppid)
    while node is not None and node not in found:
        found.append(node)
        node = table.get(node.stat.ppid)
    return found


def _near(name: str, known: Iterable[str]) -> str:
    found = near(name, known)
    return f"Near names: {', '.join(found)}" if found else ""


# --- containerd's shims ---


def _is_containerd(process: ProcProcess) -> bool:
    return process.stat.comm == CONTAINERD or _base(process.exe) == CONTAINERD


def _is_shim(process: ProcProcess) -> bool:
    return _base(process.exe or (process.argv[0] if process.argv else "")).startswith(SHIM)


def _shims_of(chosen: Iterable[ProcProcess], table: Table) -> set[int]:
    """The serving shims that belong to the containerds among the chosen."""
    daemons = [p for p in table.values() if _is_containerd(p) and not _is_shim(p)]
    wanted = {p.tgid for p in chosen}
    ours = [p for p in daemons if p.tgid in wanted]
    found: set[int] = set()
    for shim in table.values():
        if ours and _is_shim(shim):
            owner = _owner(shim, [d for d in daemons if _could_own(d, shim, table)])
            if owner is not None and owner in ours:
                found.add(shim.tgid)
    return found


def _could_own(daemon: ProcProcess, shim: ProcProcess, table: Table) -> bool:
    """Adopted by an ancestor of containerd, or still below it; in the same pid namespace."""
    above = {daemon.tgid, *(p.tgid for p in _above(daemon, table))}
    return shim.stat.ppid in above and shim.pid_ns == daemon.pid_ns


def _owner(shim: ProcProcess, candidates: list[ProcProcess]) -> ProcProcess | None:
    """The containerd that the shim works for, of those that could have started it."""
    tests: list[Callable[[ProcProcess], bool]] = [
        lambda d: _option(d.argv, "address", "a") == _option(shim.argv, "address", ""),
        lambda d: _unit(d) == _unit(shim),
        lambda d: _option(shim.argv, "address", "") == _ADDRESS,
    ]
    for test in tests:
        fitting = [d for d in candidates if test(d)] if len(candidates) > 1 else candidates
        if len(fitting) == 1:
            return fitting[0]
    return None


def _unit(process: ProcProcess) -> str:
    return cgroup.unit(process.cgroup).name


def _option(argv: tuple[str, ...], name: str, short: str) -> str:
    """The value of `-name VALUE`, `--name VALUE`, `--name=VALUE` or `-s VALUE`; containerd's own without one."""
    words = iter(argv[1:])
    for word in words:
        option, equals, value = word.partition("=")
        if option in {f"-{name}", f"--{name}"} or (short and option == f"-{short}"):
            return value if equals else next(words, "")
    return _ADDRESS
