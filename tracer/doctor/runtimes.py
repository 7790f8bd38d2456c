"""Which container runtimes are here, whether they run and answer, and whether what they know can be read."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from dataclasses import dataclass

from tracer.doctor.ask import NoAnswer, find_program, run
from tracer.doctor.machine import Machine
from tracer.doctor.report import Check, Status
from tracer.runtime.oci import STORAGE_FOLDERS, TASK_FOLDERS

_CONNECT = 1.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where a runtime is found."""

    name: str
    title: str
    daemon: str
    """Its program and the comm of its process."""
    sockets: tuple[str, ...]
    folders: tuple[str, ...]
    """Where what ctrace reads for names is."""
    service: bool = True
    """There is a daemon that ought to run."""


RUNTIMES = (
    Runtime(
        "containerd",
        "containerd",
        "containerd",
        (
            "/run/containerd/containerd.sock",
            "/run/k3s/containerd/containerd.sock",
            "/run/docker/containerd/containerd.sock",
            "/var/snap/microk8s/common/run/containerd.sock",
        ),
        TASK_FOLDERS,
    ),
    Runtime("cri-o", "CRI-O", "crio", ("/run/crio/crio.sock",), STORAGE_FOLDERS),
    Runtime("docker", "Docker", "dockerd", ("/run/docker.sock",), ("/var/lib/docker/containers",)),
    Runtime("podman", "podman", "podman", ("/run/podman/podman.sock",), STORAGE_FOLDERS, service=False),
)


def runtimes(machine: Machine) -> list[Check]:
    """A check for each that is here, and one for all that are not."""
    running = _running(machine)
    found, absent = [], []
    for runtime in RUNTIMES:
        check = _look(machine, runtime, running)
        if check is None:
            absent.append(runtime.title)
        else:
            found.append(check)
    if absent:
        said = f"no {', no '.join(absent)}"
        found.append(Check("other-runtimes", "other runtimes" if found else "runtimes", Status.OK, said))
    return found


def _running(machine: Machine) -> dict[str, int]:
    """comm -> pid of the oldest process called so."""
    wanted = {runtime.daemon for runtime in RUNTIMES}
    found: dict[str, int] = {}
    for pid in sorted(int(name) for name in machine.names("/proc") if name.isdigit()):
        comm = (machine.text(f"/proc/{pid}/comm") or "").rstrip("\n")
        if comm in wanted:
            found.setdefault(comm, pid)
    return found


def _look(machine: Machine, runtime: Runtime, running: dict[str, int]) -> Check | None:
    program = find_program(runtime.daemon)
    pid = running.get(runtime.daemon) if runtime.service else None
    sockets = [path for path in runtime.sockets if _is_socket(machine, path)]
    if program is None and pid is None and not sockets:
        return None
    said = [_version(program)] if program else []
    if pid is not None:
        said.append(f"running ({pid})")
    elif runtime.service:
        said.append("not running")
    if sockets:
        answers = [path for path in sockets if _answers(machine, path)]
        said.append(f"{(answers or sockets)[0]} {'answers' if answers else 'does not answer'}")
    if any(_closed(machine, path) for path in runtime.folders):
        return Check(
            runtime.name,
            runtime.title,
            Status.LIMITED,
            ", ".join(filter(None, said)),
            loss="its files are for root: containers have ids, and names only where a command line tells",
            mend="sudo ctrace tree" if not machine.is_root else "",
        )
    return Check(runtime.name, runtime.title, Status.OK, ", ".join(filter(None, said)))


def _version(program: str) -> str:
    """Its version; why that is not known."""
    try:
        found = re.search(r"\bv?(\d+\.\d+[\w.+~-]{0,40})", run(program, "--version"))
    except NoAnswer as error:
        return str(error)
    return found[1].rstrip(".") if found else "of an unknown version"


def _is_socket(machine: Machine, path: str) -> bool:
    with contextlib.suppress(OSError):
        return machine.path(path).is_socket()
    return False


def _answers(machine: Machine, path: str) -> bool:
    """Somebody accepts connections there. Nothing is sent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as ours:
        ours.settimeout(_CONNECT)
        try:
            ours.connect(str(machine.path(path)))
        except OSError:
            return False
    return True


def _closed(machine: Machine, path: str) -> bool:
    """It is there, or may be there, and we cannot look."""
    try:
        os.listdir(machine.path(path))  # noqa: PTH208  access(2) asks for the real user
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
