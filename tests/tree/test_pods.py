"""Names, filters and views of real pods."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pytest

from tests.node import images
from tests.node import processes as proc
from tests.node.containerd import Containerd
from tests.tree.running import ctrace, processes, run, tree

pytestmark = pytest.mark.node

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


class Running(NamedTuple):
    shim: int
    pause: int
    app: int
    workers: tuple[int, int]
    pod_id: str
    app_id: str


@pytest.fixture(scope="module")
def pod(containerd: Containerd) -> Iterator[Running]:
    sandbox = containerd.cri.run_pod("web", namespace="shop")
    app = containerd.cri.run_container(sandbox)
    proc.wait_for_workers(app.pid)
    (shim,) = containerd.shims()
    first, second = (child.pid for child in proc.children(app.pid))
    yield Running(shim, containerd.cri.pause_pid(sandbox.id), app.pid, (first, second), sandbox.id, app.id)
    containerd.cri.remove_all()


def test_each_process_tells_its_container(pod: Running) -> None:
    found = processes("--pod", "web")
    assert set(found) == {pod.shim, pod.pause, pod.app, *pod.workers}
    in_pod = {"runtime": "containerd", "namespace": "k8s.io", "pod": "web", "pod_namespace": "shop"}
    for pid, process in found.items():
        container = process["container"]
        assert in_pod.items() <= container.items()
        assert container["sandbox_id"] == pod.pod_id
        assert container["id"] == (pod.pod_id if pid in {pod.shim, pod.pause} else pod.app_id)
    assert found[pod.app]["container"]["name"] == "app"
    assert found[pod.app]["container"]["image"] == images.APP
    assert found[pod.pause]["container"]["name"] == ""
    assert len({process["container"]["pod_uid"] for process in found.values()}) == 1


def test_the_document_is_as_its_schema_says(pod: Running) -> None:
    document = json.loads(ctrace("tree", "--format", "json").out)
    jsonschema.validate(document, json.loads((REFERENCE / "graph.schema.json").read_text()))
    containers = [process["container"] for process in document["processes"] if process["container"] is not None]
    assert len(containers) >= 5


@pytest.mark.parametrize("words", [("--container", "app"), ("--container", "a*", "--pod", "shop/web")])
def test_filters_by_name(pod: Running, words: tuple[str, ...]) -> None:
    assert set(processes(*words)) == {pod.app, *pod.workers}


def test_filters_by_id(pod: Running) -> None:
    assert set(processes("--container", pod.app_id[:12])) == {pod.app, *pod.workers}
    assert set(processes("--pod", pod.pod_id[:12], "--role", "pause")) == {pod.pause}
    assert processes("--container", "nothing-of-that-name") == {}


def test_the_tree_says_pod_and_container_once(pod: Running) -> None:
    text = tree("--pod", "web")
    assert text.count("pod shop/web") == 1
    assert text.count("container app") == 1
    lines = {line.split("(")[1].split(")")[0]: line for line in text.splitlines() if "(" in line}
    assert "pod shop/web" in lines[str(pod.shim)]
    assert "container app" in lines[str(pod.app)]
    assert "5 processes · 1 pod · 1 container" in text


def test_who_came_into_a_container_is_not_its_main_process(pod: Running, containerd: Containerd) -> None:
    def session() -> list[int]:
        return [p.pid for p in proc.children(pod.shim) if p.comm == "sleep"]

    containerd.ctr("task", "exec", "--detach", "--exec-id", "look", pod.app_id, "/bin/sleep", "60")
    try:
        proc.wait_until(lambda: len(session()) == 1, 5, "the exec")
        (inside,) = session()
        found = processes("--pod", "web")
        assert {pid: found[pid]["role"] for pid in (pod.pause, pod.app, inside)} == {
            pod.pause: "pause",
            pod.app: "container",
            inside: "exec",
        }
        assert found[inside]["container"]["name"] == "app"
    finally:
        proc.kill(session())


def test_by_cgroup_every_process_is_below_its_own(pod: Running) -> None:
    lines = tree("--view", "cgroup", "--pod", "web").splitlines()
    at = {what: next(i for i, line in enumerate(lines) if what in line) for what in ("shop/web app", f"({pod.app})")}
    assert at["shop/web app"] + 1 == at[f"({pod.app})"]
    assert pod.app_id[:12] + "…" in lines[at["shop/web app"]]
    assert all(f"({worker})" in "".join(lines[at[f"({pod.app})"] :][1:3]) for worker in pod.workers)
    pause = next(line for line in lines if f"({pod.pause})" in line)
    assert pause.endswith(f"≠ child of containerd-shim-runc-v2 ({pod.shim})")


def test_both_at_once_marks_where_tree_and_cgroup_disagree(pod: Running) -> None:
    text = tree("--view", "both", "--pod", "web")
    marked = [line for line in text.splitlines() if "≠" in line]
    assert [f"({pid})" in line for pid, line in zip((pod.shim, pod.pause, pod.app), marked, strict=True)] == [True] * 3
    worker = next(line for line in text.splitlines() if f"({pod.workers[0]})" in line)
    assert worker.endswith("  container app")


def test_a_task_with_a_name_of_its_users_choice(containerd: Containerd) -> None:
    """`ctr run`: no 64 digits anywhere; the shim's command line and the cgroup's path agree on the name."""
    ctr = ["ctr", "--address", str(containerd.socket), "--namespace", "default"]
    exported = containerd.folder / "app.tar"
    containerd.ctr("images", "export", exported, images.APP)
    run(*ctr, "images", "import", exported)
    run(*ctr, "run", "-d", "--net-host", images.APP, "db-1", "/bin/sleep", "60")
    try:
        found = processes("--container", "db-1")
        by_comm = {process["comm"]: process["container"] for process in found.values()}
        assert set(by_comm) == {"containerd-shim", "sleep"}
        assert all((c["namespace"], c["id"], c["sandbox_id"]) == ("default", "db-1", "") for c in by_comm.values())
    finally:
        run(*ctr, "task", "kill", "-s", "KILL", "db-1")
        proc.wait_until(lambda: "STOPPED" in run(*ctr, "task", "ls"), 10, "the task's end")
        subprocess.run([*ctr, "task", "rm", "db-1"], check=False, capture_output=True, timeout=30)  # 137: how it ended


_AS_NOBODY = """
import os, sys
from tracer.cli import main
import tracer.cli.tree, tracer.cli.output, tracer.filters, tracer.render.json, tracer.sources.proc_source
import tracer.reconstruct.engine, tracer.runtime.bundles, tracer.runtime.roles
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(main(["tree", "--format", "json"]))
"""


def test_without_root_the_ids_are_still_there(pod: Running) -> None:
    done = subprocess.run([sys.executable, "-c", _AS_NOBODY], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = {process["pid"]: process for process in json.loads(done.stdout)["processes"]}
    app, shim = found[pod.app], found[pod.shim]
    assert app["parent"] == pod.shim
    assert app["container"]["id"] == pod.app_id
    assert app["container"]["namespace"] == "k8s.io"
    assert app["container"]["sandbox_id"] == shim["container"]["id"] == pod.pod_id
    assert app["container"]["pod"] == app["container"]["name"] == ""
    assert found[os.getpid()]["container"] is None
