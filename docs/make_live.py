"""The live part of the tutorial: a node in a box, a pod that starts, containerd that stops.

docs/make_outputs.py --root calls it.

The node has namespaces of its own (tests/node). `ctrace tree` looks at it from inside; eBPF sees the whole machine, so
`ctrace watch` runs outside, with the numbers of this machine.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.node import processes
from tests.node.systemd_node import SystemdNode, missing

ROOT = Path(__file__).resolve().parent.parent
SETTLED = 1.5
"""Seconds after which nothing more happens."""

Run = Callable[[str], str]
"""Runs a command on a terminal and gives what it printed (make_outputs.run_on_terminal)."""


@dataclass(slots=True)
class Scene:
    """The commands that were run, in the words of the documents, and what they printed."""

    run: Run
    outputs: dict[str, str] = field(default_factory=dict)

    def say(self, shown: str, command: str | None = None) -> None:
        """Run `command` (or what is shown, without sudo) and keep its output."""
        self.outputs[shown] = self.run(command or shown.removeprefix("sudo "))

    def watch(self, shown: str, command: str, meanwhile: Callable[[], object]) -> None:
        """The same for a command that watches while something happens; Ctrl-C ends it."""
        argv = [str(Path(sys.executable).parent / "ctrace"), *command.split()[1:]]
        environment = {**os.environ, "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
        with tempfile.TemporaryFile() as printed:
            watching = subprocess.Popen(
                argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, env=environment
            )

            def said() -> str:
                return os.pread(printed.fileno(), 1 << 24, 0).decode()

            try:
                processes.wait_until(lambda: watching.poll() is not None or "watching" in said(), 60, command)
                meanwhile()
                time.sleep(SETTLED)
                watching.send_signal(signal.SIGINT)
                watching.wait(30)
            finally:
                watching.kill()
                watching.wait()
            if watching.returncode != 0:
                raise RuntimeError(f"{command}: {watching.returncode}\n{said()}")
            # The tests' node has a number for a target; the reader has a name.
            self.outputs[shown] = re.sub(r"watching \d+:", "watching containerd:", said())


# The machine is the node: its processes, cgroups and /run, but this machine's Python. systemctl takes a root that is
# not PID 1's for a chroot, hence the variable.
_ON_THE_NODE = (
    "nsenter --target {pid} --pid --cgroup --uts unshare --mount bash -ec '"
    "mount -t proc proc /proc; mount -t tmpfs tmpfs /run; ln -s /proc/1/root/run/* /run; "
    "export SYSTEMD_IGNORE_CHROOT=1; exec {command}'"
)


def play(run: Run) -> Mapping[str, str]:
    """All of it; outputs by the command that the documents show. Raises RuntimeError where no node can run."""
    reason = missing()
    if reason:
        raise RuntimeError(f"no node can run here: {reason}")
    scene = Scene(run)
    with SystemdNode.boot() as node:

        def say(shown: str, options: str = "--subtree 1") -> None:
            scene.say(shown, _ON_THE_NODE.format(pid=node.pid, command=f"{shown.removeprefix('sudo ')} {options}"))

        containerd = node.host_pid(node.unit_pid("containerd.service"))
        scene.watch(
            "sudo ctrace watch containerd --format lines --width 110",
            f"ctrace watch {containerd} --format lines --width 110",
            lambda: start_pod(node),
        )
        say("sudo ctrace tree")
        say("sudo ctrace whatif stop containerd.service", "")
        node.stop_containerd()
        say("sudo ctrace tree --view both")
        node.start_containerd()
    return scene.outputs


def start_pod(node: SystemdNode) -> None:
    """Pause and an application with two workers."""
    pod = node.cri.run_pod("web")
    app = node.host_pid(node.cri.run_container(pod).pid)
    processes.wait_for_workers(app)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from docs.make_outputs import run_on_terminal

    for shown, output in play(run_on_terminal).items():
        print(f"$ {shown}\n{output}")
