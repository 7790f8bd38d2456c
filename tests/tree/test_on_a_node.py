"""The reference question's picture on a node with systemd: the tree, the units, and where they disagree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.node import processes as proc
from tests.node.systemd_node import SystemdNode
from tests.tree.running import ctrace, findings, processes, tree

pytestmark = pytest.mark.node


class Running(NamedTuple):
    shim: int
    pause: int
    app: int
    containerd: int


@pytest.fixture(scope="module")
def pod(node: SystemdNode) -> Iterator[Running]:
    sandbox = node.cri.run_pod("web", namespace="shop")
    app = node.host_pid(node.cri.run_container(sandbox).pid)
    proc.wait_for_workers(app)
    parent = proc.read(app)
    assert parent is not None
    pause = node.host_pid(node.cri.pause_pid(sandbox.id))
    yield Running(parent.ppid, pause, app, node.host_pid(node.unit_pid("containerd.service")))
    node.cri.remove_all()


def grouped(text: str, line: re.Pattern[str]) -> dict[int, str]:
    """pid -> its cgroup, from a tree of cgroups with processes in it; `line` finds a process's pid."""
    found: dict[int, str] = {}
    stack: list[tuple[int, str]] = []
    for row in text.splitlines():
        content = row.lstrip(" │├└─")
        depth = len(row) - len(content)
        stack = [above for above in stack if above[0] < depth]
        match = line.match(content)
        if match:
            found[int(match[1])] = "/".join(name for _, name in stack)
        elif content:
            stack.append((depth, content.split("  ")[0]))
    return found


def test_the_view_by_cgroup_is_systemctls(node: SystemdNode, pod: Running) -> None:
    status = node.systemctl("status", "--full").partition("CGroup: /")[2].partition("\n")[2]
    theirs = {node.host_pid(pid): path for pid, path in grouped(status, re.compile(r"(\d+) ")).items()}
    text = tree("--view", "cgroup", "--subtree", node.pid)
    ours = grouped(text.partition("\n")[2], re.compile(r"\S+ \((\d+)\)"))
    assert {pod.shim, pod.pause, pod.app, pod.containerd, node.pid} <= theirs.keys()
    common = theirs.keys() & ours.keys()
    assert len(common) >= 8
    for pid in common:
        mine = ours[pid].split("/payload/", 1)[1]
        assert re.fullmatch(re.escape(mine).replace("…", "[0-9a-f-]*"), theirs[pid]), (pid, mine, theirs[pid])


def test_the_shim_is_systemds_child_and_in_containerds_unit(node: SystemdNode, pod: Running) -> None:
    found = processes("--subtree", node.pid)
    shim = found[pod.shim]
    assert shim["parent"] == node.pid
    assert shim["unit"] == "containerd.service" == found[pod.containerd]["unit"]
    assert shim["container"]["pod"] == "web"
    lines = {int(m[1]): line for line in both(node).splitlines() if (m := re.search(r"\((\d+)\)", line))}
    assert "  containerd.service" in lines[pod.containerd]
    assert "≠" not in lines[pod.containerd]
    assert f"  ≠ containerd.service, pod shop/web, not below containerd ({pod.containerd})" in lines[pod.shim]
    assert "≠" in lines[pod.pause]
    assert "≠" in lines[pod.app]
    assert "≠" not in lines[node.pid].replace("≠ init.scope", ""), "systemd is the main process of its scope"


def both(node: SystemdNode) -> str:
    return tree("--view", "both", "--subtree", node.pid)


def test_nothing_is_found_on_a_healthy_node(node: SystemdNode, pod: Running) -> None:
    assert findings("--subtree", node.pid) == []


def test_inside_the_node_the_numbers_are_the_nodes(node: SystemdNode, pod: Running) -> None:
    """As seen in its pid and cgroup namespaces, with a /proc of theirs."""
    inside = ("nsenter", "--target", str(node.pid), "--pid", "--cgroup", "unshare", "--mount-proc")
    document = json.loads(ctrace("tree", "--format", "json", prefix=inside).out)
    found = {process["pid"]: process for process in document["processes"]}
    shim = found[node.inside_pid(pod.shim)]
    assert shim["parent"] == 1
    assert (shim["cgroup"], shim["unit"]) == ("/system.slice/containerd.service", "containerd.service")
    assert shim["container"]["pod"] == "web"


def test_when_containerd_has_stopped_its_unit_still_has_the_shim(node: SystemdNode, pod: Running) -> None:
    node.stop_containerd()
    try:
        found = processes("--subtree", node.pid)
        assert pod.containerd not in found
        assert (found[pod.shim]["parent"], found[pod.shim]["unit"]) == (node.pid, "containerd.service")
        assert found[pod.app]["container"]["name"] == "app"
        (line,) = [line for line in both(node).splitlines() if f"({pod.shim})" in line]
        assert "  ≠ containerd.service, pod shop/web, its main process is gone" in line
        assert findings("--subtree", node.pid) == []
    finally:
        node.start_containerd()
