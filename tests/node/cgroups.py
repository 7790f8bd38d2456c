"""A cgroup for one test node, in every mounted hierarchy (v1, v2, or both): its fence and its list of pids."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from pathlib import Path


class Cgroup:
    """`name` below the root of each hierarchy."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folders = [mount / name for mount in _hierarchies()]

    def missing(self) -> str:
        """Why it cannot be made here; '' when it can."""
        closed = [str(folder.parent) for folder in self.folders if not os.access(folder.parent, os.W_OK)]
        if closed:
            return f"read-only: {', '.join(closed)}"
        return "" if self.folders else "no cgroups mounted"

    def create(self) -> None:
        """Raises OSError where cgroups cannot be made."""
        for folder in self.folders:
            folder.mkdir()
            _inherit_cpuset(folder)

    def starting(self, command: list[str], leaf: str = "") -> list[str]:
        """A command line that enters the cgroup (or `leaf` in it) and becomes `command`."""
        folders = [folder / leaf for folder in self.folders]
        for folder in folders:
            folder.mkdir(exist_ok=True)
            _inherit_cpuset(folder)
        script = "\n".join(f"echo $$ > {shlex.quote(str(folder))}/cgroup.procs" for folder in folders)
        return ["sh", "-ec", f'{script}\nexec "$@"', "sh", *command]

    def exists(self) -> bool:
        return any(folder.exists() for folder in self.folders)

    def pids(self) -> list[int]:
        """All processes in it and below, as any hierarchy lists them."""
        found: set[int] = set()
        for folder in self.folders:
            for file in folder.glob("**/cgroup.procs"):
                # EOPNOTSUPP: a threaded cgroup lists no processes.
                with contextlib.suppress(OSError):
                    found.update(map(int, file.read_text().split()))
        return sorted(found - {0})

    def remove(self) -> None:
        """Innermost first; quietly leaves one that is still in use after half a second."""
        for _ in range(25):
            self._remove_empty()
            if not self.exists():
                return
            time.sleep(0.02)  # the last processes leave their cgroups a little after their end

    def _remove_empty(self) -> None:
        for folder in self.folders:
            below = [path for path in folder.glob("**/") if path.is_dir()]
            for path in sorted(below, key=lambda p: len(p.parts), reverse=True):
                with contextlib.suppress(OSError):
                    path.rmdir()


def _hierarchies() -> list[Path]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.split()[0] in ("cgroup", "cgroup2"):
            found.append(Path(fields.split()[4]))
    # One controller can be mounted twice, or two at one place by links.
    return sorted({path.resolve() for path in found})


def _inherit_cpuset(folder: Path) -> None:
    """A new cpuset of cgroup v1 is empty and takes no process before it has CPUs and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        own, above = folder / name, folder.parent / name
        if own.exists() and above.exists() and not own.read_text().strip():
            own.write_text(above.read_text())
