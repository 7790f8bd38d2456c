"""Which container a runtime's process works for, by its own command line. Pure text.

    containerd-shim-runc-v2 -namespace k8s.io -id ID -address SOCKET [start|delete]
    runc --root ROOT ... create --bundle BUNDLE ... ID          (crun, youki, runsc: the same)
    conmon ... -c ID -b BUNDLE -n NAME -r RUNTIME ...           (podman and CRI-O)

strace cuts long arguments (32 characters unless told otherwise): what was cut is known to be a beginning only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tracer.graph import Program

SHIM = "shim"
RUNTIME = "runtime"
MONITOR = "monitor"

_RUNTIMES = frozenset({"runc", "crun", "youki", "runsc"})
_WITH_CONTAINER = frozenset(
    {"checkpoint", "create", "delete", "events", "exec", "kill", "pause", "ps", "restore", "resume", "run", "start"}
    | {"state", "update"}
)
_FIRST_IS_ID = frozenset({"exec", "kill", "ps"})
"""Commands whose first argument is the id and others follow."""
_VALUED = frozenset(
    # Options of runc and its commands that take the next argument (runc 1.1, `runc help COMMAND`); crun has the same.
    {"--log", "--log-format", "--root", "--criu", "--rootless", "--cgroup-manager", "--bundle", "-b", "--pid-file"}
    | {"--console-socket", "--preserve-fds", "--process", "-p", "--cwd", "--env", "-e", "--user", "-u"}
    | {"--additional-gids", "-g", "--process-label", "--apparmor", "--cap", "-c", "--image-path", "--work-path"}
)
_CRI_NAME = re.compile(r"k8s_([^_]+)_([^_]+)_([^_]+)_([^_]+)_\d+", re.ASCII)
"""What dockershim and CRI-O call their containers: k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT, none of which has a `_`."""
_ID = re.compile(r"[\w+-][\w+.-]{0,1023}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{12,64}", re.ASCII)
_CACHED = 8192
"""Programs; a machine runs few of them, and often."""
FULL_ID = 64
"""Digits of an id that a container engine made."""


class Claim(NamedTuple):
    """What a command line says; '' where it says nothing."""

    kind: str
    """SHIM, RUNTIME or MONITOR."""
    id: str
    """The container's; of a shim, the first one's that it was started for: the pod's sandbox."""
    namespace: str = ""
    """containerd's: `k8s.io`, `moby`, `default`."""
    bundle: str = ""
    """Absolute path, as the process sees it."""
    name: str = ""
    """The container's name."""


class CriName(NamedTuple):
    """The parts of a k8s_... name."""

    container: str
    pod: str
    pod_namespace: str
    pod_uid: str


def is_runtime(filename: str) -> bool:
    """Whether a program of that name may claim to work for a container: quick, for every exec of a live trace."""
    return _kind(filename) is not None


def split_cri_name(text: str) -> CriName | None:
    """The parts of `k8s_app_web_default_5f978e57-..._0`; None for any other name. `POD` is the sandbox."""
    match = _CRI_NAME.fullmatch(text)
    return CriName(*match.groups()) if match else None


def is_id(text: str) -> bool:
    """Whether it can be a container's id (runc's validateID); safe as one part of a path."""
    return _ID.fullmatch(text) is not None


def is_engine_id(text: str) -> bool:
    """Whether an engine made it up (or it is the beginning of such an id), not somebody who typed it."""
    return _HEX.fullmatch(text) is not None


def claim(program: Program | None) -> Claim | None:
    """What the program's command line says, None where it is no container runtime's."""
    if program is None or len(program.argv) < 2:
        return None
    kind = _kind(program.path)
    return None if kind is None else _READERS[kind](program.argv)


@lru_cache(_CACHED)
def _kind(path: str) -> str | None:
    """SHIM, RUNTIME or MONITOR, by the program's file name alone."""
    base = _base(path)
    if base.startswith("containerd-shim"):
        return SHIM
    if base in _RUNTIMES:
        return RUNTIME
    return MONITOR if base == "conmon" else None


def _base(path: str) -> str:
    return path.removesuffix(" (deleted)").rpartition("/")[2]


def _shim(argv: tuple[str, ...]) -> Claim | None:
    values = _values(argv, ("-id", "-namespace", "-bundle"))
    container = values.get("-id", "")
    return Claim(SHIM, container, values.get("-namespace", ""), values.get("-bundle", "")) if container else None


def _monitor(argv: tuple[str, ...]) -> Claim | None:
    # What follows --exit-command-arg are the words of another command line.
    values = _values(argv, ("-c", "--cid", "-b", "--bundle", "-n", "--name"))
    container = values.get("-c", "") or values.get("--cid", "")
    bundle = values.get("-b", "") or values.get("--bundle", "")
    name = values.get("-n", "") or values.get("--name", "")
    return Claim(MONITOR, container, "", bundle, name) if container else None


def _values(argv: tuple[str, ...], names: tuple[str, ...]) -> dict[str, str]:
    """The first value of each option; Go's flag package takes one dash or two."""
    found: dict[str, str] = {}
    words = iter(argv[1:])
    for word in words:
        option, equals, value = word.partition("=")
        if option not in names and option.startswith("--") and option[1:] in names:
            option = option[1:]
        if word in {"--exit-command-arg", "--runtime-arg"}:
            next(words, None)
        elif option in names:
            found.setdefault(option, value if equals else next(words, ""))
    return found


def _runtime(argv: tuple[str, ...]) -> Claim | None:
    command = root = bundle = ""
    rest: list[str] = []
    words = iter(argv[1:])
    for word in words:
        option, equals, value = word.partition("=")
        if word.startswith("-") and word != "--" and not (command in _FIRST_IS_ID and rest):
            if option in _VALUED and not equals:
                value = next(words, "")
            if option == "--root":
                root = value
            elif option in {"--bundle", "-b"} and command:
                bundle = value
        elif not command:
            command = word
        else:
            rest.append(word)
    if command not in _WITH_CONTAINER or not rest:
        return None
    container = rest[0] if command in _FIRST_IS_ID else rest[-1]
    return Claim(RUNTIME, container, _namespace_of_root(root), bundle if bundle.startswith("/") else "")


def _namespace_of_root(root: str) -> str:
    """containerd gives runc a state folder for each namespace: /run/containerd/runc/k8s.io, .../runtime-runc/moby."""
    parent, _, last = root.rstrip("/").rpartition("/")
    return last if _base(parent) in {"runc", "runtime-runc"} else ""


_READERS = {SHIM: _shim, RUNTIME: _runtime, MONITOR: _monitor}
