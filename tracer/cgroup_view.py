"""Processes by cgroup, as `systemctl status` and systemd-cgls group them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.graph import DEAD, Process, ProcessGraph
from tracer.runtime.cgroup import components


@dataclass(slots=True, eq=False)
class Folder:
    """A cgroup."""

    path: str
    """`/` for the root; '' for those whose cgroup is not known."""
    name: str
    """What is drawn: the path's last part, or several where nothing branches between."""
    folders: dict[str, Folder] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    """In order of start."""


class Row(NamedTuple):
    """A line to draw."""

    item: Folder | Process
    depth: int
    last: bool
    """Nothing is drawn after it at its level."""


def build(graph: ProcessGraph, keep: Collection[Process] | None = None) -> list[Folder]:
    """The root cgroup with all below it, and one folder more for processes whose cgroup is not known."""
    root, unknown = Folder("/", "/"), Folder("", "cgroup not known")
    chosen = graph.processes if keep is None else keep
    for process in chosen:
        if process.state is not DEAD:
            folder = _folder(root, process.cgroup) if process.cgroup else unknown
            folder.processes.append(process)
    _join_chains(root)
    return [folder for folder in (root, unknown) if folder.folders or folder.processes]


def _folder(root: Folder, path: str) -> Folder:
    folder = root
    for part in components(path):
        below = folder.folders.get(part)
        if below is None:
            below = folder.folders[part] = Folder(f"{folder.path.rstrip('/')}/{part}", part)
        folder = below
    return folder


def _join_chains(root: Folder) -> None:
    """A folder with nothing but one folder in it is drawn together with that."""
    todo = [root]
    while todo:
        folder = todo.pop()
        for part, below in folder.folders.items():
            names = [below.name]
            while not below.processes and len(below.folders) == 1:
                below = next(iter(below.folders.values()))
                names.append(below.name)
            below.name = "/".join(names)
            folder.folders[part] = below
            todo.append(below)


def walk(roots: list[Folder]) -> Iterator[Row]:
    """Every line: a folder, its processes, then the folders in it by name."""
    stack = [Row(root, 0, True) for root in reversed(roots)]
    while stack:
        row = stack.pop()
        yield row
        if isinstance(row.item, Folder):
            folders = sorted(row.item.folders.values(), key=lambda folder: folder.name)
            inside: list[Folder | Process] = [*row.item.processes, *folders]
            below = [Row(item, row.depth + 1, item is inside[-1]) for item in inside]
            stack.extend(reversed(below))
