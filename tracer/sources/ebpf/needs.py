"""What loading probes takes, whatever loads them: privileges, the sources' folder, and why the kernel refused."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from pathlib import Path

from tracer.errors import CapabilityError

RING_SIZE = 8 << 20
"""Bytes; about 60,000 events."""
TRACKED_MAX = 65536
"""Processes that can be tracked at once."""

TRACEPOINTS = {
    "sched_process_free": "on_free",
    "sched_process_exit": "on_exit",
    "sched_process_exec": "on_exec",
    "task_rename": "on_rename",
    "cgroup_attach_task": "on_cgroup",
    "sys_exit": "on_sys_exit",
    "task_newtask": "on_newtask",
}
"""Raw tracepoint -> program of probes/ctrace.bpf.c, in the order in which they are attached. Births come last: of whose
birth is recorded all the rest is, too, and who was born before is in /proc when that is read, if not gone by then."""

TURNS = {name: (f"{name}_2", f"{name}_3") for name in ("on_newtask", "on_exec", "on_exit", "on_rename")}
"""Program -> the same again, for kernels that leave out runs (handled() in probes/shared.h)."""

SYSTEM_CALLS = "on_sys_exit"
"""The program that runs for each system call of the machine, few of which matter."""

INITIAL_PID_NS = 0xEFFFFFFC
"""include/linux/proc_ns.h: the inode number of the machine's first pid namespace, since 3.8."""

_CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 21, 38, 39
_REFUSED = "Operation not permitted"


def probe_folder() -> Path:
    """Where the C sources and the compiled objects are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "_probes"
    return installed if installed.is_dir() else package.parent / "probes"


def check_privileges() -> None:
    """Raises CapabilityError unless this process may load tracing programs."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)

    def has(capability: int) -> bool:
        return bool(effective >> capability & 1)

    if not (has(_CAP_SYS_ADMIN) or (has(_CAP_BPF) and has(_CAP_PERFMON))):
        hint = "sudo " + " ".join(["ctrace", *sys.argv[1:]]) if os.geteuid() else "Give it CAP_BPF and CAP_PERFMON."
        raise CapabilityError("live tracing needs root, or the capabilities CAP_BPF and CAP_PERFMON", hint)


def check_namespace() -> None:
    """Raises CapabilityError in a pid namespace of our own: there /proc and getpid() have other numbers than events."""
    with contextlib.suppress(OSError):
        if Path("/proc/self/ns/pid").stat().st_ino != INITIAL_PID_NS:
            raise CapabilityError(
                "this is a pid namespace of its own, a container's: the kernel's events carry the machine's numbers",
                "Run it on the node itself, or with the host's pid namespace: docker run --pid=host, or hostPID: true",
            )


def package_command(by_distribution: dict[str, str]) -> str:
    """The command for this distribution, by its ID or family (debian, fedora, arch, suse); several if unknown."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    for name in [release.get("ID", ""), *release.get("ID_LIKE", "").split()]:
        for known, command in by_distribution.items():
            if known in {name, "fedora" if name in {"rhel", "centos", "rocky"} else name}:
                return command
    return f"{by_distribution['debian']} (Debian, Ubuntu), {by_distribution['fedora']} (Fedora, Rocky)"


def refusal(said: str) -> CapabilityError | None:
    """The reason, where the kernel refuses all such programs; `said` is what the loader got to hear."""
    lockdown = Path("/sys/kernel/security/lockdown")
    with contextlib.suppress(OSError):
        if "[confidentiality]" in lockdown.read_text():
            return CapabilityError(
                "the kernel is locked down (confidentiality mode) and refuses tracing programs",
                "Boot with lockdown=integrity, or switch Secure Boot off.",
            )
    if _REFUSED in said:
        return CapabilityError(
            f"the kernel refuses the bpf system call ({_REFUSED})",
            "In a container? Run it on the node itself, or as: docker run --privileged --pid=host ...",
        )
    return None
