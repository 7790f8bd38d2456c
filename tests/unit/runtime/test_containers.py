"""Which container a process belongs to: by cgroup, by command line, by who created it; and who has no say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tracer import event as ev
from tracer.event import CLONE_PARENT, SIGCHLD, Event
from tracer.filters import by_container, by_pod
from tracer.graph import ProcessGraph
from tracer.reconstruct.engine import Engine
from tracer.runtime.bundles import Files
from tracer.runtime.containers import ContainerName, Names, same_id

SANDBOX = "98026388664f8480865471120998236a98026388664f8480865471120998236a"
APP = "c8b394369634a6c6755d4e9094907a92c8b394369634a6c6755d4e9094907a92"
NODE = "0" * 63 + "1"
UID = "5f978e57-133a-4d34-b1d4-f6db5a1d6ee2"
POD = f"/kubepods/burstable/pod{UID}"
UNIT = "/system.slice/containerd.service"
SHIM = "/usr/bin/containerd-shim-runc-v2"


class Story:
    """Events, each at the next line."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def fork(self, tid: int, child: int, flags: int = 0) -> None:
        self.events.append(ev.Clone(len(self.events), None, tid, child, flags, SIGCHLD))

    def run(self, tid: int, exe: str, args: str = "", *, cut: bool = False) -> None:
        self.events.append(ev.Exec(len(self.events), None, tid, tid, exe, (exe, *args.split()), cut))

    def there(self, tid: int, ppid: int, exe: str, args: str = "", cgroup: str = UNIT, start: int = 1) -> None:
        argv = (exe, *args.split())
        comm = exe.rpartition("/")[2][:15]
        at = len(self.events)
        self.events.append(ev.Snapshot(at, None, tid, tid, ppid, comm, exe, argv, start, False, (), cgroup))

    def exit(self, tid: int) -> None:
        self.events.append(ev.Exit(len(self.events), None, tid, 0))

    def graph(self) -> ProcessGraph:
        engine = Engine()
        engine.feed(self.events)
        return engine.finish()


def node() -> Story:
    """A node as /proc shows it: a pod with pause and app, and something that is in no container."""
    story = Story()
    story.there(1, 0, "/usr/lib/systemd/systemd", cgroup="/init.scope")
    story.there(10, 1, "/usr/bin/containerd")
    story.there(20, 1, SHIM, f"-namespace k8s.io -id {SANDBOX} -address /run/c.sock")
    story.there(21, 20, "/pause", cgroup=f"{POD}/{SANDBOX}")
    story.there(22, 20, "/app", cgroup=f"{POD}/{APP}")
    story.there(23, 22, "/app", cgroup=f"{POD}/{APP}/deeper")
    return story


def names_of(story: Story, names: Names | None = None) -> dict[int, ContainerName | None]:
    names = names or Names()
    return {process.tgid: names.of(process) for process in story.graph().processes}


def test_a_node_without_any_file() -> None:
    found = names_of(node())
    app = ContainerName("containerd", "k8s.io", APP, pod_uid=UID, sandbox_id=SANDBOX)
    assert found[1] is None
    assert found[10] is None
    assert found[22] == found[23] == app
    assert found[21] == app._replace(id=SANDBOX)
    assert found[21] is not None
    assert found[21].sandbox
    assert found[20] is not None
    assert (found[20].id, found[20].namespace, found[20].sandbox_id) == (SANDBOX, "k8s.io", SANDBOX)


def test_a_shim_works_for_its_container_and_pause_is_in_it() -> None:
    names = Names()
    members = {process.tgid: names.member(process) for process in node().graph().processes}
    assert [pid for pid, member in members.items() if member is not None and member.serves] == [20]


def pod_starts(*, cut: bool = False) -> Story:
    """What strace shows of containerd starting a pod, after the shim is there."""
    sandbox, app = (SANDBOX[:32], APP[:32]) if cut else (SANDBOX, APP)
    root = "--root /run/containerd/runc/k8s.io"
    story = Story()
    story.events.append(ev.Attach(0, None, 10))
    story.fork(10, 19)
    story.run(19, SHIM, f"-namespace k8s.io -id {sandbox} start", cut=cut)
    story.fork(19, 20)
    story.run(20, SHIM, f"-namespace k8s.io -id {sandbox} -address /run/c.sock", cut=cut)
    for runc, pid, container in ((30, 33, sandbox), (40, 43, app)):
        story.fork(20, runc)
        story.run(runc, "/usr/bin/runc", f"{root} create --bundle /b {container}", cut=cut)
        story.fork(runc, runc + 1)
        story.run(runc + 1, "/proc/self/fd/6", "init")
        story.fork(runc + 1, runc + 2, CLONE_PARENT)
        story.fork(runc + 2, pid, CLONE_PARENT)
        story.exit(runc + 1)
        story.exit(runc + 2)
        story.exit(runc)
        story.run(pid, "/pause" if pid == 33 else "/app")
    story.fork(43, 44)
    story.fork(20, 50)
    story.run(50, "/usr/bin/runc", f"{root} exec --process /p {app}", cut=cut)
    story.fork(50, 51)
    story.run(51, "/bin/sh", "-c date")
    return story


