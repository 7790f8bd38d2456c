"""What a kubelet says to containerd: pods and containers over the CRI (runtime.v1), by a unix socket.

Field numbers are those of k8s.io/cri-api/pkg/apis/runtime/v1/api.proto. Pods use the host's network, so no CNI
plugin is needed. Errors are grpc.RpcError with containerd's own message.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Self

import grpc

from tests.node import images
from tests.node.protobuf import Value, decode, encode, messages, number, text

if TYPE_CHECKING:
    from pathlib import Path

_SERVICE = "/runtime.v1.RuntimeService/"


class PidMode(IntEnum):
    """NamespaceMode of the API. POD is Kubernetes' shareProcessNamespace: pause is PID 1 for all containers."""

    POD = 0
    CONTAINER = 1
    NODE = 2


class State(IntEnum):
    """ContainerState of the API."""

    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Pod:
    """A sandbox that `run_pod` started."""

    id: str
    name: str
    namespace: str
    pid_mode: PidMode
    config: bytes = field(repr=False)
    """PodSandboxConfig, needed again for each container."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as ContainerStatus tells it. `exit_code` counts only once `state` is EXITED."""

    id: str
    name: str
    state: State
    exit_code: int
    pid: int
    """As containerd numbers it; 0 when it does not run."""


class Cri:
    """A connection. Pids in the answers are those of the pid namespace in which containerd runs."""

    def __init__(
        self, socket: Path, *, cgroup_root: str = "", systemd_cgroup: bool = False, timeout: float = 60
    ) -> None:
        """Pods go where a kubelet puts them: `cgroup_root`/kubepods/besteffort/podUID, or into systemd's slices."""
        self.socket = socket
        self.cgroup_root = cgroup_root
        self.systemd_cgroup = systemd_cgroup
        self.timeout = timeout
        self._channel = grpc.insecure_channel(f"unix:{socket}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def call(self, method: str, fields: dict[int, Value], timeout: float | None = None) -> dict[int, list[int | bytes]]:
        """Any method of the RuntimeService: {field number: value} in, {field number: values} out."""
        # wait_for_ready: after a restart of containerd the channel needs a moment to find the new socket.
        answer: bytes = self._channel.unary_unary(_SERVICE + method)(
            encode(fields), timeout=timeout or self.timeout, wait_for_ready=True
        )
        return decode(answer)

    def wait_ready(self, timeout: float) -> None:
        """Until the CRI plugin answers. Raises TimeoutError with the last answer."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.call("Version", {}, timeout=2)
                return
            except grpc.RpcError as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no CRI at {self.socket}: {error}") from error
                time.sleep(0.1)

    def run_pod(
        self,
        name: str,
        *,
        namespace: str = "default",
        pid_mode: PidMode = PidMode.CONTAINER,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
    ) -> Pod:
        """Start a sandbox (its pause process runs when this returns)."""
        uid = str(uuid.uuid4())
        cgroup_parent = f"{self.cgroup_root}/kubepods/besteffort/pod{uid}"
        if self.systemd_cgroup:
            cgroup_parent = f"kubepods-besteffort-pod{uid.replace('-', '_')}.slice"
        namespaces = encode({1: PidMode.NODE, 2: pid_mode})
        config = encode(
            {
                1: encode({1: name, 2: uid, 3: namespace}),
                # 2, hostname: stays empty, since the host's network comes with the host's UTS namespace.
                6: {
                    "io.kubernetes.pod.name": name,
                    "io.kubernetes.pod.namespace": namespace,
                    "io.kubernetes.pod.uid": uid,
                    **(labels or {}),
                },
                7: annotations or {},
                8: encode({1: cgroup_parent, 2: encode({1: namespaces})}),
            }
        )
        pod_id = text(self.call("RunPodSandbox", {1: config}), 1)
        return Pod(pod_id, name, namespace, pid_mode, config)

    def create_container(
        self, pod: Pod, name: str = "app", *, image: str = images.APP, command: list[str] | None = None
    ) -> str:
        """The new container's id. `command` replaces the image's `/app`."""
        # An empty submessage would be left out, and an absent NamespaceOption reads as pid mode POD.
        namespaces = encode({1: PidMode.NODE, 2: pod.pid_mode})
        config = encode(
            {
                1: encode({1: name}),
                2: encode({1: image}),
                3: command or [],
                9: {
                    "io.kubernetes.container.name": name,
                    "io.kubernetes.pod.name": pod.name,
                    "io.kubernetes.pod.namespace": pod.namespace,
                },
                15: encode({2: encode({3: namespaces})}),
            }
        )
        return text(self.call("CreateContainer", {1: pod.id, 2: config, 3: pod.config}), 1)

    def start_container(self, container_id: str) -> None:
        self.call("StartContainer", {1: container_id})

    def run_container(self, pod: Pod, name: str = "app", *, command: list[str] | None = None) -> Container:
        """Create and start in one go."""
        container_id = self.create_container(pod, name, command=command)
        self.start_container(container_id)
        return self.container(container_id)

    def stop_container(self, container_id: str, grace: int = 5) -> None:
        """SIGTERM, after `grace` seconds SIGKILL; returns when it has ended."""
        self.call("StopContainer", {1: container_id, 2: grace})

    def stop_pod(self, pod_id: str) -> None:
        """End its containers and the pause process; the shim ends too."""
        self.call("StopPodSandbox", {1: pod_id})

    def remove_pod(self, pod_id: str) -> None:
        """Stop it and forget it with its containers."""
        self.stop_pod(pod_id)
        self.call("RemovePodSandbox", {1: pod_id})

    def remove_all(self) -> None:
        for pod_id in self.pods():
            self.remove_pod(pod_id)

    def pods(self) -> list[str]:
        """Ids of all sandboxes, stopped ones too."""
        return [text(pod, 1) for pod in messages(self.call("ListPodSandbox", {}), 1)]

    def containers(self) -> list[Container]:
        return [self.container(text(item, 1)) for item in messages(self.call("ListContainers", {}), 1)]

    def container(self, container_id: str) -> Container:
        answer = self.call("ContainerStatus", {1: container_id, 2: 1})
        status = messages(answer, 1)[0]
        state = State(number(status, 3))
        pid = _info(answer)["pid"] if state is State.RUNNING else 0
        return Container(container_id, text(messages(status, 2)[0], 1), state, number(status, 7), pid)

    def pause_pid(self, pod_id: str) -> int:
        """Of the sandbox's pause process."""
        return int(_info(self.call("PodSandboxStatus", {1: pod_id, 2: 1}))["pid"])


def _info(answer: dict[int, list[int | bytes]]) -> dict[str, Any]:
    """The verbose part of a status: a map whose key "info" holds JSON."""
    entries = {text(entry, 1): text(entry, 2) for entry in messages(answer, 2)}
    info: dict[str, Any] = json.loads(entries["info"])
    return info
