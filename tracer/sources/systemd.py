"""What systemd says of a unit: `systemctl show`, without a shell and within a few seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NamedTuple

from tracer.errors import CapabilityError, TargetError

_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "MainPID",
    "ControlGroup",
    "KillMode",
    "KillSignal",
    "SendSIGKILL",
    "Delegate",
    "TimeoutStopUSec",
    "Restart",
    "RequiredBy",
    "BoundBy",
    "ConsistsOf",
)
_TIMEOUT = 5.0
_MAX = 1 << 20


class Unit(NamedTuple):
    """A unit as systemd has it; '' for what it does not say."""

    name: str
    active: bool
    main_pid: int
    """0 for none."""
    control_group: str
    """Path of its cgroup; '' while it has none."""
    kill_mode: str
    """`control-group`, `mixed`, `process`, `none`; '' for units that run nothing (targets)."""
    send_sigkill: bool
    delegate: bool
    timeout: str
    """How long a stop may take before SIGKILL, as systemd writes it: `1min 30s`, `infinity`."""
    restart: str
    stopped_with_it: tuple[str, ...]
    """Units that systemd stops when this one is stopped: they require it, are bound to it, or part of it."""


def read_unit(name: str) -> Unit:
    """Ask about one unit; without a suffix it is a service.

    Raises CapabilityError where systemd does not run or answer, TargetError where there is no such unit.
    """
    if name.startswith("-") or "\0" in name or "/" in name:
        raise TargetError(f"{name} is no name of a unit", "systemctl list-units")
    if "." not in name:
        name += ".service"
    found = _show(name)
    if not found:
        raise CapabilityError("systemctl tells nothing here: in a chroot it asks nobody", _HINT)
    if found.get("LoadState") == "not-found":
        raise TargetError(f"systemd has no unit {name}", "systemctl list-units --type=service")
    together = " ".join(found.get(key, "") for key in ("RequiredBy", "BoundBy", "ConsistsOf"))
    return Unit(
        name=found.get("Id") or name,
        active=found.get("ActiveState") in {"active", "activating", "reloading", "deactivating"},
        main_pid=_number(found.get("MainPID", "")),
        control_group=found.get("ControlGroup", ""),
        kill_mode=found.get("KillMode", ""),
        send_sigkill=found.get("SendSIGKILL", "yes") == "yes",
        delegate=found.get("Delegate", "no") == "yes",
        timeout=found.get("TimeoutStopUSec", ""),
        restart=found.get("Restart", ""),
        stopped_with_it=tuple(dict.fromkeys(map(_unquoted, together.split()))),
    )


def _show(name: str) -> dict[str, str]:
    program = shutil.which("systemctl", path=_PATH)
    if program is None:
        raise CapabilityError("systemctl is not installed: no systemd here to ask", _HINT)
    command = [program, "show", "--no-pager", f"--property={','.join(_PROPERTIES)}", "--", name]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
            env=_environment(),
        )
    except subprocess.TimeoutExpired:
        raise CapabilityError(
            f"systemd did not answer within {_TIMEOUT:.0f} s", "systemctl is-system-running"
        ) from None
    except OSError as error:
        raise CapabilityError(f"cannot run {program}: {error.strerror}", _HINT) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CapabilityError(f"systemctl: {said[0] if said else f'exit code {done.returncode}'}", _HINT)
    text = done.stdout[:_MAX].decode("utf-8", "surrogateescape")
    return dict(line.partition("=")[::2] for line in text.split("\n") if "=" in line)


_HINT = "`--kill-mode process` (or control-group, mixed) says it instead."


def _environment() -> dict[str, str]:
    """Nothing of the caller's but what says where systemd is."""
    kept = {"SYSTEMD_IGNORE_CHROOT", *(() if os.geteuid() == 0 else ("DBUS_SYSTEM_BUS_ADDRESS",))}
    return {"PATH": _PATH, "LC_ALL": "C", **{key: os.environ[key] for key in kept & os.environ.keys()}}


def _unquoted(name: str) -> str:
    """Names with a backslash come quoted."""
    return name[1:-1].replace("\\\\", "\\") if name.startswith('"') else name


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
