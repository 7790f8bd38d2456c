"""A node in a box: systemd as PID 1, containerd as its unit, CRI pods; from outside it is all visible in /proc.

    with SystemdNode.boot() as node:
        pod = node.cri.run_pod("web")
        app = node.cri.run_container(pod)
        node.host_pid(app.pid)              the same process, as this machine numbers it
        node.systemctl("stop", "containerd")
        node.run("pstree", "-p").stdout
        with node.strace(node.unit_pid("containerd.service")) as log: ...

systemd-nspawn holds it, in a mount namespace and cgroups of its own.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

import grpc

from tests.compiler import cannot_compile
from tests.node import images, node_root, processes
from tests.node.cgroups import Cgroup
from tests.node.containerd import configuration, may_isolate
from tests.node.cri import Cri
from tests.node.guard import guarding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOOLS = ("systemd-nspawn", "debootstrap", "nsenter", "unshare", "busybox")
SOCKET = "run/containerd/containerd.sock"
_HALT = signal.SIGRTMIN + 3  # systemd(1): start halt.target

# Jobs that a node for a minute does not need.
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "console-getty.service",
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-firstboot.service",
    "systemd-homed.service",
    "systemd-userdbd.service",
)


def missing() -> str:
    """Why it cannot run here; '' when it can."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (scripts/install-test-tools)"
    if reason := cannot_compile("-static") or may_isolate():
        return reason
    if not node_root.root().is_dir():
        try:
            node_root.ensure()
        except (subprocess.SubprocessError, OSError) as error:
            return f"no node root, debootstrap failed: {error}"
    return ""


