"""`ctrace watch` and `ctrace record` of a node's containerd: by its unit's cgroup, over its restart, with names."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.live.watching import Running, ctrace, started
from tests.node.systemd_node import SystemdNode

pytestmark = [pytest.mark.node, pytest.mark.live]


def cgroup_of_containerd(node: SystemdNode) -> str:
    pid = node.host_pid(node.unit_pid("containerd.service"))
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next(line.split(":", 2)[2] for line in lines if "containerd.service" in line)


def settled(running: Running, text: str) -> None:
    running.wait_for(text, "stdout")
    time.sleep(0.3)


def test_a_pod_comes_and_goes_while_containerd_restarts(node: SystemdNode, tmp_path: Path) -> None:
    old = node.cri.run_pod("old")
    target = cgroup_of_containerd(node)
    first = node.host_pid(node.unit_pid("containerd.service"))
    with started(tmp_path, "watch", target, "--format", "jsonl", "--verify") as watch:
        watch.wait_for('"event":"found"', "stdout")
        pod = node.cri.run_pod("web")
        app = node.cri.run_container(pod)
        node.stop_containerd()
        node.start_containerd()
        second = node.host_pid(node.unit_pid("containerd.service"))
        node.cri.remove_pod(pod.id)
        assert watch.end() == 0, (watch.stderr, watch.stdout.splitlines()[-2:])
    lines = watch.json_lines()
    by_pid: dict[int, list[dict[str, object]]] = {}
    for line in lines:
        by_pid.setdefault(line.get("pid", 0), []).append(line)

    assert [line["event"] for line in by_pid[first]][-2:] == ["exited", "reaped"]
    assert by_pid[second][0]["event"] == "found"
    assert any(line["event"] == "created" and line["parent"] == second for line in lines), "shim delete of the new one"

    shims = [line for line in lines if line["event"] == "adopted" and line["role"] == "shim"]
    assert [line["container"]["pod"] for line in shims] == ["web"]
    assert (shims[0]["rule"], shims[0]["evidence"]) == ("child_reaper", "derived")
    assert any(line["event"] == "found" and (line["container"] or {}).get("id") == old.id for line in lines)

    in_app = [line for line in lines if line["event"] == "exec" and line["role"] == "container"]
    assert {line["container"]["id"] for line in in_app} == {app.id}
    assert {line["container"]["name"] for line in in_app} == {"app"}
    node.cri.remove_pod(old.id)


def test_a_recording_keeps_names_of_containers_that_are_gone(node: SystemdNode, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    with started(tmp_path, "record", cgroup_of_containerd(node), "-o", path) as record:
        record.wait_for("recording")
        pod = node.cri.run_pod("shortlived")
        app = node.cri.run_container(pod)
        node.cri.remove_pod(pod.id)
        time.sleep(0.5)
        assert record.end() == 0, record.stderr
    done = ctrace("replay", path, "--view", "lineage", "--format", "json")
    assert done.returncode == 0, done.stderr
    processes = json.loads(done.stdout)["processes"]
    containers = {p["container"]["id"]: p["container"] for p in processes if p["container"] and p["container"]["name"]}
    assert containers[app.id]["pod"] == "shortlived"
    assert containers[app.id]["name"] == "app"
    (pause,) = [p for p in processes if p["role"] == "pause"]
    assert pause["exit"] == {"signal": "SIGKILL", "core": False}
    assert pause["container"]["pod"] == "shortlived"
    assert [p["state"] for p in processes if p["role"] in {"pause", "container", "shim"}].count("running") == 0
