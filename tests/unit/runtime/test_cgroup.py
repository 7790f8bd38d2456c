"""Every layout in which a runtime or systemd names a cgroup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.runtime import cgroup
from tracer.runtime.cgroup import CgroupFacts, Unit

ID = "c8b394369634a6c6755d4e9094907a92c8b394369634a6c6755d4e9094907a92"
OTHER = "98026388664f8480865471120998236a98026388664f8480865471120998236a"
UID = "5f978e57-133a-4d34-b1d4-f6db5a1d6ee2"
STATIC_UID = "0123456789abcdef0123456789abcdef"
POD_SLICE = f"kubepods-burstable-pod{UID.replace('-', '_')}.slice"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            f"/kubepods.slice/kubepods-burstable.slice/{POD_SLICE}/cri-containerd-{ID}.scope",
            CgroupFacts(ID, "containerd", pod_uid=UID, container_depth=4),
        ),
        (
            f"/kubepods.slice/kubepods-pod{STATIC_UID}.slice/crio-{ID}.scope/container",
            CgroupFacts(ID, "cri-o", pod_uid=STATIC_UID, container_depth=3),
        ),
        (f"/kubepods/besteffort/pod{UID}/{ID}", CgroupFacts(ID, pod_uid=UID, container_depth=4)),
        (f"/kubepods/pod{UID}", CgroupFacts(pod_uid=UID)),
        (
            f"/system.slice/containerd.service/{POD_SLICE}:cri-containerd:{ID}",
            CgroupFacts(ID, "containerd", pod_uid=UID, container_depth=3),
        ),
        (f"/system.slice/docker-{ID}.scope", CgroupFacts(ID, "docker", container_depth=2)),
        (f"/docker/{ID}", CgroupFacts(ID, container_depth=2)),
        (f"/docker/{ID}/init.scope", CgroupFacts(ID, container_depth=2)),
        (f"/machine.slice/libpod-{ID}.scope/container", CgroupFacts(ID, "podman", container_depth=2)),
        (f"/machine.slice/libpod-conmon-{ID}.scope", CgroupFacts(ID, "podman", monitor=True, container_depth=2)),
        (f"/libpod_parent/libpod-{ID}", CgroupFacts(ID, "podman", container_depth=2)),
        (
            f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
            CgroupFacts(ID, "podman", container_depth=5),
        ),
        ("/user.slice/user-0.slice/session-1.scope/runc-web_1.scope", CgroupFacts("web_1", "runc", container_depth=4)),
        (
            f"/docker/{OTHER}/kubelet/kubepods/pod{UID}/{ID}",
            CgroupFacts(ID, pod_uid=UID, outer_id=OTHER, container_depth=6),
        ),
        (
            f"/../../{POD_SLICE}/cri-containerd-{ID}.scope",
            CgroupFacts(ID, "containerd", pod_uid=UID, container_depth=2),
        ),
        ("/system.slice/containerd.service", CgroupFacts()),
        (f"/system.slice/docker-{ID[:-1]}.scope", CgroupFacts()),
        (f"/docker/{ID.upper()}", CgroupFacts()),
        ("/libpod_parent/conmon", CgroupFacts()),
        ("/", CgroupFacts()),
        ("", CgroupFacts()),
    ],
)
def test_containers_and_pods(path: str, expected: CgroupFacts) -> None:
    assert cgroup.facts(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/system.slice/containerd.service", Unit("containerd.service", "", "system.slice")),
        ("/init.scope", Unit("init.scope")),
        ("/user.slice/user-1000.slice/session-3.scope", Unit("session-3.scope", "", "user-1000.slice")),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/vte.scope",
            Unit("user@1000.service", "vte.scope", "user-1000.slice"),
        ),
        ("/ctrace-node/payload/system.slice/ssh.service/tasks", Unit("ssh.service", "", "system.slice")),
        ("/system.slice/_cpu.service", Unit("cpu.service", "", "system.slice")),
        (f"/system.slice/docker-{ID}.scope", Unit(f"docker-{ID}.scope", "", "system.slice")),
        (f"/kubepods/pod{UID}/{ID}", Unit()),
        ("/", Unit()),
        ("/.service", Unit()),
    ],
)
def test_units(path: str, expected: Unit) -> None:
    assert cgroup.unit(path) == expected


@pytest.mark.parametrize(
    ("path", "group", "short"),
    [
        ("/system.slice/ssh.service/tasks", "/system.slice/ssh.service", "ssh.service"),
        (f"/a.slice/docker-{ID}.scope/init.scope", f"/a.slice/docker-{ID}.scope", "docker-c8b394369634….scope"),
        (f"/kubepods/pod{UID}", f"/kubepods/pod{UID}", "pod5f978e57…"),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/vte.scope",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/vte.scope",
            "vte.scope",
        ),
        ("/", "/", "/"),
    ],
)
def test_group_and_its_short_name(path: str, group: str, short: str) -> None:
    assert cgroup.group(path) == group
    assert cgroup.short_name(group) == short


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    facts = cgroup.facts(text)
    assert 0 <= facts.container_depth <= len(cgroup.components(text))
    assert cgroup.unit(text).slice in ("", *(part.removeprefix("_") for part in cgroup.components(text)))


@given(st.lists(st.sampled_from(["a.slice", "b.service", "c.scope", f"docker-{ID}.scope", "d", "..", ""]), max_size=8))
def test_a_group_is_its_own_group(parts: list[str]) -> None:
    group = cgroup.group("/" + "/".join(parts))
    assert cgroup.group(group) == group
