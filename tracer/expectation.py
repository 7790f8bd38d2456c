"""Why a process is not where one might expect it: below what created it, or created that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tracer.graph import Process, Reparenting


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain by which one process came from another: who created whom, and whether it still holds."""

    child: Process
    creator: Process
    beside: bool
    """CLONE_PARENT: the creator was never the parent."""
    left: Reparenting | None
    """The first step that took `child` away from its parent at birth, if one did."""

    @property
    def holds(self) -> bool:
        """The creator is still the parent (or was to the last)."""
        return self.child.parent is self.creator


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why a process is not below one that it descends from."""

    process: Process
    expected: Process
    links: tuple[Link, ...]
    """From `process` upwards to `expected`."""


def lineage(process: Process) -> Iterator[Link]:
    """Who created it, who created that one, and so on, nearest first."""
    child = process
    seen = {process}
    while child.creator is not None and child.creator not in seen:
        creator = child.creator
        seen.add(creator)
        left = child.reparentings[0] if child.reparentings else None
        yield Link(child, creator, child.birth_parent is not creator, left)
        child = creator


def why_not(process: Process) -> WhyNot | None:
    """The nearest process of its lineage that still lives and is not above it; None where there is none.

    The expectation of people: what a process started, and what that started in turn, is below it.
    """
    if not process.alive:
        return None
    above = set(ancestors(process))
    links: list[Link] = []
    for link in lineage(process):
        links.append(link)
        if link.creator.alive and link.creator not in above:
            return WhyNot(process, link.creator, tuple(links))
    return None


def ancestors(process: Process) -> Iterator[Process]:
    """The tree above it now, nearest first."""
    parent = process.parent
    seen = {process}
    while parent is not None and parent not in seen:
        seen.add(parent)
        yield parent
        parent = parent.parent