@pytest.mark.parametrize("cut", [False, True])
def test_a_log_tells_ids_by_lineage(cut: bool) -> None:
    found = names_of(pod_starts(cut=cut))
    sandbox, app = (SANDBOX[:32], APP[:32]) if cut else (SANDBOX, APP)
    assert found[10] is None
    ids = {pid: (name.id, name.sandbox_id) for pid, name in found.items() if name is not None}
    assert ids == {
        **dict.fromkeys([19, 20, 30, 31, 32, 33], (sandbox, sandbox)),
        **dict.fromkeys([40, 41, 42, 43, 44, 50, 51], (app, sandbox)),
    }
    assert all(name.runtime == "containerd" for name in found.values() if name is not None)


def test_a_process_found_below_a_shim_is_of_its_pod_and_of_no_container_that_is_known() -> None:
    story = pod_starts()
    story.there(60, 20, "/other", cgroup="")
    found = names_of(story)[60]
    assert found == ContainerName("containerd", "k8s.io", "", sandbox_id=SANDBOX)
    assert found.title == f"pod {SANDBOX[:12]}"


def test_below_a_shim_without_a_pod_nothing_is_known() -> None:
    story = Story()
    story.there(20, 1, SHIM, "-namespace default -id web", cgroup="/")
    story.there(21, 20, "/app", cgroup="/default/web")
    story.there(22, 20, "/app", cgroup="/default/other")
    found = names_of(story)
    assert found[21] == ContainerName("containerd", "default", "web")
    assert found[22] is None


@pytest.mark.parametrize(
    ("cgroup", "monitor_cgroup", "runtime"),
    [
        (f"/machine.slice/libpod-{APP}.scope/container", f"/machine.slice/libpod-conmon-{APP}.scope", "podman"),
        (f"/libpod_parent/libpod-{APP}", "/libpod_parent/conmon", "podman"),
        (f"{POD}/crio-{APP}.scope", f"{POD}/crio-conmon-{APP}.scope", "cri-o"),
    ],
)
def test_conmon(cgroup: str, monitor_cgroup: str, runtime: str) -> None:
    story = Story()
    name = "shop-db" if runtime == "podman" else f"k8s_app_web_shop_{UID}_0"
    story.there(20, 1, "/usr/bin/conmon", f"-c {APP} -b /nowhere -n {name}", cgroup=monitor_cgroup)
    story.there(21, 20, "/db", cgroup=cgroup)
    names = Names()
    monitor, container = (names.of(process) for process in story.graph().processes)
    assert container is not None
    assert monitor is not None
    assert monitor.id == container.id == APP
    assert container.runtime == runtime
    assert container.title == ("shop-db" if runtime == "podman" else "shop/web app")
    serves = [member.serves for p in story.graph().processes if (member := names.member(p)) is not None]
    assert serves == [True, False]


def test_docker() -> None:
    story = Story()
    story.there(20, 1, SHIM, f"-namespace moby -id {APP}")
    story.there(21, 20, "/db", cgroup=f"/system.slice/docker-{APP}.scope")
    assert names_of(story)[21] == ContainerName("docker", "moby", APP)


def test_whoever_is_in_a_container_has_no_say_about_others() -> None:
    """A process in a container calls itself a shim, for the id of another one."""
    story = node()
    story.there(30, 22, SHIM, f"-namespace k8s.io -id {SANDBOX}", cgroup=f"{POD}/{APP}")
    story.there(31, 30, "/app", cgroup=f"{POD}/{APP}")
    graph = story.graph()
    names = Names()
    by_pid = {process.tgid: names.member(process) for process in graph.processes}
    liar, below, real = by_pid[30], by_pid[31], by_pid[21]
    assert liar is not None
    assert real is not None
    assert below is not None
    assert (liar.outer_id, liar.id) == (APP, SANDBOX)
    assert (real.outer_id, real.id) == ("", SANDBOX)
    assert (below.outer_id, below.id, below.sandbox_id) == ("", APP, SANDBOX)


def test_a_node_in_a_container() -> None:
    inside = f"/docker/{NODE}/kubelet{POD}"
    story = Story()
    story.there(5, 1, SHIM, f"-namespace moby -id {NODE}")
    story.there(6, 5, "/sbin/init", cgroup=f"/docker/{NODE}/init.scope")
    story.there(20, 6, SHIM, f"-namespace k8s.io -id {SANDBOX}", cgroup=f"/docker/{NODE}{UNIT}")
    story.there(22, 20, "/app", cgroup=f"{inside}/{APP}")
    names = Names()
    found = {process.tgid: (names.of(process), names.member(process)) for process in story.graph().processes}
    name, member = found[22]
    assert name is not None
    assert member is not None
    assert (name.namespace, name.id, name.sandbox_id, member.outer_id) == ("k8s.io", APP, SANDBOX, NODE)
    shim = found[20][1]
    assert shim is not None
    assert (shim.id, shim.outer_id, shim.serves) == (SANDBOX, NODE, True)
    init = found[6][0]
    assert init is not None
    assert (init.id, init.namespace) == (NODE, "moby")


