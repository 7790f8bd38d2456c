"""What a process is for, in a container runtime's terms.

Roles come from the program that a process runs at the time (a pause process was `runc init` before), from what it ran
earlier, and from who its parent was. strace cuts arguments, so the first ones must do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.runtime import cgroup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.graph import Process, ProcessGraph, Program

CONTAINERD = "containerd"
SHIM_START = "shim-start"
SHIM_DELETE = "shim-delete"
SHIM = "shim"
RUNC = "runc"
RUNC_INIT = "runc-init"
RUNC_EXEC = "runc-exec"
PAUSE = "pause"
CONTAINER = "container"
EXEC = "exec"
"""Started in a container that runs: `kubectl exec`, `docker exec`, `runc exec`."""
CNI = "cni"

HELPERS = frozenset({SHIM_START, SHIM_DELETE, CNI})
"""With the runc stages (`is_helper`): short-lived, of interest only as a step on the way."""

_COMM_MAX = 15
"""TASK_COMM_LEN - 1 (include/linux/sched.h)."""

_BY_NAME = {
    "containerd": CONTAINERD,
    "dockerd": "dockerd",
    "docker-proxy": "docker-proxy",
    "conmon": "conmon",
    "crio": "crio",
    "kubelet": "kubelet",
    "systemd": "systemd",
    "podman": "podman",
    "catatonit": "catatonit",
    "init": "init",
}
_RUNTIMES = frozenset({"runc", "crun", "runsc", "youki", "kata-runtime"})
_RUNC_COMMANDS = frozenset(
    {"checkpoint", "create", "delete", "events", "exec", "features", "init", "kill", "list", "pause", "ps"}
    | {"restore", "resume", "run", "spec", "start", "state", "update"}
)
_CNI_DIRS = ("/cni/bin/", "/lib/cni/", "/libexec/cni/")
_SHIM_FLAGS_WITH_VALUE = frozenset(
    {"-namespace", "-address", "-id", "-bundle", "-publish-binary", "-socket", "-containerd-binary"}
)
_RUNC_FLAGS_WITH_VALUE = frozenset({"--log", "--log-format", "--root", "--criu", "--rootless", "--cgroup-manager"})


_CACHED = 1024
"""Traces have millions of processes, but few programs. More would be memory that a stranger fills with long argv."""


_new = tuple.__new__
"""Twice as fast as calling the class of a NamedTuple."""


class Name(NamedTuple):
    """What a process was at some moment."""

    comm: str
    program: Program | None
    own: bool
    """The program was exec'd by this process, or was there when the trace began; not just inherited at fork."""


def name_at(process: Process, at: int | None = None) -> Name:
    """What the process was at `at` (a place in the trace); now, or at its end, when None."""
    own = True
    while True:
        exec_at = process.exec_at
        if exec_at is None or at is None or exec_at <= at:
            # Without an exec of its own it runs what it was born with; older than the trace, that is its own.
            return _new(Name, (process.comm, process.program, own and (exec_at is not None or process.creator is None)))
        for earlier in reversed(process.past or ()):
            if earlier.at <= at:
                return Name(earlier.comm, earlier.program, own)
        if process.creator is None:
            return Name("", None, own)
        own, at, process = False, min(at, process.born_at), process.creator


class Roles:
    """The roles and names of one graph's processes."""

    def __init__(self, graph: ProcessGraph) -> None:
        self._started_shim = set(_starters_of_shims(graph))

    def role(self, process: Process, at: int | None = None) -> str | None:
        """The role at `at` (now, or at its end, when None): a constant above, `runc-<command>`, or None."""
        name = name_at(process, at)
        return _facts(name).role or self._role_by_place(process, at, name)

    def _role_by_place(self, process: Process, at: int | None, name: Name) -> str | None:
        """What its name does not tell."""
        stage = _stage_before(process, at) if name.own else None
        if stage == RUNC_EXEC:
            return EXEC
        if stage is not None or (name.own and _child_of_shim(process)):
            if stage is None and _came_later(process):
                # An orphan of the container comes to the shim only where both have one pid namespace.
                nested = process.parent is not None and process.ns.level > process.parent.ns.level
                return EXEC if nested else None
            return PAUSE if _is_pause(name) else CONTAINER
        if name.program is None and not name.comm and process in self._started_shim:
            return CONTAINERD  # older than the trace and nameless, but only containerd runs `shim start`
        return None

    def label(self, process: Process, at: int | None = None) -> str:
        """What people call it: `shim start`, `runc create`, else the program's name. Raw: clean it. Never empty."""
        return self.role_and_label(process, at)[1]

    def role_and_label(self, process: Process, at: int | None = None) -> tuple[str | None, str]:
        """Both, for the price of one."""
        name = name_at(process, at)
        facts = _facts(name)
        role = facts.role or self._role_by_place(process, at, name)
        if role is not None and (role in {SHIM_START, SHIM_DELETE} or role.startswith("runc-")):
            label = role.replace("-", " ", 1)
        elif process.outside and not process.comm:
            label = "init"
        else:
            label = facts.label or role or "?"
        return role, label


def _starters_of_shims(graph: ProcessGraph) -> Iterator[Process]:
    """Who ran `shim start`. A graph has millions of processes but few programs, and neighbours often run the same."""
    program = None
    is_shim = False
    for process in graph.processes:
        if process.program is not program:
            program = process.program
            is_shim = program is not None and _base(program.path).startswith("containerd-shim")
        if is_shim and process.creator is not None and _is_shim_start(process):
            yield process.creator


