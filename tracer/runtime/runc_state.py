"""The state folders of runc and crun: which process is the first one of which container.

They name containers that no cgroup path tells (`runc run` and `ctr run` put a container wherever they are told).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.runtime.files import list_folder, read_object

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAT = ("/run/runc", "/run/crun")
_BY_NAMESPACE = ("/run/containerd/runc", "/run/docker/runtime-runc", "/run/k3s/containerd/runc")
_MAX_CONTAINERS = 2000


class State(NamedTuple):
    """A container as its runtime noted it."""

    id: str
    namespace: str
    """containerd's; '' for a container that runc was asked for directly."""
    init: int
    """tgid of its first process, as the runtime numbers it."""
    init_start: int
    """Field 22 of /proc/PID/stat, in clock ticks; 0 where not noted."""
    bundle: str
    runtime: str


def read_states(root: str = "/") -> Iterator[State]:
    """Every container in the usual folders. `root` as for files.read_object."""
    left = _MAX_CONTAINERS
    for folder, namespace in _folders(root):
        for name in list_folder(folder, root, left):
            left -= 1
            state = _runc(read_object(f"{folder}/{name}/state.json", root), namespace)
            state = state or _crun(name, read_object(f"{folder}/{name}/status", root))
            if state is not None:
                yield state


def _folders(root: str) -> Iterator[tuple[str, str]]:
    for folder in _FLAT:
        yield folder, ""
    for folder in _BY_NAMESPACE:
        for namespace in list_folder(folder, root, 100):
            yield f"{folder}/{namespace}", namespace


def _runc(state: dict[str, Any], namespace: str) -> State | None:
    """libcontainer's State, as JSON (runc 1.1)."""
    name, init, start = state.get("id"), state.get("init_process_pid"), state.get("init_process_start")
    if not isinstance(name, str) or not isinstance(init, int):
        return None
    config = state.get("config")
    labels = config.get("labels") if isinstance(config, dict) else None
    labels = labels if isinstance(labels, list) else []
    bundle = next((text[7:] for text in labels if isinstance(text, str) and text.startswith("bundle=")), "")
    return State(name, namespace, init, start if isinstance(start, int) else 0, bundle, "runc")


def _crun(name: str, status: dict[str, Any]) -> State | None:
    """crun's libcrun_container_status_s, as JSON (crun 1.8)."""
    init, start, bundle = status.get("pid"), status.get("process-start-time"), status.get("bundle")
    if not isinstance(init, int):
        return None
    started = start if isinstance(start, int) else 0
    return State(name, "", init, started, bundle if isinstance(bundle, str) else "", "crun")
