"""How many processes have finished under whom, kept as counts so that a session can run for ever."""

from __future__ import annotations

from collections.abc import Iterable

from tracer.graph import DEAD, Process
from tracer.runtime.claims import is_runtime
from tracer.runtime.roles import CNI, Roles
from tracer.view import Finished

KINDS_KEPT = 10_000
_ITSELF = ("/proc/self/", "/dev/fd/")
"""How runc and others exec themselves."""


class FinishedCounts:
    """Dead processes by the nearest living one above them: of which kind, where they were its own children.

    The same counts as view.build_view() makes, but each process is looked at once.
    """

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._counted: set[Process] = set()
        """Of the dead processes that are still in the graph."""
        self._kinds: dict[tuple[str, str], str] = {}
        """By comm and program."""
        self._by: dict[Process | None, Finished] = {}

    def count(self, processes: Iterable[Process]) -> dict[Process | None, Finished]:
        """Count those that have died since the last call; by living process, None where nobody above is known.

        Linear in `processes`, the graph's list.
        """
        counted = self._counted
        for process in processes:
            if process.state is DEAD and process not in counted:
                counted.add(process)
                self._add(process)
        for anchor in [p for p in self._by if p is not None and p.state is DEAD]:
            self._pass_on(anchor)
        return self._by

    def passed(self, mother: Process, kind: str) -> None:
        """Count a child of a living process that came and went."""
        found = self._by.get(mother)
        if found is None:
            found = self._by[mother] = Finished()
        found.add(kind)

    def forget(self, gone: Iterable[Process]) -> None:
        """These have left the graph: they are counted and need not be remembered."""
        self._counted.difference_update(gone)

    def _add(self, process: Process) -> None:
        anchor = _nearest_alive(process)
        finished = self._by.setdefault(anchor, Finished())
        if process.parent is anchor:
            finished.add(self.kind(process))
        else:
            finished.below += 1

    def _pass_on(self, dead: Process) -> None:
        """What was counted at a process that has died now is further down under the next one."""
        passed = self._by.pop(dead)
        self._by.setdefault(_nearest_alive(dead), Finished()).below += passed.count

    def kind(self, process: Process) -> str:
        """What view.build_view() calls it: for all but runtimes, name and program alone decide."""
        program = process.program
        key = process.comm, "" if program is None else program.exe
        kind = self._kinds.get(key)
        if kind is None:
            role = self._roles.role(process)
            label = self._roles.label(process)
            kind = f"cni {label}" if role == CNI else label
            if len(self._kinds) >= KINDS_KEPT:
                self._kinds.clear()
            if not (is_runtime(key[1]) or key[0].startswith("runc:[") or key[1].startswith(_ITSELF)):
                self._kinds[key] = kind
        return kind


def _nearest_alive(process: Process) -> Process | None:
    node = process.parent
    while node is not None and node.state is DEAD:
        node = node.parent
    return node
