"""What a look at this machine's processes needs."""

from __future__ import annotations

from tracer.doctor.ask import NoAnswer, find_program, run
from tracer.doctor.machine import Machine
from tracer.doctor.report import Check, Status


def proc(machine: Machine) -> Check:
    """/proc is there, and shows the processes of others."""
    if machine.text("/proc/self/stat") is None:
        return Check(
            "proc",
            "/proc",
            Status.MISSING,
            "not mounted",
            loss="nothing is known of any process",
            mend=machine.as_root("mount -t proc proc /proc"),
        )
    hidden = _hidepid(machine)
    if hidden in ("", "0", "off") or "CAP_SYS_PTRACE" in machine.capabilities:
        return Check("proc", "/proc", Status.OK, f"hidepid={hidden}" if hidden else "shows every process")
    loss = "other users' processes have no command line" if hidden in ("1", "noaccess") else "only your own processes"
    return Check("proc", "/proc", Status.LIMITED, f"hidepid={hidden}", loss, mend="sudo ctrace tree")


def _hidepid(machine: Machine) -> str:
    """The option of the mount at /proc, the last one there; '' for none."""
    found = ""
    for line in machine.lines("/proc/self/mountinfo"):
        fields = line.split(" ")
        if len(fields) > 5 and fields[4] == "/proc":
            options = ",".join([fields[5], fields[-1]]).split(",")
            found = next((o.partition("=")[2] for o in options if o.startswith("hidepid=")), "")
    return found


def namespace(machine: Machine) -> Check:
    """The pid namespace that we are in, which is what /proc shows."""
    title = "pid namespace"
    initial = machine.initial_namespace("pid")
    if initial is None:
        return Check("pid-namespace", title, Status.UNKNOWN, "/proc does not tell")
    if initial:
        return Check("pid-namespace", title, Status.OK, "the machine's own")
    return Check(
        "pid-namespace",
        title,
        Status.LIMITED,
        "a container's",
        loss="only this container's processes are there",
        advice="run it on the node itself, or in a container with the host's pid namespace (--pid=host, hostPID: true)",
    )


_NOT_READ = {
    "CAP_SYS_PTRACE": "no programs of other users",
    "CAP_DAC_READ_SEARCH": "containers are shown by id where no command line has their name",
}


def root(machine: Machine) -> Check:
    """What only root can read."""
    if not machine.status("CapEff"):
        return Check("read-all", "rights", Status.UNKNOWN, "/proc does not tell the capabilities")
    lacks = machine.lacks_for_reading
    if not lacks:
        return Check("read-all", "rights", Status.OK, "may read every process and every runtime's files")
    return Check(
        "read-all",
        "rights",
        Status.LIMITED,
        "not root" if not machine.is_root else f"root without {' and '.join(lacks)}",
        loss="; ".join(_NOT_READ[capability] for capability in reversed(lacks)),
        mend="sudo ctrace tree" if not machine.is_root else "",
        advice="" if not machine.is_root else f"give the container {' and '.join(lacks)}",
    )


def cgroups(machine: Machine) -> Check:
    """Which version: containers and units are told by their cgroups."""
    mounts = [line.split(" ") for line in machine.lines("/proc/self/mounts")]
    at = {fields[1]: (fields[2], fields[3]) for fields in mounts if len(fields) > 3}
    v2 = any(kind == "cgroup2" for kind, _ in at.values())
    v1 = sum(kind == "cgroup" for kind, _ in at.values())
    if at.get("/sys/fs/cgroup", ("", ""))[0] == "cgroup2":
        return Check("cgroup", "cgroups", Status.OK, "version 2")
    if v1:
        return Check("cgroup", "cgroups", Status.OK, f"version 1{' and 2 (hybrid)' if v2 else ''}")
    if not mounts:
        return Check("cgroup", "cgroups", Status.UNKNOWN, "/proc does not tell")
    if machine.text("/proc/self/cgroup"):
        # Paths are in /proc/PID/cgroup all the same.
        return Check("cgroup", "cgroups", Status.OK, "not mounted here, and not needed: /proc has the paths")
    return Check(
        "cgroup", "cgroups", Status.LIMITED, "none", "containers and units are not recognised", advice=_NO_CGROUPS
    )


_NO_CGROUPS = "boot a kernel with CONFIG_CGROUPS"


def systemd(machine: Machine) -> Check:
    """Is it here, and does it answer? As sd_booted(3) sees it."""
    loss = "whatif stop UNIT cannot ask for the unit's KillMode"
    mend = "ctrace whatif stop UNIT --kill-mode process"
    if not machine.path("/run/systemd/system").is_dir():
        return Check("systemd", "systemd", Status.LIMITED, "not the init here", loss, mend)
    program = find_program("systemctl")
    if program is None:
        return Check("systemd", "systemd", Status.LIMITED, "runs, but there is no systemctl", loss, mend)
    try:
        said = run(program, "show", "--property=Version", "--value", "--no-pager").strip()
    except NoAnswer as error:
        return Check("systemd", "systemd", Status.LIMITED, str(error), loss, mend)
    return Check("systemd", "systemd", Status.OK, said or "answers")
