"""What a container's own files say of its name: the OCI bundle's annotations, Docker's and podman's records.

Everything is a string that somebody else wrote; anything that is not a string of sensible length counts as unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tracer.runtime.claims import is_engine_id, split_cri_name
from tracer.runtime.files import read_list, read_object

_MAX_TEXT = 1024

_TASKS = "io.containerd.runtime.v2.task"
TASK_FOLDERS = (
    f"/run/containerd/{_TASKS}",
    f"/run/docker/containerd/daemon/{_TASKS}",
    f"/run/k3s/containerd/{_TASKS}",
    f"/var/snap/microk8s/common/run/containerd/{_TASKS}",
)
"""Where containerd keeps bundles unless told otherwise: FOLDER/NAMESPACE/ID/config.json."""
NAMESPACES = ("k8s.io", "moby", "default", "nerdctl", "buildkit")
STORAGE_FOLDERS = ("/run/containers/storage/overlay-containers", "/var/lib/containers/storage/overlay-containers")
"""Where podman and CRI-O keep them: FOLDER/ID/userdata/config.json."""
_DOCKER = "/var/lib/docker/containers"
_DOCKER_MOUNTS = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
"""What Docker mounts into a container from the folder of its record, wherever that is (`data-root`, userns-remap)."""


class Details(NamedTuple):
    """What files say of a container; '' for what they do not."""

    runtime: str = ""
    pod: str = ""
    pod_namespace: str = ""
    pod_uid: str = ""
    name: str = ""
    """The container's; '' for a pod's sandbox, which has none."""
    image: str = ""
    sandbox_id: str = ""
    """The container that holds the pod's namespaces (pause)."""

    def __bool__(self) -> bool:
        return any(self)

    def or_else(self, other: Details) -> Details:
        """This, with what it does not know taken from the other."""
        return Details(*(mine or theirs for mine, theirs in zip(self, other, strict=True)))


def from_annotations(notes: Mapping[str, Any]) -> Details:
    """The annotations of a config.json. Made by containerd's CRI, CRI-O, podman or nerdctl."""
    if "io.kubernetes.cri.container-type" in notes or "io.kubernetes.cri.sandbox-id" in notes:
        found = Details(
            runtime="containerd",
            pod=_text(notes, "io.kubernetes.cri.sandbox-name"),
            pod_namespace=_text(notes, "io.kubernetes.cri.sandbox-namespace"),
            pod_uid=_text(notes, "io.kubernetes.cri.sandbox-uid"),
            name=_text(notes, "io.kubernetes.cri.container-name"),
            image=_text(notes, "io.kubernetes.cri.image-name"),
            sandbox_id=_text(notes, "io.kubernetes.cri.sandbox-id"),
        )
    elif "io.kubernetes.cri-o.ContainerType" in notes:
        sandbox = _text(notes, "io.kubernetes.cri-o.ContainerType") == "sandbox"
        found = Details(
            runtime="cri-o",
            pod=_text(notes, "io.kubernetes.pod.name") or _text(notes, "io.kubernetes.cri-o.KubeName"),
            pod_namespace=_text(notes, "io.kubernetes.pod.namespace") or _text(notes, "io.kubernetes.cri-o.Namespace"),
            pod_uid=_text(notes, "io.kubernetes.pod.uid"),
            name="" if sandbox else _text(notes, "io.kubernetes.container.name"),
            image="" if sandbox else _text(notes, "io.kubernetes.cri-o.ImageName"),
            sandbox_id=_text(notes, "io.kubernetes.cri-o.SandboxID"),
        )
    elif _text(notes, "io.container.manager") == "libpod":
        found = Details(runtime="podman")
    elif "nerdctl/name" in notes:
        found = Details(
            runtime="containerd", name=_text(notes, "nerdctl/name"), image=_text(notes, "nerdctl/image-name")
        )
    else:
        found = Details()
    return found


def from_name(text: str) -> Details:
    """conmon's -n, Docker's Name: plain, or k8s_... of dockershim and CRI-O."""
    text = text.removeprefix("/")
    parts = split_cri_name(text)
    if parts is None:
        return Details(name=text)
    name = "" if parts.container == "POD" else parts.container
    return Details(pod=parts.pod, pod_namespace=parts.pod_namespace, pod_uid=parts.pod_uid, name=name)


def read_bundle(bundle: str, root: str) -> Details:
    """The annotations in BUNDLE/config.json, and what the records of podman and Docker that it leads to say."""
    config = read_object(f"{bundle}/config.json", root)
    found = from_annotations(_mapping(config, "annotations"))
    if not found:
        found = read_docker(bundle.rstrip("/").rpartition("/")[2], root, _docker_folder(config))
    if found.runtime == "podman" and bundle.rstrip("/").endswith("/userdata"):
        folder, _, container = bundle.rstrip("/").removesuffix("/userdata").rpartition("/")
        found = found.or_else(read_storage(folder, container, root))
    return found


def read_storage(folder: str, container: str, root: str) -> Details:
    """What containers/storage (podman) notes of a container: `containers.json`, a list."""
    for entry in read_list(f"{folder}/containers.json", root):
        if entry.get("id") == container:
            try:
                notes = json.loads(_text(entry, "metadata") or "{}")
            except (ValueError, RecursionError):
                notes = {}
            notes = notes if isinstance(notes, dict) else {}
            return from_name(_text(notes, "name")).or_else(Details(image=_text(notes, "image-name")))
    return Details()


def read_docker(container: str, root: str, folder: str = _DOCKER) -> Details:
    """Docker's own record of a container, in the folder of all of them."""
    record = read_object(f"{folder}/{container}/config.v2.json", root) if folder else {}
    if not record:
        return Details()
    config = _mapping(record, "Config")
    labels = _mapping(config, "Labels")
    kubernetes = Details(
        pod=_text(labels, "io.kubernetes.pod.name"),
        pod_namespace=_text(labels, "io.kubernetes.pod.namespace"),
        pod_uid=_text(labels, "io.kubernetes.pod.uid"),
        name=_text(labels, "io.kubernetes.container.name"),
        sandbox_id=_text(labels, "io.kubernetes.sandbox.id"),
    )
    named = from_name(_text(record, "Name"))
    return kubernetes.or_else(named).or_else(Details(runtime="docker", image=_text(config, "Image")))


def _docker_folder(config: Mapping[str, Any]) -> str:
    """Where Docker keeps its records, by a container's mounts; '' where they do not tell.

    `--network container:OTHER` mounts the other's files: one folder holds the records of all.
    """
    mounts = config.get("mounts")
    for mount in mounts if isinstance(mounts, list) else ():
        if isinstance(mount, dict) and mount.get("destination") in _DOCKER_MOUNTS:
            folder, _, container = _text(mount, "source").rpartition("/")[0].rpartition("/")
            if folder.endswith("/containers") and is_engine_id(container):
                return folder
    return ""


def usual_bundles(container: str, namespace: str) -> Iterator[str]:
    """Folders where a container's bundle is unless the runtime was told otherwise."""
    for folder in TASK_FOLDERS:
        for name in (namespace,) if namespace else NAMESPACES:
            yield f"{folder}/{name}/{container}"
    for folder in STORAGE_FOLDERS:
        yield f"{folder}/{container}/userdata"


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) and len(value) <= _MAX_TEXT else ""


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    return value if isinstance(value, dict) else {}