def is_helper(role_name: str | None) -> bool:
    """Short-lived, and of interest only as a step on the way: cni, `shim start`, the runc stages."""
    return role_name is not None and (role_name in HELPERS or role_name.startswith("runc"))


class _Facts(NamedTuple):
    """What a name alone tells."""

    program: Program | None
    """Kept, so that its address stays its own."""
    role: str | None
    label: str


_known: dict[tuple[int, str, bool], _Facts] = {}
"""By address of the program, comm and `own`: processes share their programs, and hashing a long argv takes a while."""


def _facts(name: Name) -> _Facts:
    comm, program, own = name
    key = id(program), comm, own
    facts = _known.get(key)
    if facts is None:
        if len(_known) >= _CACHED:
            _known.clear()
        facts = _known[key] = _Facts(program, _role_of_name(name), _display_name(name))
    return facts


def display_name(name: Name) -> str:
    """The program's whole file name where comm is just that, cut to 15 bytes by the kernel; else comm."""
    return _facts(name).label


def all_names(process: Process) -> set[str]:
    """What the process is or was called; its program's name too, as comm may be another (`tmux: server`)."""
    names = {process.comm, display_name(name_at(process)), *(earlier.comm for earlier in process.past or ())}
    if process.program is not None:
        names.add(_base(process.program.path))
    return names - {""}


def _display_name(name: Name) -> str:
    if name.program is None:
        return name.comm
    base = _base(name.program.path)
    if not name.comm:
        return base
    return base if _as_comm(base) == name.comm else name.comm


def _as_comm(base: str) -> str:
    """What the kernel makes of a file name: its first 15 bytes."""
    if base.isascii():
        return base[:_COMM_MAX]
    return base.encode(errors="replace")[:_COMM_MAX].decode(errors="ignore")


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _argv0(program: Program) -> str:
    return program.argv[0] if program.argv else ""


def _role_of_name(name: Name) -> str | None:
    """What program and arguments alone say."""
    program = name.program
    if name.comm.startswith("runc:["):
        return RUNC_INIT
    if program is None:
        return _role_of_comm(name.comm)
    base = _base(program.path)
    if any(part in program.path for part in _CNI_DIRS):
        return CNI
    if base.startswith("containerd-shim"):
        command = _command(program.argv, _SHIM_FLAGS_WITH_VALUE)
        if command in {"start", "delete"}:
            return f"shim-{command}"
        return SHIM if name.own else None
    itself = program.exe.startswith(("/proc/self/", "/dev/fd/"))
    if base in _RUNTIMES or (itself and _base(_argv0(program)) in _RUNTIMES):
        return _runc_role(program)
    return _BY_NAME.get(base) if name.own else None


def _role_of_comm(comm: str) -> str | None:
    """For processes older than the trace, whose program it does not name."""
    if comm.startswith("containerd-shim"):
        return SHIM
    return RUNC if comm in _RUNTIMES else _BY_NAME.get(comm)


def _runc_role(program: Program) -> str:
    command = _command(program.argv, _RUNC_FLAGS_WITH_VALUE)
    return f"{RUNC}-{command}" if command in _RUNC_COMMANDS else RUNC


def _command(argv: tuple[str, ...], with_value: frozenset[str]) -> str | None:
    """The first argument that is neither an option nor an option's value."""
    skip = False
    for arg in argv[1:]:
        if skip:
            skip = False
        elif arg.startswith("-"):
            skip = arg in with_value
        else:
            return arg
    return None


def _is_pause(name: Name) -> bool:
    program = name.program
    if program is None:
        return name.comm == "pause"
    return _base(program.exe) == "pause" or _base(_argv0(program)) == "pause"


def _child_of_shim(process: Process) -> bool:
    """Whether a shim was its parent when it exec'd what it runs: an orphan that comes to one later is no container."""
    parent = process.birth_parent
    for change in process.reparentings or ():
        if process.exec_at is None or change.at <= process.exec_at:
            parent = change.new
    return parent is not None and _is_shim(parent)


def _is_shim(process: Process) -> bool:
    """containerd's, or what podman and CRI-O have in its place."""
    return _facts(name_at(process)).role in {SHIM, "conmon"}


def _came_later(process: Process) -> bool:
    """Whether a shim older than the trace has an elder child in the same container: that is the main process."""
    shim, container = process.parent, cgroup.facts(process.cgroup).container_id
    if shim is None or process.creator is not None or not container:
        return False
    elder = (other for other in shim.children() if other.start_time < process.start_time)
    return any(cgroup.facts(other.cgroup).container_id == container for other in elder)


def _stage_before(process: Process, at: int | None) -> str | None:
    """RUNC_INIT for what a runc init stage became, RUNC_EXEC for what came into a running container; None: neither.

    The stage was the program before its first exec, or one since. crun has no stages.
    """
    if process.exec_at is None or process.creator is None:
        return None
    first_exec = process.past[0].at if process.past else process.exec_at
    if at is not None and first_exec > at:
        return None
    before = _facts(name_at(process.creator, process.born_at)).role
    if before == RUNC_EXEC:
        return RUNC_EXEC
    if before != RUNC_INIT and not any(
        _facts(Name(earlier.comm, earlier.program, own=True)).role == RUNC_INIT
        for earlier in process.past or ()
        if at is None or earlier.at <= at
    ):
        return None
    # The last stage is born beside the first one (CLONE_PARENT): a child of the `runc` that was called.
    parent = process.birth_parent
    called = None if parent is None else _facts(name_at(parent, process.born_at)).role
    return RUNC_EXEC if called == RUNC_EXEC else RUNC_INIT


def _is_shim_start(process: Process) -> bool:
    return _facts(name_at(process)).role == SHIM_START