class SystemdNode:
    """Made by `boot()`; gone at the end of the `with` block."""

    def __init__(self, folder: Path, *, systemd_cgroup: bool = False) -> None:
        self.folder = folder
        self.systemd_cgroup = systemd_cgroup
        self.pid = 0
        """The node's systemd, as this machine numbers it."""
        self._nspawn: subprocess.Popen[bytes] | None = None
        self.cgroup = Cgroup(folder.name)
        """All of the node is in it."""
        self._cri: Cri | None = None

    @classmethod
    @contextlib.contextmanager
    def boot(cls, timeout: float = 60, *, systemd_cgroup: bool = False) -> Iterator[Self]:
        """Until containerd.service is active and has the images. Raises TimeoutError with the console's end.

        `systemd_cgroup`: runc asks systemd for a scope per container, in kubepods.slice, as kubeadm sets it up;
        otherwise it makes cgroups itself below /kubepods.
        """
        base = node_root.ensure()
        node = cls(Path(tempfile.mkdtemp(prefix="ctrace-node-")), systemd_cgroup=systemd_cgroup)
        with guarding(node.cgroup, node.folder):
            try:
                node._furnish()
                node._start(base)
                node._wait_for_systemd(timeout)
                node._mend_cgroups()
                node._wait_for_containerd(timeout)
                yield node
            finally:
                node._shut_down()

    # Inside

    def run(
        self, *command: str | Path, timeout: float = 60, check: bool = True, cwd: str = "/"
    ) -> subprocess.CompletedProcess[str]:
        """A command inside, output captured. Raises CalledProcessError unless `check` is false, TimeoutExpired."""
        return subprocess.run(
            self.inside(*command, cwd=cwd), check=check, timeout=timeout, capture_output=True, text=True
        )

    def inside(self, *command: str | Path, cwd: str = "/") -> list[str]:
        """The command line that runs `command` inside, for subprocess."""
        environment = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=xterm")
        enter = ("nsenter", "--target", str(self.pid), "--all", f"--wd={self.path(cwd)}")
        return [*enter, *environment, *map(str, command)]

    def path(self, inside: str | Path) -> Path:
        """A path of the node, as this machine can open it while the node runs."""
        return Path(f"/proc/{self.pid}/root") / str(inside).lstrip("/")

    def systemctl(self, *arguments: str) -> str:
        return self.run("systemctl", "--no-pager", *arguments).stdout

    def unit_pid(self, unit: str) -> int:
        """MainPID as the node numbers it; 0 when stopped."""
        return int(self.systemctl("show", "--property=MainPID", "--value", unit))

    def stop_containerd(self) -> None:
        self.systemctl("stop", "containerd.service")

    def start_containerd(self) -> None:
        self.systemctl("start", "containerd.service")
        self.cri.wait_ready(20)

    @property
    def cri(self) -> Cri:
        """The CRI; its pids are the node's (see `host_pid`)."""
        if self._cri is None:
            self._cri = Cri(self.path(SOCKET), systemd_cgroup=self.systemd_cgroup)
        return self._cri

    # Both sides

    def members(self) -> dict[int, processes.Process]:
        """All of the node's, by their number on this machine, systemd (`pid`) among them."""
        wanted = {self.pid, *processes.descendants(self.pid)}
        return {pid: process for pid, process in processes.snapshot().items() if pid in wanted}

    def host_pid(self, inside: int) -> int:
        """The number on this machine of a pid of the node. Raises ProcessLookupError."""
        level = len(self._systemd().ns_pids) - 1
        for process in self.members().values():
            if len(process.ns_pids) > level and process.ns_pids[level] == inside:
                return process.pid
        raise ProcessLookupError(f"no process {inside} in the node")

    def inside_pid(self, host: int) -> int:
        """The number in the node of a pid of this machine. Raises ProcessLookupError."""
        process, level = processes.read(host), len(self._systemd().ns_pids) - 1
        if process is None or len(process.ns_pids) <= level:
            raise ProcessLookupError(f"process {host} is not in the node")
        return process.ns_pids[level]

    def _systemd(self) -> processes.Process:
        systemd = processes.read(self.pid)
        if systemd is None:
            raise ProcessLookupError("the node is down")
        return systemd

    @contextlib.contextmanager
    def strace(
        self, pid: int, *options: str, output: str = "/var/tmp/strace.log", timeout: float = 10
    ) -> Iterator[Path]:
        """strace inside, attached to `pid` (as the node numbers it) with `-f -o OUTPUT` and these options.

        Yields the log as this machine can open it, once strace has attached to every thread; at the end strace
        detaches and the log is complete. To keep it, copy it before the node is shut down.
        """
        command = self.inside("strace", "-f", "-p", str(pid), "-o", output, *options)
        with (self.folder / "strace.stderr").open("w+b") as messages:
            tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages)
            try:
                target = self.host_pid(pid)
                processes.wait_until(
                    lambda: tracer.poll() is not None or _all_traced(target), timeout, f"strace attaching to {pid}"
                )
                if tracer.poll() is not None:
                    messages.seek(0)
                    raise RuntimeError(f"strace ended: {messages.read().decode(errors='replace')}")
                yield self.path(output)
            finally:
                self._end_strace(tracer, timeout)

    def _end_strace(self, tracer: subprocess.Popen[bytes], timeout: float) -> None:
        """nsenter forks, so the strace to stop is its child. SIGINT makes it detach and finish its file."""
        for pid in processes.descendants(tracer.pid):
            process = processes.read(pid)
            if process is not None and process.comm == "strace":
                os.kill(pid, signal.SIGINT)
        try:
            tracer.wait(timeout)
        except subprocess.TimeoutExpired:
            processes.kill([*processes.descendants(tracer.pid), tracer.pid])
            tracer.wait(5)

    # Up and down

    def _furnish(self) -> None:
        """What differs from the base: the overlay's upper layer, written before it is mounted."""
        upper, state = self.folder / "upper", self.folder / "containerd"
        for folder in (upper / "etc/containerd", upper / "etc/systemd/system", upper / "opt/images", state):
            folder.mkdir(parents=True)
        for folder in (upper, upper / "etc", upper / "opt"):
            folder.chmod(0o755)
        (self.folder / "work").mkdir()
        (self.folder / "root").mkdir()
        places = Path("/var/lib/containerd"), Path("/run/containerd"), Path("/" + SOCKET), Path("/opt")
        config = configuration(*places, systemd_cgroup=self.systemd_cgroup)
        (upper / "etc/containerd/config.toml").write_text(config)
        (upper / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 node\n")
        (upper / "etc/hostname").write_text("node\n")
        (upper / "etc/resolv.conf").write_text("")
        # What ignores SIGTERM must not hold up the end of the node.
        (upper / "etc/systemd/system.conf").write_text("[Manager]\nDefaultTimeoutStopSec=3s\n")
        for unit in _MASKED:
            (upper / "etc/systemd/system" / unit).symlink_to("/dev/null")
        images.build(upper / "opt/images")

    def _start(self, base: Path) -> None:
        layers = f"lowerdir={base},upperdir={self.folder}/upper,workdir={self.folder}/work"
        # Mounted in a mount namespace of its own: nothing to unmount, however this ends.
        mount = f'mount -t overlay node -o {shlex.quote(layers)} {shlex.quote(str(self.folder / "root"))}\nexec "$@"'
        nspawn = (
            "systemd-nspawn",
            f"--directory={self.folder / 'root'}",
            f"--bind={self.folder / 'containerd'}:/var/lib/containerd",
            "--machine=node",
            "--register=no",
            "--keep-unit",
            "--boot",
            "--private-network",
            "--capability=all",
            "--system-call-filter=add_key keyctl bpf",
            "--console=pipe",
        )
        with (self.folder / "console").open("wb") as console:
            self._nspawn = subprocess.Popen(
                self.cgroup.starting(["unshare", "--mount", "sh", "-ec", mount, "sh", *nspawn]),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )

    def _wait_for_systemd(self, timeout: float) -> None:
        assert self._nspawn is not None
        nspawn = self._nspawn

        def found() -> bool:
            if nspawn.poll() is not None:
                raise RuntimeError(f"systemd-nspawn ended with {nspawn.returncode}\n{self._console()}")
            for pid in processes.descendants(nspawn.pid):
                process = processes.read(pid)
                if process is not None and process.comm == "systemd" and process.ns_pids[-1] == 1:
                    self.pid = pid
            # The private socket is there once systemd takes orders.
            return self.pid != 0 and self.path("/run/systemd/private").exists()

        self._wait(found, timeout, "the node's systemd")

    def _mend_cgroups(self) -> None:
        """systemd-nspawn mounts the controllers of cgroup v1 read-only, and runc needs to write there."""
        self.run("sh", "-c", "for d in /sys/fs/cgroup/*/; do mount -o remount,rw,bind $d; done", check=False)

    def _wait_for_containerd(self, timeout: float) -> None:
        def active() -> bool:
            answer = self.run("systemctl", "is-active", "containerd.service", check=False)
            return answer.stdout.strip() == "active"

        self._wait(active, timeout, "containerd.service")
        self.cri.wait_ready(timeout)
        self.run("sh", "-ec", "for a in /opt/images/*.tar; do ctr -n k8s.io images import $a; done")

    def _wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        try:
            processes.wait_until(condition, timeout, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self._console()}") from error

    def _console(self) -> str:
        return (self.folder / "console").read_text(errors="replace")[-3000:]

    def _shut_down(self, timeout: float = 10) -> None:
        """Pods, then systemd's own shutdown; each bounded in time. The guard ends what did not obey."""
        if self._cri is not None:
            if self.pid and processes.alive(self.pid):
                with contextlib.suppress(grpc.RpcError):
                    self._cri.call("Version", {}, timeout=1)
                    self._cri.timeout = timeout
                    self._cri.remove_all()
            self._cri.close()
        if self.pid:
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                os.kill(self.pid, _HALT)
                processes.wait_until(lambda: not processes.alive(self.pid), timeout, "halt of the node")
        if self._nspawn is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._nspawn.wait(2)
            if self._nspawn.poll() is None:
                processes.kill(self.cgroup.pids())
                self._nspawn.wait(5)


def _all_traced(pid: int) -> bool:
    """Every thread has a tracer."""
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if "\nTracerPid:\t0\n" in status.read_text():
                return False
    return True
