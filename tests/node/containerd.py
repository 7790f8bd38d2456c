"""A containerd of our own on this machine: own root, state, socket and configuration; gone without trace at the end.

    with Containerd.start() as containerd:
        pod = containerd.cri.run_pod("web")
        app = containerd.cri.run_container(pod)

Its shims belong to whoever is the nearest subreaper above this process. For systemd as PID 1: systemd_node.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

import grpc

from tests.compiler import cannot_compile
from tests.node import images, processes
from tests.node.cgroups import Cgroup
from tests.node.cri import Cri
from tests.node.guard import guarding

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = ("unshare", "containerd", "containerd-shim-runc-v2", "runc", "ctr", "busybox")


def missing() -> str:
    """Why it cannot run here; '' when it can."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (scripts/install-test-tools)"
    return cannot_compile("-static") or may_isolate()


def may_isolate() -> str:
    """Why cgroups and mounts cannot be made here (in an unprivileged container, say); '' when they can."""
    if reason := Cgroup("ctrace").missing():
        return reason
    unshare = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True, text=True, timeout=10)
    return unshare.stderr.strip()


def configuration(root: Path, state: Path, socket: Path, scratch: Path, *, systemd_cgroup: bool = False) -> str:
    """A version 2 configuration for pods with host networking. `scratch` holds what would else go to /opt and /etc."""
    return f"""\
version = 2
root = "{root}"
state = "{state}"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{scratch}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{images.PAUSE}"
  # A container or a VM may lack CAP_SYS_RESOURCE, which a lower oom_score_adj would need.
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{scratch}/cni/bin"
  conf_dir = "{scratch}/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = {str(systemd_cgroup).lower()}
  Root = "{state}/runc"
"""


class Containerd:
    """Started by `start()`; stopped, with everything under it, at the end of the `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "containerd.sock"
        self.log = folder / "containerd.log"
        self.cgroup = Cgroup(folder.name)
        """Everything that this containerd starts is in it, and it itself."""
        self.cri = Cri(self.socket, cgroup_root=f"/{folder.name}")
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextlib.contextmanager
    def start(cls, prefix: tuple[str, ...] = ()) -> Iterator[Self]:
        """`prefix` goes before containerd's command line, for example `("strace", "-f", "-o", "FILE")`."""
        folder = Path(tempfile.mkdtemp(prefix="ctrace-containerd-"))
        containerd = cls(folder)
        with guarding(containerd.cgroup, folder):
            try:
                containerd._prepare()
                containerd.run(prefix)
                containerd._import_images()
                yield containerd
            finally:
                containerd._clean_up()

    @property
    def pid(self) -> int:
        """Of containerd itself (not of a prefix command around it)."""
        if self._process is None:
            raise ProcessLookupError("containerd is stopped")
        candidates = [self._process.pid, *processes.descendants(self._process.pid)]
        for pid in candidates:
            process = processes.read(pid)
            if process is not None and process.comm == "containerd":
                return pid
        raise ProcessLookupError(f"containerd ended, see {self.log}")

    def run(self, prefix: tuple[str, ...] = ()) -> None:
        """Start the daemon (again) and wait until it answers."""
        with self.log.open("ab") as log:
            command = [*prefix, "containerd", "--config", str(self.folder / "config.toml")]
            self._process = subprocess.Popen(
                # A leaf of its own: in cgroup v2 one with processes gives no controllers to those below it.
                self.cgroup.starting(command, "daemon"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        try:
            self.cri.wait_ready(20)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log.read_text(errors='replace')[-2000:]}") from error

    def stop(self, timeout: float = 10) -> None:
        """End the daemon alone, as `systemctl stop containerd` does; the containers live on."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def ctr(self, *arguments: str | Path, timeout: float = 60) -> str:
        """containerd's own client, in the namespace of the CRI."""
        command = ["ctr", "--address", self.socket, "--namespace", "k8s.io", *arguments]
        return subprocess.run(command, check=True, timeout=timeout, capture_output=True, text=True).stdout

    def shims(self) -> list[int]:
        """The serving shims' pids, also when containerd does not run: their command line names our socket."""
        return [p.pid for p in processes.snapshot().values() if p.comm == "containerd-shim" and self._ours(p.pid)]

    def _ours(self, pid: int) -> bool:
        try:
            return os.fsencode(self.socket) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False

    def _prepare(self) -> None:
        scratch = self.folder / "scratch"
        for name in ("root", "state", "scratch/opt", "scratch/cni/bin", "scratch/cni/net.d"):
            (self.folder / name).mkdir(parents=True)
        text = configuration(self.folder / "root", self.folder / "state", self.socket, scratch)
        (self.folder / "config.toml").write_text(text)

    def _import_images(self) -> None:
        with tempfile.TemporaryDirectory(prefix="ctrace-images-") as folder:
            for archive in images.build(Path(folder)).values():
                self.ctr("images", "import", archive)

    def _clean_up(self) -> None:
        """Containers first, then the daemon; each bounded in time. The guard ends what did not obey."""
        if self._process is not None and self._process.poll() is None:
            self.cri.timeout = 15
            with contextlib.suppress(grpc.RpcError):
                self.cri.remove_all()
        self.cri.close()
        self.stop()
