"""The Python API: for those who do not use the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from tracer.graph import ProcessGraph


def replay(path: str | PathLike[str], at: int | str | None = None) -> ProcessGraph:
    """Read a trace (strace log, `-ff` folder or glob, recording, '-' for stdin) and reconstruct its process graph.

    at  None: the end of the trace; else the graph as it was right after this line number, or at this time
        (`05:17:35.5`, or seconds as text: `1130322148.9`)

    Raises tracer.errors.InputError where the input cannot be used, UsageError for an `at` that makes no sense.
    """
    from os import fspath

    from tracer.moments import check_clock, on_clock, parse_moment
    from tracer.reconstruct import reconstruct
    from tracer.sources.detect import open_source

    moment = None if at is None else parse_moment(str(at))
    source = open_source([fspath(path)])
    if moment is not None:
        moment = on_clock(moment, str(at), source.info)
    graph = reconstruct(source, at=moment)
    if moment is not None:
        check_clock(moment, str(at), source.info)
    return graph
