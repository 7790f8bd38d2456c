"""`ctrace diff`: two states of process trees compared."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from tracer.cli.options import FILE, answer_options

if TYPE_CHECKING:
    from tracer.diff import Side

NOW = "now"

_EPILOG = """\b
Examples:
  ctrace diff strace.log --at1 40 --at2 180        two moments of one trace
  ctrace diff before.ctrace after.ctrace           two recordings of one machine
  ctrace tree --format json -o before.json; ...; ctrace diff before.json now
  ctrace diff good.log bad.log --by lineage        two runs that have no number in common

Marks: + came, - went, ↻ has another parent, ~ changed (program, state, subreaper, cgroup).

Exit codes: 0 no difference; 1 an input could not be used; 2 wrong usage; 3 they differ.
"""


@dataclass(slots=True)
class _Input:
    """One side, and how to speak of it."""

    side: Side
    name: str
    midnight: int | None = None
    unit: str = ""
    """What its places are called: `line`, `record`; '' for none."""


@click.command(epilog=_EPILOG)
@click.argument("a", type=FILE, metavar="A")
@click.argument("b", type=FILE, metavar="[B]", required=False)
@click.option("--at1", metavar="LINE|TIME", help="Side A is the trace A at this moment.")
@click.option("--at2", metavar="LINE|TIME", help="Side B is the trace B (or A, without B) at this moment.")
@click.option(
    "--by",
    type=click.Choice(["pid", "lineage"]),
    default="pid",
    show_default=True,
    help="Who is the same: who has the same number (and start), or who was created by the like.",
)
@answer_options("ctrace.diff/1")
def diff(
    a: str,
    b: str | None,
    at1: str | None,
    at2: str | None,
    by: str,
    output: str | None,
    form: str,
    width: int | None,
    ascii_only: bool,
) -> int:
    """Compare two states: who came, who went, who moved to another parent and why, who runs another program.

    A and B are traces (anything that `ctrace replay` reads), graphs saved with `--format json`, or `now` for this
    machine. With one trace alone, --at1 and --at2 are its two moments; one left out is the end.
    """
    from tracer.cli import EXIT_DIFFERENT
    from tracer.cli.output import open_output
    from tracer.diff import compare
    from tracer.errors import UsageError
    from tracer.render.difference import Compared, write_difference
    from tracer.render.lines import Painter
    from tracer.render.prose import Prose

    if b is None and at1 is None and at2 is None:
        raise UsageError("compare it with what?", "Give a second trace, or `now`, or two moments with --at1 and --at2.")
    gc.disable()
    first, second = _read(a, at1), _read(b if b is not None else a, at2)
    found = compare(first.side, second.side, by_lineage=by == "lineage")
    with open_output(output) as out:
        if form == "json":
            write_difference(out, found, (first.name, second.name))
        else:
            painter = Painter(out, width=width, ascii_only=ascii_only or None)
            prose = Prose(painter.width, painter.text)
            names = (first.name, second.name)
            compared = Compared(first.side, second.side, names, prose, midnight=second.midnight, unit=second.unit)
            painter.paint(compared.lines(found))
    return EXIT_DIFFERENT if found.differs else 0


def _read(path: str, at: str | None) -> _Input:
    from tracer.cli import scene as scenes
    from tracer.diff import side_of
    from tracer.errors import UsageError

    if path == NOW or _is_graph(path):
        if at is not None:
            raise UsageError(f"{path} is one moment already", "--at1 and --at2 are for traces.")
        return _now() if path == NOW else _saved(path)
    scene = scenes.read(path, at=at)
    info = scene.source.info
    name = path if at is None else f"{path} at {info.unit + ' ' if at.isdigit() else ''}{at}"
    side = side_of(scene.graph, scene.roles, trace=path).without_bystanders(0)
    return _Input(side, name, info.midnight, info.unit)


def _now() -> _Input:
    from tracer.cli import scene as scenes
    from tracer.diff import side_of

    scene = scenes.look()
    return _Input(side_of(scene.graph, scene.roles).without_bystanders(os.getpid()), NOW)


def _is_graph(path: str) -> bool:
    from tracer.sources.graph_json import looks_like_graph
    from tracer.sources.open import Input, is_file

    return (path == "-" or is_file(path)) and looks_like_graph(Input(path).sample())


def _saved(path: str) -> _Input:
    from tracer.diff_json import looker, side_of_document
    from tracer.sources.graph_json import read_graph
    from tracer.sources.open import Input

    head, processes = read_graph(Input(path))
    return _Input(side_of_document(processes).without_bystanders(looker(head)), path)
