"""A node to try things on by hand: boots it, starts pods, opens a shell inside; all is gone when the shell ends.

sudo .venv/bin/python -m tests.node.shell [--pods N] [--shared-pids] [COMMAND...]
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys

from tests.node import processes, systemd_node
from tests.node.cri import PidMode
from tests.node.systemd_node import SystemdNode


def main() -> int:
    """The shell's exit code; 1 where no node can run."""
    parser = argparse.ArgumentParser(prog="python -m tests.node.shell", description=__doc__.splitlines()[0])
    parser.add_argument("--pods", type=int, default=1, help="pods to start, each with pause and an application")
    parser.add_argument("--shared-pids", action="store_true", help="one pid namespace for the whole pod")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="run this inside instead of a shell")
    arguments = parser.parse_args()
    if reason := systemd_node.missing():
        print(f"no node can run here: {reason}", file=sys.stderr)
        return 1
    # So that the node is shut down when this is ended from outside, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with SystemdNode.boot() as node:
        for number in range(1, arguments.pods + 1):
            start_pod(node, f"web-{number}", PidMode.POD if arguments.shared_pids else PidMode.CONTAINER)
        containerd = node.host_pid(node.unit_pid("containerd.service"))
        print(f"node's systemd: {node.pid} on this machine; containerd: {containerd}", file=sys.stderr)
        print(f"folder: {node.folder}", file=sys.stderr)
        print(f"CRI socket: {node.path(systemd_node.SOCKET)}", file=sys.stderr)
        return subprocess.run(node.inside(*(arguments.command or ["bash"]), cwd="/root"), check=False).returncode


def start_pod(node: SystemdNode, name: str, mode: PidMode) -> None:
    """Pause and the application, its workers running."""
    pod = node.cri.run_pod(name, pid_mode=mode)
    app = node.host_pid(node.cri.run_container(pod).pid)
    processes.wait_for_workers(app)
    print(f"pod {name}: app {app}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
