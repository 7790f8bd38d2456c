"""What a cgroup path tells: the container, the pod, the systemd unit. Pure text; nothing is opened.

Layouts (v1 and v2 alike; an outer prefix, such as that of a container that holds a whole node, is passed over):

kubelet, systemd driver    kubepods.slice/kubepods-burstable.slice/...-podUID.slice/cri-containerd-ID.scope
kubelet, cgroupfs driver   kubepods/burstable/podUID/ID
both mixed up              system.slice/containerd.service/kubepods-burstable-podUID.slice:cri-containerd:ID
docker                     system.slice/docker-ID.scope, docker/ID
CRI-O                      .../crio-ID.scope[/container], crio-conmon-ID.scope for the monitor
podman                     machine.slice/libpod-ID.scope[/container], libpod_parent/libpod-ID, libpod-conmon-ID.scope
runc by hand, systemd      runc-ID.scope
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

RUNTIME_OF_PREFIX = {
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "docker": "docker",
    "crio": "cri-o",
    "libpod": "podman",
    "runc": "runc",
    "crun": "crun",
}
"""The prefix in `PREFIX-ID.scope` -> the runtime that names its scopes so."""

_PREFIXES = "|".join(RUNTIME_OF_PREFIX)
_HEX_ID = "[0-9a-f]{64}"
_SCOPE = re.compile(rf"(?P<prefix>{_PREFIXES})-(?P<conmon>conmon-)?(?P<id>{_HEX_ID})(?:\.scope)?", re.ASCII)
# A runc container's id is whatever its user chose (runc's validateID).
_RUNC_SCOPE = re.compile(r"(?P<prefix>runc|crun)-(?P<conmon>(?!))?(?P<id>[\w+.-]{1,1024})\.scope", re.ASCII)
_COLONS = re.compile(rf"[^:]*:(?P<prefix>[\w.-]*):(?P<id>{_HEX_ID})", re.ASCII)
_BARE_ID = re.compile(_HEX_ID, re.ASCII)
_POD = re.compile(
    r"(?:.*-)?pod(?P<uid>[0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12})(?:\.slice(?::.*)?)?", re.ASCII
)
_LONG_HEX = re.compile(r"([0-9a-f]{12})[0-9a-f]{20,}", re.ASCII)
_UID = re.compile(r"([0-9a-f]{8})(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}", re.ASCII)
_CACHED = 4096
_UNIT_TYPES = (".service", ".scope", ".socket", ".mount", ".swap")


class CgroupFacts(NamedTuple):
    """What a path says; '' where it says nothing."""

    container_id: str = ""
    """The innermost container's."""
    runtime: str = ""
    """`containerd`, `docker`, `cri-o`, `podman`, `runc`, `crun`; '' where the layout does not tell."""
    monitor: bool = False
    """It is the cgroup of the container's conmon, not of the container."""
    pod_uid: str = ""
    """With dashes, as Kubernetes writes it."""
    outer_id: str = ""
    """The container around the innermost one, such as a whole node in a container; '' for none."""
    container_depth: int = 0
    """So many leading components make the container's own cgroup; what is deeper the container made itself."""


_NOTHING = CgroupFacts()


class Unit(NamedTuple):
    """A systemd unit as the path names it; '' for what is not there."""

    name: str = ""
    """The system manager's: `containerd.service`, `session-3.scope`, `user@1000.service`."""
    user: str = ""
    """A user manager's: `app-org.gnome.Terminal.slice` holds it, `vte-spawn-1.scope` it is."""
    slice: str = ""
    """The innermost slice of the system manager: `system.slice`, `user-1000.slice`."""

    def __str__(self) -> str:
        return f"{self.name} › {self.user}" if self.user else self.name or self.slice


def components(path: str) -> list[str]:
    """The parts of a path, without empty and `..` ones (those stand for what a cgroup namespace hides)."""
    return [part for part in path.split("/") if part not in {"", "..", "."}]


@lru_cache(_CACHED)
def facts(path: str) -> CgroupFacts:
    """Container and pod."""
    found = _NOTHING
    pod_uid = ""
    for depth, part in enumerate(components(path), 1):
        pod = _POD.fullmatch(part)
        if pod:
            pod_uid = pod_uid_text(pod["uid"])
        inner = _container(part, pod_uid)
        if inner is not None:
            found = inner._replace(container_depth=depth, outer_id=found.container_id)
    return found._replace(pod_uid=pod_uid) if pod_uid and not found.container_id else found


def pod_uid_text(text: str) -> str:
    """`5f978e57-133a-...` for `5f978e57_133a_...`; static pods' are 32 digits without dashes, and stay so."""
    return text.replace("_", "-")


def _container(part: str, pod_uid: str) -> CgroupFacts | None:
    match = _SCOPE.fullmatch(part) or _RUNC_SCOPE.fullmatch(part)
    if match:
        return CgroupFacts(match["id"], RUNTIME_OF_PREFIX[match["prefix"]], match["conmon"] is not None, pod_uid)
    match = _COLONS.fullmatch(part)
    if match:
        return CgroupFacts(match["id"], RUNTIME_OF_PREFIX.get(match["prefix"], ""), False, pod_uid)
    return CgroupFacts(part, "", False, pod_uid) if _BARE_ID.fullmatch(part) else None


@lru_cache(_CACHED)
def unit(path: str) -> Unit:
    """The systemd unit (systemd's cg_path_get_unit and cg_path_get_user_unit, from the first slice or unit on)."""
    parts = [part.removeprefix("_") for part in components(path)]  # cg_escape: `_` before what could be a kernel file
    start = next((i for i, part in enumerate(parts) if part.endswith(".slice") or _is_unit(part)), None)
    if start is None:
        return Unit()
    name = slice_ = user = ""
    for i, part in enumerate(parts[start:], start):
        if part.endswith(".slice"):
            slice_ = part
        elif _is_unit(part):
            name = part
            if part.startswith("user@"):
                user = next((deeper for deeper in parts[i + 1 :] if _is_unit(deeper)), "")
            break
        else:
            break
    return Unit(name, user, slice_)


def group(path: str) -> str:
    """The cgroup that a process is counted to: its container's own, else its unit's, else the path itself."""
    parts = components(path)
    depth = facts(path).container_depth
    if not depth:
        named = unit(path)
        name = named.user or named.name
        depth = parts.index(name) + 1 if name in parts else len(parts)
    return "/" + "/".join(parts[:depth])


def short_name(path: str) -> str:
    """The last part, with long ids cut: `cri-containerd-c8b394369634….scope`; `/` for the root."""
    parts = components(path)
    return short_ids(parts[-1]) if parts else "/"


def short_ids(text: str) -> str:
    """Every run of 32 or more hexadecimal digits, and every pod's uid, cut after 12 and 8."""
    return _UID.sub(r"\1…", _LONG_HEX.sub(r"\1…", text))


def _is_unit(part: str) -> bool:
    return part.endswith(_UNIT_TYPES) and not part.startswith(".")
