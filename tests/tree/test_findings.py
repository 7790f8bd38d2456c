"""Every finding, triggered for real; and none where nothing is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.node import containerd as private
from tests.node import images
from tests.node import processes as proc
from tests.node.conftest import skip_or_fail
from tests.node.containerd import Containerd, configuration
from tests.tree.running import compiled, ctrace, findings, run

pytestmark = pytest.mark.node

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.fixture(autouse=True)
def empty(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test finds another one's pods."""
    yield
    if "containerd" in request.fixturenames:
        containerd: Containerd = request.getfixturevalue("containerd")
        containerd.cri.remove_all()
        proc.wait_until(lambda: not containerd.shims(), 10, "the end of the shims")


def running_app(containerd: Containerd) -> int:
    app = containerd.cri.run_container(containerd.cri.run_pod("web", namespace="shop")).pid
    proc.wait_for_workers(app)
    return app


def test_nothing_is_found_about_a_healthy_pod(containerd: Containerd) -> None:
    running_app(containerd)
    assert findings("--pod", "web") == []
    assert ctrace("tree", "--findings", "--pod", "web").out == "Nothing found.\n"


def test_a_zombie_and_who_owes_the_wait(tmp_path: Path) -> None:
    with subprocess.Popen([compiled("zombie_parent", tmp_path)]) as parent:
        try:
            proc.wait_until(lambda: [c.state for c in proc.children(parent.pid)] == ["Z"], 5, "the zombie")
            (zombie,) = [child.pid for child in proc.children(parent.pid)]
            (found,) = findings("--pid", zombie)
            assert findings("--pid", parent.pid) == [found]
        finally:
            parent.kill()
    assert found["kind"] == "zombies"
    assert (found["process"]["pid"], [other["pid"] for other in found["others"]]) == (parent.pid, [zombie])
    assert f"zombie_parent ({parent.pid}) has not called wait" in found["message"]


def test_a_zombie_that_is_reaped_soon_is_none(tmp_path: Path) -> None:
    """It is there at the first look and not at the second."""
    script = "import os, time\nif os.fork() == 0: os._exit(0)\ntime.sleep(0.9)\nos.wait()\ntime.sleep(9)"
    with subprocess.Popen(["python3", "-c", script]) as parent:
        try:
            proc.wait_until(lambda: [c.state for c in proc.children(parent.pid)] == ["Z"], 5, "the zombie")
            assert findings("--pid", parent.pid) == []
        finally:
            parent.kill()


def test_pid_1_of_a_container_that_does_not_reap(containerd: Containerd) -> None:
    app = running_app(containerd)
    os.kill(app, signal.SIGUSR2)
    proc.wait_until(lambda: any(child.state == "Z" for child in proc.children(app)), 5, "a zombie")
    (found,) = findings("--pod", "web")
    assert (found["kind"], found["process"]["pid"]) == ("init-does-not-reap", app)
    assert [other["name"] for other in found["others"]] == ["app-orphan"]
    assert "PID 1 of container shop/web app" in found["message"]
    assert "shareProcessNamespace" in found["advice"]


def test_a_shim_without_a_child(containerd: Containerd) -> None:
    containerd.ctr("run", "-d", "--net-host", images.APP, "short", "/bin/true")
    try:
        (shim,) = containerd.shims()
        proc.wait_until(lambda: not proc.children(shim), 5, "the container's end")
        (found,) = findings("--pid", shim)
        assert found["kind"] == "childless-shim"
        assert "ctr -n k8s.io task rm short" in found["advice"]
    finally:
        containerd.ctr("task", "rm", "short")  # the advice
        containerd.ctr("container", "rm", "short")
    proc.wait_until(lambda: not containerd.shims(), 5, "the shim's end")


def test_containers_whose_shim_is_gone(containerd: Containerd) -> None:
    app = running_app(containerd)
    (shim,) = containerd.shims()
    containerd.stop()
    try:
        proc.kill([shim])
        (found,) = findings("--pid", app)
        assert (found["kind"], found["process"]["name"]) == ("lost-shim", "pause")
        assert [other["pid"] for other in found["others"]] == [app]
    finally:
        containerd.run()  # the advice
    proc.wait_until(lambda: not proc.alive(app), 20, "the end of the application")


def test_a_process_that_left_its_containers_cgroup(containerd: Containerd) -> None:
    app = running_app(containerd)
    os.kill(app, signal.SIGUSR1)
    proc.wait_until(lambda: any(c.comm == "app-orphan" for c in proc.children(app)), 5, "the orphan")
    (orphan,) = [child.pid for child in proc.children(app) if child.comm == "app-orphan"]
    for folder in containerd.cgroup.folders:
        (folder / "daemon" / "cgroup.procs").write_text(str(orphan))
    (found,) = findings("--pod", "web")
    assert (found["kind"], found["process"]["pid"]) == ("escaped-cgroup", orphan)
    assert "belongs to container shop/web app" in found["message"]
    assert "it ends with PID 1 of the container" in found["message"]


