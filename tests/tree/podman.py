"""A podman of the test's own: storage, state and containers in one folder; all gone at the end.

conmon and runc are the real ones. Needs no network: the image is built here (tests/node/images.py).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.compiler import cannot_compile
from tests.node import images, processes
from tests.node.cgroups import Cgroup
from tests.node.guard import guarding
from tests.tree.running import run

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = ("podman", "conmon", "runc", "busybox")

# Without CAP_SYS_RESOURCE (a container, some VMs) the limits that podman asks for cannot be set.
_RUNC = """\
#!/bin/sh
previous=
for word; do
	[ "$previous" = --bundle ] && python3 - "$word/config.json" <<'END'
import json, sys
config = json.load(open(sys.argv[1]))
config["process"].pop("rlimits", None)
json.dump(config, open(sys.argv[1], "w"))
END
	previous=$word
done
exec RUNC "$@"
"""


def missing() -> str:
    """Why it cannot run here; '' when it can."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (apt-get install podman conmon runc busybox-static)"
    return cannot_compile("-static")


class Podman:
    """Made by `start()`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        runtime = folder / "bin" / "runc"  # podman goes by the name
        runtime.write_text(_RUNC.replace("RUNC", str(shutil.which("runc"))))
        runtime.chmod(0o755)
        self._command = (
            *("podman", "--root", folder / "root", "--runroot", folder / "run", "--tmpdir", folder / "tmp"),
            *("--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", runtime),
            *("--runtime-flag", f"root={folder / 'runc'}"),
        )

    @classmethod
    @contextlib.contextmanager
    def start(cls) -> Iterator[Self]:
        """With the application's image."""
        folder = Path(tempfile.mkdtemp(prefix="ctrace-podman-"))
        podman = cls(folder)
        with guarding(Cgroup(folder.name), folder):
            try:
                archives = images.build(folder)
                podman("load", "--input", archives[images.APP])
                yield podman
            finally:
                command = [*podman._command, "rm", "--all", "--force", "--time", "1"]
                subprocess.run(command, check=False, capture_output=True, timeout=60)

    def __call__(self, *words: str | Path) -> str:
        """Run podman; what it prints. Raises AssertionError with all that it said."""
        return run(*self._command, *words).strip()

    def run_app(self, name: str) -> tuple[str, int]:
        """Start the application; (container id, pid of its first process)."""
        container = self(
            "run",
            "--detach",
            "--name",
            name,
            "--network",
            "host",
            "--cgroup-parent",
            f"/{self.folder.name}",
            images.APP,
        )
        pid = int(self("inspect", "--format", "{{.State.Pid}}", container))
        processes.wait_for_workers(pid)
        return container, pid