def write_bundle(root: Path, container: str, **names: str) -> Path:
    folder = root / "run/containerd/io.containerd.runtime.v2.task/k8s.io" / container
    folder.mkdir(parents=True)
    notes = {f"io.kubernetes.cri.{key.replace('_', '-')}": value for key, value in names.items()}
    (folder / "config.json").write_text(json.dumps({"annotations": notes}))
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """The usual folders, with the app's bundle. There is no /proc, as if every runtime had ended."""
    write_bundle(
        tmp_path,
        APP,
        container_type="container",
        container_name="app",
        sandbox_id=SANDBOX,
        sandbox_name="web",
        sandbox_namespace="shop",
        image_name="app:1",
    )
    (tmp_path / "proc/20").mkdir(parents=True)
    (tmp_path / "proc/20/root").symlink_to(tmp_path)
    return Files(proc=str(tmp_path / "proc"), root=str(tmp_path))


def test_names_from_the_bundle_are_kept_when_it_is_gone(files: Files, tmp_path: Path) -> None:
    names = Names(files)
    story = node()
    first = names_of(story, names)[22]
    assert first is not None
    assert (first.pod_namespace, first.pod, first.name, first.image) == ("shop", "web", "app", "app:1")
    assert first.title == "shop/web app"
    (tmp_path / f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{APP}/config.json").unlink()
    assert names_of(story, names)[22] == first
    again = Names(Files(proc="/nowhere", root=str(tmp_path / "empty")))
    again.learn(names.known())
    assert names_of(story, again)[22] == first


def test_so_many_containers_are_kept_and_no_more(files: Files) -> None:
    names = Names(files, limit=1)
    names_of(node(), names)
    names.learn([(("", SANDBOX), next(iter(names.known()))[1])])
    assert [key for key, _ in names.known()] == [("", SANDBOX)]


def test_an_id_is_never_a_way_through_folders(files: Files, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"annotations": {"io.kubernetes.cri.sandbox-id": "x"}}')
    story = Story()
    story.there(20, 1, SHIM, "-namespace k8s.io -id ../../../../..", cgroup="/")
    found = names_of(story, Names(files))[20]
    assert found is not None
    assert found.pod == found.sandbox_id == ""


def test_pods_and_containers_are_found_by_name_and_id(files: Files) -> None:
    graph = node().graph()
    names = Names(files)

    def pids(predicate: object) -> list[int]:
        assert callable(predicate)
        return [process.tgid for process in graph.processes if predicate(process)]

    assert pids(by_container(["app"], names)) == pids(by_container([APP[:8]], names)) == [22, 23]
    assert pids(by_container(["a*"], names)) == [22, 23]
    assert pids(by_container(["c8b"], names)) == []  # too short to be an id
    assert pids(by_pod([UID], names)) == [21, 22, 23]
    assert pids(by_pod([SANDBOX[:12]], names)) == [20, 21, 22, 23]
    assert pids(by_pod(["shop/w*"], names)) == pids(by_pod(["web"], names)) == [22, 23]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (APP, APP, True),
        (APP, APP[:32], True),
        (APP[:12], APP, True),
        (APP[:11], APP, False),
        (APP[:20], APP[:32], False),
        ("web", "web", True),
        ("web", "web-1", False),
        ("", "", False),
        ("", APP, False),
    ],
)
def test_cut_ids(one: str, other: str, same: bool) -> None:
    assert same_id(one, other) is same


def test_chains_of_any_length_are_followed() -> None:
    story = node()
    for pid in range(1000, 21000):
        story.fork(22 if pid == 1000 else pid - 1, pid)
    graph = story.graph()
    deepest = Names().of(graph.processes[-1])
    assert deepest is not None
    assert deepest.id == APP


def test_what_anybody_could_have_written_on_a_command_line_is_not_remembered() -> None:
    """A conmon's -n counts for what is below it, and for nobody else."""
    story = Story()
    story.there(20, 1, "/tmp/conmon", f"-c {APP} -b /nowhere -n evil", cgroup="/user.slice/user-1000.slice")
    story.there(21, 1, "/app", cgroup=f"/docker/{APP}")
    names = Names()
    found = names_of(story, names)
    assert found[20] is not None
    assert found[20].name == "evil"
    assert found[21] is not None
    assert found[21].name == ""
    assert list(names.known()) == []
