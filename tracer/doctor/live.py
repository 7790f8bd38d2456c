"""What watching and recording need: rights, a kernel, and one loader for the probes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.doctor.ask import in_child
from tracer.doctor.machine import Machine
from tracer.doctor.report import PROBES, Check, Status, Trial

if TYPE_CHECKING:
    from tracer.errors import CapabilityError

DOCTOR = "sudo ctrace doctor"
_IMPORT_TIMEOUT = 20.0
"""Seconds; libbcc brings a whole LLVM, from a cold disk."""


_NOT_READ = {
    "CAP_SYS_PTRACE": "programs of other users",
    "CAP_DAC_READ_SEARCH": "names in runtimes' files",
}


def may_try(machine: Machine) -> bool:
    """Whether the probes are worth a try: this user is root, or has the capabilities."""
    return machine.is_root or _may_load(machine)


def _may_load(machine: Machine) -> bool:
    has = machine.capabilities
    return "CAP_SYS_ADMIN" in has or {"CAP_BPF", "CAP_PERFMON"} <= has


def rights(machine: Machine) -> Check:
    """Capabilities: two to load the probes, more to read what belongs to others."""
    name, title = "capabilities", "rights"
    has = sorted(machine.capabilities - {"CAP_KILL", "CAP_SYS_RESOURCE"})
    who = "root" if machine.is_root else "not root"
    if not machine.status("CapEff"):
        return Check(name, title, Status.UNKNOWN, f"{who}; /proc does not tell the capabilities")
    said = f"{who}; effective: {', '.join(has) or 'none that matter'}"
    if machine.initial_namespace("user") is False:
        return Check(
            name,
            title,
            Status.MISSING,
            f"{who} of a user namespace only",
            loss="the kernel takes tracing programs only from the machine's own root",
            advice="run it as the machine's root, outside of rootless containers",
        )
    if not _may_load(machine):
        lacking = "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN"
        loss = f"the probes cannot be loaded: that takes {lacking}"
        if not machine.is_root:
            return Check(name, title, Status.LIMITED, said, loss, mend=DOCTOR)
        return Check(name, title, Status.MISSING, said, loss, advice=f"give the container {lacking}")
    lacks = machine.lacks_for_reading
    if lacks:
        return Check(
            name,
            title,
            Status.LIMITED,
            f"{said}; missing: {', '.join(lacks)}",
            loss=f"{' and '.join(_NOT_READ[capability] for capability in lacks)} cannot be read",
            mend="" if machine.is_root else DOCTOR,
            advice=f"give the container {' and '.join(lacks)}" if machine.is_root else "",
        )
    return Check(name, title, Status.OK, said)


def namespace(machine: Machine) -> Check:
    """The probes' numbers are those of the first pid namespace; /proc must have the same."""
    name, title = "live-pid-namespace", "pid namespace"
    initial = machine.initial_namespace("pid")
    if initial is None:
        return Check(name, title, Status.UNKNOWN, "/proc does not tell")
    if initial:
        return Check(name, title, Status.OK, "the machine's own")
    return Check(
        name,
        title,
        Status.MISSING,
        "a container's",
        loss="the kernel's events carry the machine's numbers, /proc shows others",
        advice="run it on the node itself, or in a container with the host's pid namespace (--pid=host, hostPID: true)",
    )


def kernel(machine: Machine, *, works: bool) -> Check:
    """BPF ring buffers came with 5.8; some distributions have them in older ones."""
    numbers = re.match(r"[0-9.]+", machine.release)
    said = f"Linux {numbers[0].rstrip('.') if numbers else machine.release}"
    if machine.version >= (5, 8) or works:
        return Check("kernel", "kernel", Status.OK, said)
    loss = "the probes need the ring buffer of Linux 5.8"
    return Check("kernel", "kernel", Status.MISSING, said, loss, advice="boot Linux 5.8 or later")


def lockdown(machine: Machine) -> Check:
    """security/lockdown/lockdown.c: confidentiality forbids programs that read the kernel's memory."""
    name = title = "lockdown"
    text = machine.text("/sys/kernel/security/lockdown")
    if text is None:
        if machine.names("/sys/kernel/security") or "securityfs" not in (machine.text("/proc/filesystems") or ""):
            return Check(name, title, Status.OK, "this kernel has none")
        mount = machine.as_root("mount -t securityfs securityfs /sys/kernel/security")
        return Check(name, title, Status.UNKNOWN, "securityfs is not mounted: the trial will show", mend=mount)
    mode = text.partition("[")[2].partition("]")[0]
    if mode == "confidentiality":
        return Check(
            name,
            title,
            Status.MISSING,
            mode,
            loss="the kernel refuses tracing programs",
            advice="boot with lockdown=integrity, or switch Secure Boot off",
        )
    return Check(name, title, Status.OK, mode or "none")


def btf(machine: Machine) -> Check:
    """The kernel's own types: both loaders take every offset from there."""
    name, title = "btf", "BTF"
    path = machine.path("/sys/kernel/btf/vmlinux")
    loss = "nobody can say where this kernel's fields are"
    advice = "boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as all larger distributions have it"
    if not path.exists():
        return Check(name, title, Status.MISSING, "no /sys/kernel/btf/vmlinux", loss, advice=advice)
    with path.open("rb") as file:
        magic = file.read(2)
    if magic not in (b"\x9f\xeb", b"\xeb\x9f"):
        return Check(name, title, Status.MISSING, "/sys/kernel/btf/vmlinux is none", loss, advice=advice)
    return Check(name, title, Status.OK, f"/sys/kernel/btf/vmlinux, {path.stat().st_size / 1e6:.1f} MB")


