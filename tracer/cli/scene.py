"""What a subcommand looks at: a trace, or this machine now; with roles and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracer.graph import Process, ProcessGraph
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles
    from tracer.sources.base import Source


@dataclass(slots=True)
class Scene:
    """A graph, and what is known around it."""

    source: Source
    graph: ProcessGraph
    roles: Roles
    names: Names

    def whom(self, who: str) -> list[Process]:
        """The processes that `who` means. Raises TargetError."""
        from tracer import whom

        return whom.processes(self.graph, who, self.roles, self.names)


def of_source(source: Source, graph: ProcessGraph) -> Scene:
    """The scene of a graph that was made from `source`."""
    from tracer.runtime.bundles import Files
    from tracer.runtime.containers import names_of
    from tracer.runtime.roles import Roles

    live = source.info.kind == "proc"
    return Scene(source, graph, Roles(graph), names_of(graph, Files() if live else None))


def look() -> Scene:
    """This machine now, from /proc. Raises UnreadableInput."""
    from tracer.reconstruct.engine import Engine
    from tracer.sources.proc_source import ProcSource

    source = ProcSource()
    engine = Engine()
    for batch in source.batches():
        engine.feed(batch)
    return of_source(source, engine.finish())


def check_order(who: str, file: str | None) -> None:
    """Raises UsageError where the two arguments were given the wrong way round."""
    from os.path import lexists

    from tracer.errors import UsageError

    if file is not None and file != "-" and lexists(who) and not lexists(file):
        raise UsageError(f"there is no file {file}", f"First who is meant, then the file: {file} {who}")


def read(file: str, *, at: str | None = None) -> Scene:
    """A trace at its end, or at a moment. Raises InputError, UsageError."""
    from tracer.cli.reading import read_graph

    graph, source = read_graph([file], at)
    return of_source(source, graph)
