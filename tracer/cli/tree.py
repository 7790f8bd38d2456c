"""`ctrace tree`: this machine now, from /proc."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import click

from tracer.cli.options import Filters, filter_options, output_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer.cli.scene import Scene
    from tracer.graph import Process
    from tracer.runtime.findings import Finding, Settled

PATIENCE = 1.0
"""Seconds between two looks: what is found must be there in both."""

_EPILOG = """\b
Examples:
  ctrace tree                                      who is whose child, with pods and containers
  ctrace tree --view cgroup                        by systemd unit and container, as systemctl status does
  ctrace tree --view both                          under the parent, the unit beside it; ≠ where they disagree
  ctrace tree --pod web                            one pod: its shim, pause and containers
  ctrace tree --container 'app*' --format json
  ctrace tree --findings                           what is wrong here, and what to do about it

No root is needed. With root, names come from the runtimes' own files, too; without, a container whose name no command
line tells is shown by its id.

Exit codes: 0 fine; 1 /proc cannot be read; 2 wrong usage; 3 --findings found something.
"""


@dataclass(slots=True)
class _Layout:
    """How text outputs are laid out."""

    width: int | None
    ascii_only: bool
    threads: bool
    reasons: bool


@dataclass(slots=True)
class _Shown:
    """What the filters left of this machine."""

    scene: Scene
    keep: list[Process] | None
    """None: all."""
    kernel_threads: int
    """So many were left out."""

    @property
    def processes(self) -> list[Process]:
        return self.scene.graph.processes if self.keep is None else self.keep


@click.command(epilog=_EPILOG)
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "json", "jsonl", "dot"]),
    default="tree",
    show_default=True,
    help="json is ctrace.graph/1; jsonl the same, a process a line.",
)
@click.option(
    "--view",
    type=click.Choice(["now", "cgroup", "both"]),
    default="now",
    show_default=True,
    help="now: by parent; cgroup: by unit and container; both: by parent, with the unit beside.",
)
@filter_options
@output_options
@click.option("--kernel-threads", is_flag=True, help="Show the kernel's own threads, too.")
@click.option("--findings", is_flag=True, help="Say what is wrong, and what to do about it, instead.")
def tree(
    form: str,
    view: str,
    output: str | None,
    width: int | None,
    ascii_only: bool,
    threads: bool,
    reasons: bool,
    kernel_threads: bool,
    findings: bool,
    **filters: Any,
) -> int:
    """Show this machine's processes now: who is whose child, in which pod, container and unit."""
    from tracer.cli.output import open_output

    def look() -> _Shown:
        return _look(Filters(**filters), kernel_threads=kernel_threads)

    layout = _Layout(width, ascii_only, threads, reasons)
    with open_output(output) as out:
        if findings:
            return _write_findings(out, form, look, layout)
        if form == "tree":
            _write_tree(out, view, look(), layout)
        else:
            _write_data(out, form, look())
    return 0


def _look(filters: Filters, *, kernel_threads: bool) -> _Shown:
    from tracer.cli.scene import look
    from tracer.filters import select

    scene = look()
    graph = scene.graph
    keep = select(graph, filters.predicates(graph, scene.roles, "now", scene.names))
    chosen = graph.processes if keep is None else keep
    hidden = set() if kernel_threads else {process for process in chosen if _kernel_thread(process)}
    if hidden:
        keep = [process for process in chosen if process not in hidden]
    return _Shown(scene, keep, len(hidden))


def _kernel_thread(process: Process) -> bool:
    """kthreadd, and what it started: they have no program and no arguments (and no PID 1 above them)."""
    node: Process | None = process
    while node is not None:
        if node.tgid == 2 and node.comm == "kthreadd" and node.program is None:
            return True
        node = node.parent if node.program is None else None
    return False


def _write_tree(out: TextIO, view: str, shown: _Shown, layout: _Layout) -> None:
    from tracer.render.beside import Beside
    from tracer.render.cgroup_tree import cgroup_lines
    from tracer.render.header import nothing_chosen
    from tracer.render.lines import Line, Painter
    from tracer.render.machine import machine_line
    from tracer.render.tree import tree_lines
    from tracer.runtime.units import Units

    graph, roles, names = shown.scene.graph, shown.scene.roles, shown.scene.names
    painter = Painter(out, width=layout.width, ascii_only=layout.ascii_only or None)
    painter.paint([machine_line(shown.processes, names, shown.kernel_threads), Line([])])
    if shown.keep is not None and not shown.keep:
        painter.paint([nothing_chosen()])
        return
    units = Units(graph, roles)
    if view == "cgroup":
        from tracer.cgroup_view import build

        painter.paint(
            cgroup_lines(build(graph, shown.keep), roles=roles, names=names, units=units, width=painter.width)
        )
        return
    from tracer.view import build_view

    beside = Beside(names, roles, units if view == "both" else None)
    drawing = build_view(graph, "now", keep=shown.keep, roles=roles)
    painter.paint(
        tree_lines(drawing, width=painter.width, threads=layout.threads, reasons=layout.reasons, beside=beside)
    )


def _write_data(out: TextIO, form: str, shown: _Shown) -> None:
    scene = shown.scene
    if form == "dot":
        from tracer.render.dot import write_dot

        write_dot(out, shown.processes, scene.roles)
        return
    from tracer.render.json import document_head, write_json, write_jsonl

    write = write_json if form == "json" else write_jsonl
    head = document_head(scene.graph, scene.source.info, scene.source.stats)
    head["source"]["pid"] = os.getpid()
    write(out, head, shown.processes, scene.roles, scene.names)


def _write_findings(out: TextIO, form: str, look: Callable[[], _Shown], layout: _Layout) -> int:
    """What is found now and still there after PATIENCE; the exit code."""
    from tracer.cli.findings import write

    shown = look()
    found = _find(shown)
    if found:
        seen = {_identity(process) for finding in found for process in (finding.process, *finding.others)}
        time.sleep(PATIENCE)
        shown = look()
        found = _find(shown, settled=lambda process: _identity(process) in seen)
    return write(out, form, found, shown.scene.roles, width=layout.width, ascii_only=layout.ascii_only)


def _find(shown: _Shown, settled: Settled = lambda _: True) -> list[Finding]:
    from tracer.runtime.findings import find

    scene = shown.scene
    return find(scene.graph, scene.roles, scene.names, among=shown.keep, settled=settled)


def _identity(process: Process) -> tuple[int, int]:
    return process.tgid, process.start_time
