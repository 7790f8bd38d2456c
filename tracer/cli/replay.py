"""`ctrace replay`: from a trace to the tree that the kernel had."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import click

from tracer.cli.options import FILE, Filters, filter_options, output_options
from tracer.errors import UsageError

if TYPE_CHECKING:
    from tracer.graph import Process, ProcessGraph
    from tracer.render.lines import Painter
    from tracer.runtime.roles import Roles
    from tracer.sources.base import Source

_EPILOG = """\b
Examples:
  ctrace replay strace.log
  ctrace replay node-a.ctrace node-b.ctrace        recordings of `ctrace record`, one after the other
  ctrace replay strace-output/                     a folder of `strace -ff -o` files
  ctrace replay strace.log --at 120                the tree right after line 120
  ctrace replay strace.log --subtree 1224703       one process and all below it
  ctrace replay strace.log --role 'runc-*' --format timeline
  ctrace replay strace.log --verify pstree.txt     compare with `pstree -p` or `ps -eo pid,ppid,comm`
  zcat strace.log.gz | ctrace replay - --format json | jq .stats

An edge that nothing is said about was observed. Others are derived (the kernel's rule applied to what was observed),
inferred (a fact is missing from the trace), assumed (it lies outside the trace) or unknown.

Exit codes: 0 fine; 1 the input could not be used; 2 wrong usage; 3 --verify found a difference,
--findings something wrong.
"""


LINEAGE_SHOWN = 2000
"""Where all have ended, up to so many processes are shown one by one without being asked for."""


@dataclass(slots=True)
class _Layout:
    """How text outputs are laid out."""

    width: int | None
    ascii_only: bool
    threads: bool
    reasons: bool


@click.command(epilog=_EPILOG)
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "timeline", "json", "jsonl", "dot"]),
    default="tree",
    show_default=True,
    help="json is ctrace.graph/1; jsonl the same, a process a line.",
)
@click.option(
    "--view",
    type=click.Choice(["now", "lineage"]),
    help="now: who is whose child (default while anything lives); lineage: who created whom, the dead included "
    "(default where all ended, if they are not too many).",
)
@click.option(
    "--at",
    metavar="LINE|TIME",
    help="As it was after this line (120) or at this time (05:17:35.5; of a recording, UTC).",
)
@filter_options
@output_options
@click.option("--unreadable", is_flag=True, help="List the lines that could not be read, instead.")
@click.option("--findings", is_flag=True, help="Say what was wrong at the end, and what to do about it, instead.")
@click.option(
    "--verify",
    type=FILE,
    metavar="FILE",
    help="Compare with the text of `pstree -p` or `ps` in FILE, instead.",
)
def replay(
    files: tuple[str, ...],
    form: str,
    view: str | None,
    at: str | None,
    output: str | None,
    width: int | None,
    ascii_only: bool,
    threads: bool,
    reasons: bool,
    unreadable: bool,
    findings: bool,
    verify: str | None,
    **filters: Any,
) -> int:
    """Read a trace and show who is whose child, how it got there, and how that is known.

    FILE is an strace log (any options; of `-ff` the folder, a glob, the NAME of its -o, or one of the files), a
    recording, or '-' for stdin; gzip and zstd are unpacked. The kind is found out, never asked for. Several
    recordings are shown one by one.
    """
    from tracer.cli.output import open_output
    from tracer.cli.reading import read_graph
    from tracer.sources.detect import apart

    # Nothing here makes garbage in cycles, and collecting over a million processes costs more than reading them.
    gc.disable()
    instead = [
        f"--{name}" for name, given in (("unreadable", unreadable), ("verify", verify), ("findings", findings)) if given
    ]
    if len(instead) > 1:
        raise UsageError(f"{' and '.join(instead)} are each instead of the tree", "Give one of them.")
    if form != "tree" and instead and not findings:
        raise UsageError(f"{instead[0]} is text only", f"Leave out --format {form}.")
    expected = _read_expected(verify) if verify is not None else None
    traces = apart(list(files))
    if len(traces) > 1 and (form in {"json", "dot"} or expected is not None):
        raise UsageError(f"--{'verify' if expected else f'format {form}'} is for one trace", "Give one file at a time.")
    layout = _Layout(width, ascii_only, threads, reasons)
    code = 0
    with open_output(output) as out:
        for number, trace in enumerate(traces):
            graph, source = read_graph(trace, at)
            if number and form in {"tree", "timeline"}:
                out.write("\n")
            if unreadable:
                _write_unreadable(out, source, layout)
            elif expected is not None:
                return _write_comparison(out, graph, expected, source, layout)
            elif findings:
                code = max(code, _write_findings(out, form, graph, source, Filters(**filters), layout))
            else:
                _write(out, form, view, graph, source, Filters(**filters), layout)
    return code


def _write(
    out: TextIO,
    form: str,
    view: str | None,
    graph: ProcessGraph,
    source: Source,
    filters: Filters,
    layout: _Layout,
) -> None:
    from tracer.filters import select
    from tracer.runtime.roles import Roles

    roles = Roles(graph)
    keep = select(graph, filters.predicates(graph, roles, view or "now"))
    chosen = graph.processes if keep is None else keep
    if form == "tree":
        _write_tree(out, view, graph, source, keep, roles, layout)
    elif form == "timeline":
        from tracer.render.header import nothing_chosen
        from tracer.render.timeline import timeline_lines

        painter = _painter(out, layout)
        midnight = source.info.midnight
        if keep is not None and not keep:
            painter.paint([nothing_chosen()])
        painter.paint(timeline_lines(chosen, roles, midnight=midnight, width=painter.width, reasons=layout.reasons))
    elif form == "dot":
        from tracer.render.dot import write_dot

        write_dot(out, chosen, roles)
    else:
        from tracer.render.json import document_head, write_json, write_jsonl
        from tracer.runtime.containers import names_of

        write = write_json if form == "json" else write_jsonl
        write(out, document_head(graph, source.info, source.stats), chosen, roles, names_of(graph))


def _write_tree(
    out: TextIO,
    view: str | None,
    graph: ProcessGraph,
    source: Source,
    keep: list[Process] | None,
    roles: Roles,
    layout: _Layout,
) -> None:
    from tracer.graph import DEAD
    from tracer.render.beside import Beside
    from tracer.render.header import header_lines, nothing_alive, nothing_chosen, nothing_yet, recording_line
    from tracer.render.lines import Line
    from tracer.render.tree import tree_lines
    from tracer.runtime.containers import names_of
    from tracer.sources.recording import RecordingSource
    from tracer.view import build_view

    painter = _painter(out, layout)
    painter.paint(header_lines(source.info, source.stats, graph.stats, painter.limit))
    if isinstance(source, RecordingSource):
        painter.paint([recording_line(source.header, graph.processes[0].born_time if graph.processes else None)])
    _write_missing(painter, graph, source)
    painter.paint([Line([])])
    if keep is not None and not keep:
        painter.paint([nothing_chosen()])
        return
    if not graph.processes:
        painter.paint([nothing_yet()])
        return
    if view is None:
        # What is asked for by name is not to be folded away.
        alive = any(p.state != DEAD for p in (graph.processes if keep is None else keep))
        folded = keep is None and len(graph.processes) > LINEAGE_SHOWN
        view = "now" if alive or folded else "lineage"
        if not alive and graph.processes:
            painter.paint([nothing_alive(everything=keep is None, folded=folded), Line([])])
    drawing = build_view(graph, view, keep=keep, roles=roles)
    beside = Beside(names_of(graph), roles)
    painter.paint(
        tree_lines(drawing, width=painter.width, threads=layout.threads, reasons=layout.reasons, beside=beside)
    )
    _write_lacking(painter, graph.processes if keep is None else keep, source)


def _write_missing(painter: Painter, graph: ProcessGraph, source: Source) -> None:
    from tracer.render.lacking import missing
    from tracer.render.lines import Span
    from tracer.render.prose import Prose

    said = missing(graph.stats, source.info.place) if source.info.kind == "strace" else ""
    if said:
        painter.paint(Prose(painter.width, painter.text).lines([Span(said, "bad")], hang=2))


def _write_lacking(painter: Painter, processes: list[Process], source: Source) -> None:
    from tracer.render.lacking import lacking
    from tracer.render.lines import Line, Span
    from tracer.render.prose import Prose
    from tracer.sources.detect import COMPLETE_LOG

    stats = source.stats
    said = lacking(processes, stats.calls, follows=stats.follows) if source.info.kind == "strace" else ""
    if said:
        prose = Prose(painter.width, painter.text)
        command = prose.lines([Span(COMPLETE_LOG)], first="  ", hang=4)
        painter.paint([Line([]), *prose.lines([Span(said, "dim")]), *command])


def _write_findings(
    out: TextIO, form: str, graph: ProcessGraph, source: Source, filters: Filters, layout: _Layout
) -> int:
    from tracer.cli.findings import write
    from tracer.filters import select
    from tracer.runtime.containers import names_of
    from tracer.runtime.findings import find_in_trace
    from tracer.runtime.roles import Roles

    roles, names = Roles(graph), names_of(graph)
    keep = select(graph, filters.predicates(graph, roles, "now", names))
    found = find_in_trace(graph, roles, names, among=keep)
    code = write(out, form, found, roles, width=layout.width, ascii_only=layout.ascii_only)
    if found and form == "tree":
        _write_lacking(
            _painter(out, layout), [p for finding in found for p in (finding.process, *finding.others)], source
        )
    return code


def _painter(out: TextIO, layout: _Layout) -> Painter:
    from tracer.render.lines import Painter

    return Painter(out, width=layout.width, ascii_only=layout.ascii_only or None)


def _write_unreadable(out: TextIO, source: Source, layout: _Layout) -> None:
    from tracer.render.header import unreadable_lines

    _painter(out, layout).paint(unreadable_lines(source.stats))


def _read_expected(path: str) -> Any:
    from tracer.sources.listing import read_processes

    return read_processes(path)


def _write_comparison(out: TextIO, graph: ProcessGraph, expected: Any, source: Source, layout: _Layout) -> int:
    from tracer.cli import EXIT_DIFFERENT
    from tracer.render.comparison import comparison_lines
    from tracer.verify import compare

    comparison = compare(graph, expected)
    painter = _painter(out, layout)
    painter.paint(comparison_lines(comparison, source.info.path))
    return EXIT_DIFFERENT if comparison.differs else 0
