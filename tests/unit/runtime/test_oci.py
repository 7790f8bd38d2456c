"""What the runtimes' own files say. The annotations are as each runtime writes them; containerd's and podman's were
also recorded here (tests/tree), CRI-O's, nerdctl's and Docker's are written by hand from their documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tracer.runtime import oci, runc_state
from tracer.runtime.oci import Details
from tracer.runtime.runc_state import State

ID = "c8b394369634a6c6755d4e9094907a92c8b394369634a6c6755d4e9094907a92"
SANDBOX = "98026388664f8480865471120998236a98026388664f8480865471120998236a"
UID = "5f978e57-133a-4d34-b1d4-f6db5a1d6ee2"

CRI = {
    "io.kubernetes.cri.container-name": "app",
    "io.kubernetes.cri.container-type": "container",
    "io.kubernetes.cri.image-name": "docker.io/library/app:1",
    "io.kubernetes.cri.sandbox-id": SANDBOX,
    "io.kubernetes.cri.sandbox-name": "web",
    "io.kubernetes.cri.sandbox-namespace": "shop",
    "io.kubernetes.cri.sandbox-uid": UID,
}
CRIO = {
    "io.kubernetes.cri-o.ContainerType": "container",
    "io.kubernetes.cri-o.SandboxID": SANDBOX,
    "io.kubernetes.cri-o.ImageName": "docker.io/library/app:1",
    "io.kubernetes.container.name": "app",
    "io.kubernetes.pod.name": "web",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.pod.uid": UID,
}
APP = ("web", "shop", UID, "app", "docker.io/library/app:1", SANDBOX)
PAUSE = ("web", "shop", UID, "", "", SANDBOX)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (CRI, Details("containerd", *APP)),
        (
            {k: v for k, v in CRI.items() if "container-name" not in k and "image" not in k}
            | {"io.kubernetes.cri.container-type": "sandbox"},
            Details("containerd", *PAUSE),
        ),
        (CRIO, Details("cri-o", *APP)),
        (
            CRIO | {"io.kubernetes.cri-o.ContainerType": "sandbox", "io.kubernetes.container.name": "POD"},
            Details("cri-o", *PAUSE),
        ),
        ({"io.container.manager": "libpod", "io.kubernetes.cri-o.TTY": "false"}, Details("podman")),
        ({"nerdctl/name": "web"}, Details("containerd", name="web")),
        ({"something": "else"}, Details()),
        ({}, Details()),
    ],
)
def test_annotations(annotations: dict[str, Any], expected: Details) -> None:
    assert oci.from_annotations(annotations) == expected


@pytest.mark.parametrize("value", [None, 1, ["web"], {"a": 1}, "x" * 2000])
def test_what_is_no_sensible_text_is_unknown(value: object) -> None:
    found = oci.from_annotations(CRI | {"io.kubernetes.cri.sandbox-name": value})
    assert found == Details("containerd", "", *APP[1:])


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_a_bundle_is_read_within_its_root(tmp_path: Path) -> None:
    write(tmp_path / "run/b/config.json", {"ociVersion": "1.0.2", "annotations": CRI})
    assert oci.read_bundle("/run/b", str(tmp_path)) == Details("containerd", *APP)
    assert not oci.read_bundle("/run/absent", str(tmp_path))
    write(tmp_path / "run/b/config.json", {"annotations": ["not", "a", "mapping"]})
    assert not oci.read_bundle("/run/b", str(tmp_path))


def test_podman_tells_name_and_image_beside_the_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "overlay-containers"
    write(folder / ID / "userdata/config.json", {"annotations": {"io.container.manager": "libpod"}})
    metadata = json.dumps({"image-name": "docker.io/library/db:1", "name": "shop-db"})
    write(folder / "containers.json", [{"id": SANDBOX, "metadata": "{}"}, {"id": ID, "metadata": metadata}])
    found = oci.read_bundle(f"/overlay-containers/{ID}/userdata", str(tmp_path))
    assert found == Details("podman", name="shop-db", image="docker.io/library/db:1")


@pytest.mark.parametrize("metadata", ["[]", "{", '{"name": 1}', None, 5])
def test_odd_metadata(tmp_path: Path, metadata: object) -> None:
    write(tmp_path / "containers.json", [{"id": ID, "metadata": metadata}])
    assert not oci.read_storage("/", ID, str(tmp_path))


def test_docker(tmp_path: Path) -> None:
    path = tmp_path / f"var/lib/docker/containers/{ID}/config.v2.json"
    write(path, {"Name": "/shop-db", "Config": {"Image": "db:1", "Labels": None}})
    assert oci.read_docker(ID, str(tmp_path)) == Details("docker", name="shop-db", image="db:1")
    write(path, {"Name": f"/k8s_app_web_shop_{UID}_0", "Config": {"Image": "docker.io/library/app:1"}})
    assert oci.read_docker(ID, str(tmp_path)) == Details("docker", *APP[:5])
    write(path, {"Name": f"/k8s_POD_web_shop_{UID}_0"})
    assert oci.read_docker(ID, str(tmp_path)) == Details("docker", *PAUSE[:5])


@pytest.mark.parametrize("whose", [ID, SANDBOX], ids=["its own", "--network container:OTHER"])
def test_docker_with_a_data_root_of_its_own(tmp_path: Path, whose: str) -> None:
    write(tmp_path / f"data/containers/{ID}/config.v2.json", {"Name": "/shop-db", "Config": {"Image": "db:1"}})
    shm = {"destination": "/dev/shm", "type": "tmpfs", "source": "shm"}
    hosts = {"destination": "/etc/hosts", "type": "bind", "source": f"/data/containers/{whose}/hosts"}
    write(tmp_path / f"moby/{ID}/config.json", {"ociVersion": "1.0.2", "mounts": [shm, "?", hosts]})
    assert oci.read_bundle(f"/moby/{ID}", str(tmp_path)) == Details("docker", name="shop-db", image="db:1")
    write(tmp_path / f"moby/{ID}/config.json", {"mounts": [hosts | {"source": "/data/containers/mine/hosts"}]})
    assert not oci.read_bundle(f"/moby/{ID}", str(tmp_path))
    write(tmp_path / f"moby/{ID}/config.json", {"mounts": {"destination": "/etc/hosts"}})
    assert not oci.read_bundle(f"/moby/{ID}", str(tmp_path))


def test_states_of_runc_and_crun(tmp_path: Path) -> None:
    state = {"id": ID, "init_process_pid": 7, "init_process_start": 9, "config": {"labels": ["x=y", "bundle=/b"]}}
    write(tmp_path / f"run/containerd/runc/k8s.io/{ID}/state.json", state)
    write(tmp_path / "run/crun/web/status", {"pid": 8, "process-start-time": 10, "bundle": "/c"})
    write(tmp_path / "run/runc/odd/state.json", {"id": 1, "init_process_pid": "x"})
    assert sorted(runc_state.read_states(str(tmp_path))) == [
        State(ID, "k8s.io", 7, 9, "/b", "runc"),
        State("web", "", 8, 10, "/c", "crun"),
    ]
