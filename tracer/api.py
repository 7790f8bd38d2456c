"""The Python API: for those who do not use the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from os import PathLike

    from tracer.graph import ProcessGraph
    from tracer.identity import Moment
    from tracer.sources.base import Progress, Source


def replay(path: str | PathLike[str], at: int | str | None = None) -> ProcessGraph:
    """Read a trace (strace log, `-ff` folder or glob, recording, '-' for stdin) and reconstruct its process graph.

    at  None: the end of the trace; else the graph as it was right after this line number, or at this time
        (`05:17:35.5`, or seconds as text: `1130322148.9`)

    Raises tracer.errors.InputError where the input cannot be used, UsageError for an `at` that makes no sense.
    """
    from os import fspath

    return replay_trace([fspath(path)], None if at is None else str(at))[0]


def replay_trace(
    files: Sequence[str],
    at: str | None,
    showing: Callable[[int | None], AbstractContextManager[Progress | None]] | None = None,
) -> tuple[ProcessGraph, Source, Moment | None]:
    """The graph of the files of one trace, the source that it was read from, and what `at` means by the trace's clock.

    showing  given its size in bytes (None: unknown), what is told how far it has been read

    Raises InputError, UsageError.
    """
    from contextlib import nullcontext

    from tracer.moments import check_clock, on_clock, parse_moment
    from tracer.reconstruct import reconstruct
    from tracer.sources.detect import open_source

    moment = None if at is None else parse_moment(at)
    source = open_source(list(files))
    if moment is not None and at is not None:
        moment = on_clock(moment, at, source.info)
    with showing(source.info.size) if showing is not None else nullcontext() as progress:
        graph = reconstruct(source, at=moment, progress=progress)
    if moment is not None and at is not None:
        check_clock(moment, at, source.info)
    return graph, source, moment