def test_a_shim_under_another_shim(containerd: Containerd) -> None:
    """A containerd in a container without a pid namespace of its own: the outer shim is the nearest subreaper."""
    inner = containerd.folder / "inner"
    deep = f"deep-{os.getpid()}"
    for name in ("root", "state", "scratch/opt", "scratch/cni/bin", "scratch/cni/net.d"):
        (inner / name).mkdir(parents=True)
    config = configuration(inner / "root", inner / "state", inner / "sock", inner / "scratch")
    (inner / "config.toml").write_text(config)
    mount = "type=bind,src=/,dst=/host,options=rbind:rw"
    host = ["--privileged", "--net-host", "--with-ns", f"pid:/proc/{os.getpid()}/ns/pid", "--mount", mount]
    daemon = ["/bin/busybox", "chroot", "/host", "containerd", "--config", str(inner / "config.toml")]
    containerd.ctr("run", "-d", *host, images.APP, "agent", *daemon)
    try:
        (outer,) = containerd.shims()
        ctr = ["ctr", "--address", str(inner / "sock"), "--namespace", "default"]
        proc.wait_until((inner / "sock").exists, 20, "the inner containerd")
        containerd.ctr("images", "export", inner / "app.tar", images.APP)
        run(*ctr, "images", "import", inner / "app.tar")
        run(*ctr, "run", "-d", "--net-host", images.APP, deep, "/bin/sleep", "60")
        (shim,) = [child.pid for child in proc.children(outer) if child.comm == "containerd-shim"]
        (found,) = findings("--pid", shim)
        assert (found["kind"], [other["pid"] for other in found["others"]]) == ("nested-shim", [outer])
        assert "runs in container agent" in found["message"]
    finally:
        proc.kill(proc.descendants(*containerd.shims()))
        # `ctr run` takes no state folder from a configuration: that of the killed one is runc's usual.
        subprocess.run(["runc", "--root", "/run/containerd/runc/default", "delete", "--force", deep], check=False)
        proc.wait_until(lambda: "STOPPED" in containerd.ctr("task", "ls"), 10, "the end of the agent")
        containerd.ctr("task", "rm", "agent")
        containerd.ctr("container", "rm", "agent")
        proc.kill(containerd.shims())


def test_a_shim_under_containerd_itself() -> None:
    """containerd as PID 1 of a pid namespace inherits what `shim start` leaves behind."""
    if reason := private.missing():
        skip_or_fail(reason)
    with Containerd.start(prefix=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")) as containerd:
        containerd.cri.run_pod("web", namespace="shop")
        (shim,) = containerd.shims()
        (found,) = findings("--pod", "web")
        assert (found["kind"], found["process"]["pid"]) == ("nested-shim", shim)
        assert found["others"][0]["pid"] == containerd.pid
        assert "PID 1 of its pid namespace" in found["message"]


@pytest.fixture
def pdeath_log(tmp_path: Path) -> tuple[Path, list[int]]:
    """What strace says of programs/pdeath_threads.c until it waits; and the pids that it wrote."""
    log = tmp_path / "strace.log"
    program = compiled("pdeath_threads", tmp_path)
    command = ["strace", "-f", "-tt", "-e", "trace=process,prctl", "-o", str(log), str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tracer:
        assert tracer.stdout is not None
        numbers = [int(word) for word in tracer.stdout.readline().split()]
        time.sleep(0.1)
        copied = tmp_path / "running.log"
        copied.write_bytes(log.read_bytes())
        (tracee,) = [child.pid for child in proc.children(tracer.pid)]
        os.kill(tracee, signal.SIGTERM)
    assert len(numbers) == 3
    return copied, numbers


def test_a_pdeath_signal_of_a_thread(pdeath_log: tuple[Path, list[int]]) -> None:
    log, (of_main, staying, ended) = pdeath_log
    ran = ctrace("replay", "--findings", "--format", "json", log, code=3)
    found = [f for f in json.loads(ran.out)["findings"] if f["kind"] == "pdeath-thread"]
    messages = {f["process"]["pid"]: f["message"] for f in found}
    assert f"({staying}) gets SIGKILL when thread " in messages[staying]
    assert f"({ended}) was killed by SIGKILL, its pdeath_signal" in messages[ended]
    assert messages.keys() == {staying, ended}, f"not {of_main}, which the main thread created"


def test_watch_tells_at_its_end(containerd: Containerd) -> None:
    app = running_app(containerd)
    os.kill(app, signal.SIGUSR2)
    proc.wait_until(lambda: any(child.state == "Z" for child in proc.children(app)), 5, "a zombie")
    ran = ctrace("watch", containerd.pid, "--findings", "--duration", "2s", "--format", "jsonl", code=None)
    if ran.code == 1:
        skip_or_fail(ran.err)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    (found,) = [line for line in lines if line["event"] == "finding"]
    assert (found["kind"], found["process"]["pid"], ran.code) == ("init-does-not-reap", app, 3)
    assert lines[-1]["event"] == "end"
    jsonschema.validate(found, json.loads((REFERENCE / "events.schema.json").read_text()))


def test_the_document_is_as_its_schema_says(tmp_path: Path) -> None:
    with subprocess.Popen([compiled("zombie_parent", tmp_path)]) as parent:
        try:
            proc.wait_until(lambda: [c.state for c in proc.children(parent.pid)] == ["Z"], 5, "the zombie")
            ran = ctrace("tree", "--findings", "--format", "json", "--pid", parent.pid, code=3)
            text = ctrace("tree", "--findings", "--pid", parent.pid, code=3).out
        finally:
            parent.kill()
    document = json.loads(ran.out)
    jsonschema.validate(document, json.loads((REFERENCE / "findings.schema.json").read_text()))
    assert text.startswith("zombies\n")
    assert "  → See what zombie_parent" in text
