"""Start a session on a target: what belongs to it, and who is only shown because he is above."""

from __future__ import annotations

from tracer.graph import Process
from tracer.live.session import Session
from tracer.sources.ebpf.members import Table, ancestors, descendants
from tracer.sources.ebpf.source import EbpfSource, Select, Selection


class Scope:
    """What a session traces; the selector handed to the source, which remembers what it selected."""

    def __init__(self, select: Select | None) -> None:
        self._select = select
        self._above: set[int] = set()
        self.roots: set[int] = set()
        """tgids that the target named at the start."""
        self.context: set[Process] = set()
        """Processes that are not traced themselves: their own ends and flags are, since they decide who adopts."""

    @property
    def everything(self) -> bool:
        """The whole machine is traced."""
        return self._select is None

    def start(self, source: EbpfSource, session: Session) -> None:
        """Attach, and bring the session to the present. Raises TargetError and CapabilityError."""
        session.feed(source.start(None if self._select is None else self._choose))
        self.context = {p for p in session.graph.processes if p.tgid in self._above}

    def _choose(self, table: Table) -> Selection:
        assert self._select is not None
        selection = self._select(table)
        self.roots = set(selection.members)
        members = selection.members | descendants(table, {}, selection.members)
        self._above = ancestors(table, members) - members
        return selection
