"""Nothing of a test node outlives the test run, even one that ends by SIGKILL.

A guard is a process of its own that waits for the end of its standard input, which the test run holds, and then
cleans up: `python -m tests.node.guard CGROUP FOLDER`.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.node import processes
from tests.node.cgroups import Cgroup

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def guarding(cgroup: Cgroup, folder: Path) -> Iterator[None]:
    """At the end of the block, or of this process: no process in the cgroup, no cgroup, no mount and no folder."""
    guard = subprocess.Popen(
        [sys.executable, "-m", "tests.node.guard", cgroup.name, folder],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,  # Ctrl-C is for the test run alone
    )
    try:
        cgroup.create()
        yield
    finally:
        clean(cgroup, folder)
        guard.communicate(timeout=30)


def clean(cgroup: Cgroup, folder: Path) -> None:
    """End what is in the cgroup, then remove it and the folder; nothing to do is fine."""
    for _ in range(5):
        if not (pids := cgroup.pids()):
            break
        processes.kill(pids)  # what was being forked meanwhile comes next round
    cgroup.remove()
    _unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _unmount_below(folder: Path) -> None:
    """What killed containers left mounted, innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", point], check=False, timeout=10)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    clean(Cgroup(sys.argv[1]), Path(sys.argv[2]))
