"""Names of pods and containers from inside a container that sees nothing of the node but its processes."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.deploy.manifest import confined
from tests.live.watching import ARGV
from tests.node.containerd import Containerd

pytestmark = [pytest.mark.node, pytest.mark.live]


def watch(containerd: Containerd, without: str = "") -> list[dict[str, Any]]:
    """`ctrace watch` with containerd's folders hidden, in a cgroup namespace of its own: /proc is all that there is."""
    hide = f'mount -t tmpfs none {containerd.folder} && mount -t tmpfs none /run && exec "$@"'
    inside = [*ARGV, "watch", str(containerd.pid), "--format", "jsonl", "--duration", "1", "--loader", "core"]
    command = ["unshare", "--mount", "--cgroup", "sh", "-c", hide, "sh", *confined(*inside, without=without)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return [line for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "found"]


def test_names_come_through_the_shims(containerd: Containerd) -> None:
    pod = containerd.cri.run_pod("web")
    app = containerd.cri.run_container(pod)
    told = {line["pid"]: line for line in watch(containerd)}
    assert (told[app.pid]["role"], told[app.pid]["exe"]) == ("container", "/app")
    assert (told[app.pid]["container"]["pod"], told[app.pid]["container"]["name"]) == ("web", "app")
    assert told[app.pid]["container"]["image"]
    assert {line["role"] for line in told.values()} >= {"containerd", "shim", "pause", "container"}

    poorer = {line["pid"]: line for line in watch(containerd, without="SYS_PTRACE")}
    assert poorer[app.pid]["container"]["name"] == "", "with CAP_SYS_PTRACE only"
    containerd.cri.remove_pod(pod.id)
