"""`ctrace explain`: the story of one process."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tracer.graph import Process

_EPILOG = """\b
Examples:
  ctrace explain 1224703 strace.log        how the shim got under PID 1
  ctrace explain pause strace.log          every process called so
  ctrace explain 1224703#1 strace.log      the second process that had this number

\b
Exit codes: 0 fine; 1 the input could not be used, or no such process; 2 wrong usage.
"""


@click.command(epilog=_EPILOG)
@click.argument("who", metavar="PID|NAME")
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", metavar="FILE", help="Write there instead of stdout.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--width", type=click.IntRange(20), metavar="N", help="Columns to lay out in, and to cut to.")
@click.option("--ascii", "ascii_only", is_flag=True, help="No drawing characters.")
def explain(who: str, file: str, output: str | None, form: str, width: int | None, ascii_only: bool) -> int:
    """Tell how a process got where it is: each step, with the kernel's rule, the evidence and the place in the trace.

    WHO is a process number, a number with serial (`1224703#1`), or a name. FILE is anything that `ctrace replay` reads.
    """
    from tracer.cli.output import open_output
    from tracer.cli.progress import ReadingProgress
    from tracer.explain import tell
    from tracer.render.lines import Line, Painter
    from tracer.render.story import story_lines
    from tracer.runtime.roles import Roles
    from tracer.sources.detect import open_source

    gc.disable()
    source = open_source([file])
    with ReadingProgress(source.info.size) as progress:
        graph, stories = tell(source, _wanted(who), progress=progress)
    stories = [s for s in stories if _matches(who, s.process)]
    if not stories:
        raise _nobody(who, graph.processes)
    roles = Roles(graph)
    with open_output(output) as out:
        painter = Painter(out, width=width, ascii_only=ascii_only or None)
        for i, story in enumerate(stories):
            if i:
                painter.paint([Line([]), Line([])])
            painter.paint(story_lines(story, roles, clock=source.info.clock, width=painter.width))
    return 0


def _wanted(who: str) -> Any:
    """While the trace is read, names still change: then every process is of interest."""
    number = who.partition("#")[0]
    if not number.isdigit():
        return lambda process: True
    return lambda process: process.tgid == int(number)


def _matches(who: str, process: Process) -> bool:
    number, _, serial = who.partition("#")
    if number.isdigit():
        return process.tgid == int(number) and serial in ("", str(process.serial))
    names = {process.comm, *(e.comm for e in process.past or ())}
    return who in names


def _nobody(who: str, processes: list[Process]) -> Exception:
    from difflib import get_close_matches

    from tracer.errors import TargetError

    names = sorted({p.comm for p in processes if p.comm})
    near = get_close_matches(who, [*names, *(str(p.tgid) for p in processes)], 5)
    hint = f"near: {', '.join(near)}" if near else "ctrace replay FILE shows who is there"
    return TargetError(f"no process {who} in the trace", hint)
