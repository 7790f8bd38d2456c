"""What the command lines of container runtimes say of the container."""

from __future__ import annotations

import pytest

from tracer.graph import Program
from tracer.runtime import claims
from tracer.runtime.claims import MONITOR, RUNTIME, SHIM, Claim, CriName, claim, split_cri_name

ID = "c8b394369634a6c6755d4e9094907a92c8b394369634a6c6755d4e9094907a92"
CUT = ID[:32]
ROOT = "/run/containerd/runc/k8s.io"
BUNDLE = f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}"


def claimed(exe: str, *args: str) -> Claim | None:
    return claim(Program(exe, (exe, *args), False))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (f"-namespace k8s.io -id {ID} -address /run/c.sock", Claim(SHIM, ID, "k8s.io")),
        (f"-namespace k8s.io -address /run/c.sock -publish-binary /bin/c -id {CUT} start", Claim(SHIM, CUT, "k8s.io")),
        (f"--namespace=moby --id={ID}", Claim(SHIM, ID, "moby")),
        (f"-namespace moby -id {ID} -bundle /b delete", Claim(SHIM, ID, "moby", "/b")),
        ("-namespace k8s.io", None),
        ("-id", None),
        ("-v", None),
    ],
)
def test_shims(words: str, expected: Claim | None) -> None:
    assert claimed("/usr/bin/containerd-shim-runc-v2", *words.split()) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            f"--root {ROOT} --log {BUNDLE}/log.json --log-format json --systemd-cgroup create --bundle {BUNDLE} "
            f"--pid-file {BUNDLE}/init.pid {ID}",
            Claim(RUNTIME, ID, "k8s.io", BUNDLE),
        ),
        (f"--root {ROOT} --log-format json start {CUT}", Claim(RUNTIME, CUT, "k8s.io")),
        (f"--root=/run/docker/runtime-runc/moby create -b=/b --no-pivot {ID}", Claim(RUNTIME, ID, "moby", "/b")),
        (f"--root {ROOT} exec --process /tmp/p --detach {ID}", Claim(RUNTIME, ID, "k8s.io")),
        ("exec -t web sh -c start", Claim(RUNTIME, "web")),
        (f"kill --all {ID} 9", Claim(RUNTIME, ID)),
        ("run -b bundle web", Claim(RUNTIME, "web")),  # relative to where it was started: of no use
        ("init", None),
        ("list", None),
        (f"--root {ROOT} create --bundle", None),
        ("", None),
    ],
)
def test_runc(words: str, expected: Claim | None) -> None:
    assert claimed("/usr/sbin/runc", *words.split()) == expected


def test_conmon_as_podman_starts_it() -> None:
    words = (
        f"--api-version 1 -c {ID} -u {ID} -r /usr/bin/crun -b /run/b -n web --exit-command-arg -n --exit-command-arg no"
    )
    assert claimed("/usr/bin/conmon", *words.split()) == Claim(MONITOR, ID, "", "/run/b", "web")


def test_conmon_as_crio_starts_it() -> None:
    name = "k8s_app_web_shop_5f978e57-133a-4d34-b1d4-f6db5a1d6ee2_0"
    words = f"-b /run/b -c {ID} --exit-dir /e -n {name} -r /usr/bin/crun --runtime-arg --root=/run/crun -s -u {ID}"
    assert claimed("/usr/libexec/crio/conmon", *words.split()) == Claim(MONITOR, ID, "", "/run/b", name)
    assert split_cri_name(name) == CriName("app", "web", "shop", "5f978e57-133a-4d34-b1d4-f6db5a1d6ee2")
    assert split_cri_name("k8s_app") is None


@pytest.mark.parametrize("exe", ["/bin/sh", "/usr/bin/containerd", "/proc/self/exe", ""])
def test_nobody_else_claims(exe: str) -> None:
    assert claimed(exe, "-namespace", "k8s.io", "-id", ID) is None
    assert claim(None) is None


@pytest.mark.parametrize("text", [ID, CUT, "web", "a.b", "x_1-2+3"])
def test_ids(text: str) -> None:
    assert claims.is_id(text)


@pytest.mark.parametrize("text", ["", ".", "..", ".a", "a/b", "../x", "a\n", "a b", "é", "x" * 1025])
def test_what_must_not_become_part_of_a_path(text: str) -> None:
    assert not claims.is_id(text)