def memlock(machine: Machine) -> Check:
    """Since 5.11 maps are charged to the memory cgroup and not to RLIMIT_MEMLOCK."""
    name = title = "memlock"
    if machine.version >= (5, 11):
        return Check(name, title, Status.OK, "not asked since Linux 5.11")
    line = next((x for x in machine.lines("/proc/self/limits") if x.startswith("Max locked")), "")
    fields = line.removeprefix("Max locked memory").split()
    hard = fields[1] if len(fields) > 1 else ""
    if "CAP_SYS_RESOURCE" in machine.capabilities or hard == "unlimited":
        return Check(name, title, Status.OK, "can be raised")
    loss = "the probes' maps count as locked memory before Linux 5.11, and may not fit"
    return Check(name, title, Status.LIMITED, f"{hard or '?'} bytes", loss, mend="ulimit -l unlimited")


def tracefs(machine: Machine) -> Check:
    """Not needed; people ask, since most tracers need it."""
    mounts = [line.split(" ")[1:3] for line in machine.lines("/proc/self/mounts")]
    at = [fields[0] for fields in mounts if fields[1:] == ["tracefs"]]
    return Check("tracefs", "tracefs", Status.OK, at[0] if at else "not mounted, and not needed: raw tracepoints only")


# ---- loaders ----


def core(machine: Machine, works: Sequence[str]) -> Check:
    """The compiled probes, and libbpf that loads them."""
    from tracer.errors import CapabilityError
    from tracer.sources.ebpf.core import object_path

    name, title = "core", "CO-RE, libbpf"
    try:
        path = object_path()
        library = in_child(_libbpf, _IMPORT_TIMEOUT)
    except CapabilityError as error:
        return _loader_missing(machine, name, title, error, works, "bcc")
    if isinstance(library, list):
        lacking = CapabilityError(*library)
        return _loader_missing(machine, name, title, lacking, works, "bcc")
    return Check(name, title, Status.OK, f"{library}, {path.name} ({path.stat().st_size // 1024} KB)")


def _libbpf() -> str | list[str]:
    """Where it is; or what to do about it: message and hint."""
    from tracer.errors import CapabilityError
    from tracer.sources.ebpf.libbpf import Libbpf

    try:
        found = Libbpf()
        return f"{found.path} ({_libbpf_version(found)})"
    except CapabilityError as error:
        return [error.message, error.hint]


def _libbpf_version(library: object) -> str:
    import ctypes

    try:
        function = library.libbpf_version_string  # type: ignore[attr-defined]
    except AttributeError:
        return "before 0.6"
    function.restype = ctypes.c_char_p
    version: bytes = function()
    return version.decode("ascii", "replace").removeprefix("v")


def bcc(machine: Machine, works: Sequence[str]) -> Check:
    """The distribution's bcc."""
    from tracer.errors import CapabilityError

    found = in_child(_bcc, _IMPORT_TIMEOUT)
    if isinstance(found, list):
        return _loader_missing(machine, "bcc", "bcc", CapabilityError(*found), works, "core")
    return Check("bcc", "bcc", Status.OK, found)


def _bcc() -> str | list[str]:
    from tracer.errors import CapabilityError
    from tracer.sources.ebpf.bcc import import_bcc

    try:
        module = import_bcc()
    except CapabilityError as error:
        return [error.message, error.hint]
    version = getattr(module, "__version__", "")
    return f"{version or 'of an unknown version'}, {Path(str(module.__file__)).parent}"


def headers(machine: Machine, works: Sequence[str]) -> Check:
    """For bcc only; any kernel's will do."""
    from tracer.errors import CapabilityError
    from tracer.sources.ebpf.bcc import kernel_headers

    try:
        source, _ = kernel_headers()
    except CapabilityError as error:
        return _loader_missing(machine, "headers", "kernel headers", error, works, "core")
    return Check("headers", "kernel headers", Status.OK, source or "this kernel's")


def _loader_missing(
    machine: Machine, name: str, title: str, error: CapabilityError, works: Sequence[str], other: str
) -> Check:
    """Something that one loader takes is not there: how bad that is depends on the other one."""
    if other in works:
        if other == "core":
            return Check(name, title, Status.OK, "not there, and not needed: libbpf loads the probes")
        loss = "bcc loads the probes: it compiles them first, at each start"
    else:
        loss = "libbpf cannot load the probes" if name == "core" else "bcc cannot load the probes"
    return Check(name, title, Status.LIMITED, error.message, loss, *machine.mending(error.hint))


# ---- the proof ----


def probes(machine: Machine, trials: Sequence[Trial]) -> list[Check]:
    """What decides: a fork of our own was seen, or it was not. One for each loader that was tried."""
    if not trials:
        return [Check(PROBES, "trial", Status.UNKNOWN, "not tried: that takes root", mend=DOCTOR)]
    works = any(trial.works for trial in trials)
    return [_proof(machine, trial, works) for trial in trials]


def _proof(machine: Machine, trial: Trial, works: bool) -> Check:
    title = {"core": "trial by CO-RE", "bcc": "trial by bcc"}.get(trial.loader, "trial")
    if not trial.works:
        status = Status.LIMITED if works else Status.MISSING
        loss = f"--loader {trial.loader} does not work" if works else "watch and record do not work"
        return Check(PROBES, title, status, trial.error, loss, *machine.mending(trial.hint))
    found = (
        f"a fork traced: loaded in {trial.load_ms:.0f} ms, first state after {trial.start_ms:.0f} ms more, "
        f"birth and end of the child {trial.event_ms:.0f} ms after the fork"
    )
    return Check(PROBES, title, Status.OK, found + (", taken automatically" if trial.automatic else ""))
