"""Which of a process's cgroups says most, by the text of /proc/PID/cgroup. Nothing is opened."""

from __future__ import annotations

import re

_CONTAINER = re.compile("[0-9a-f]{64}")


def _lines(raw: str) -> list[list[str]]:
    """Hierarchy, controllers and path. A name may have anything but a newline (cgroup_mkdir()), so no splitlines()."""
    return [fields for line in raw.split("\n") if len(fields := line.split(":", 2)) == 3]


def unified_cgroup(raw: str) -> str:
    """The path that says most in /proc/PID/cgroup: version 2's, unless it is the root and version 1 says more.

    With both (hybrid), runc before 1.0 leaves the container in its daemon's unit in version 2: a path with a
    container's 64 digits comes before all.
    """
    by_hierarchy = {controllers: path for _, controllers, path in _lines(raw)}
    telling = [name for name, path in by_hierarchy.items() if _CONTAINER.search(path)] or list(by_hierarchy)
    for wanted in ("", "name=systemd", "pids", "memory", "cpu,cpuacct", "devices"):
        if wanted in telling and by_hierarchy[wanted] != "/":
            return by_hierarchy[wanted]
    return by_hierarchy[telling[0]] if telling else ""


def hierarchy_to_follow(raw: str) -> int:
    """Id of the cgroup hierarchy whose paths tell most, by the text of a /proc/PID/cgroup; 0 is the unified one."""
    ids = {controllers: int(number) for number, controllers, _ in _lines(raw)}
    return next((ids[name] for name in ("name=systemd", "pids", "memory", "cpu,cpuacct", "devices") if name in ids), 0)
