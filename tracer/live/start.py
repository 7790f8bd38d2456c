"""Start a session on a target: what belongs to it, and who is only shown because he is above."""

from __future__ import annotations

from tracer.expectation import ancestors
from tracer.graph import Process
from tracer.live.session import Session
from tracer.sources.ebpf import members as in_table
from tracer.sources.ebpf.members import Table
from tracer.sources.ebpf.source import EbpfSource, Select, Selection


class Scope:
    """What a session traces; the selector handed to the source, which remembers what it selected."""

    def __init__(self, select: Select | None) -> None:
        self._select = select
        self._above: set[int] = set()
        self._roots: set[int] = set()
        self._follow: tuple[str, ...] = ()
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

    def is_root(self, process: Process | None) -> bool:
        """It is one of those that the target named, or took the place of one; a daemon's workers, below it, are not."""
        if process is None or self._select is None or not self._named(process):
            return False
        return not any(map(self._named, ancestors(process)))

    def _named(self, process: Process) -> bool:
        return process.tgid in self._roots or process.comm in self._follow

    def farewell(self, process: Process | None) -> str:
        """What to say when such a one has ended. Raw."""
        if process is None:
            return ""
        ended = f"{process.comm} ({process.tgid}) has ended; what it left is still watched"
        return f"{ended}, and so is the next {process.comm}" if process.comm in self._follow else ended

    def _choose(self, table: Table) -> Selection:
        assert self._select is not None
        selection = self._select(table)
        self._roots = set(selection.members)
        self._follow = selection.follow
        members = selection.members | in_table.descendants(table, {}, selection.members)
        self._above = in_table.ancestors(table, members) - members
        return selection
