"""`ctrace explain`: the story of one process."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import click

from tracer.cli.options import FILE, answer_options

if TYPE_CHECKING:
    from tracer.cli.scene import Scene
    from tracer.explain import Story
    from tracer.render.lines import Painter
    from tracer.render.prose import Prose

STORIES_MAX = 50
"""A name can mean a million processes."""

_EPILOG = """\b
Examples:
  ctrace explain 1224703 strace.log        how the shim got under PID 1
  ctrace explain pause strace.log          every process called so
  ctrace explain 1224703#1 strace.log      the second process that had this number
  ctrace explain shop/web node.ctrace      a pod: its shim, pause and containers
  ctrace explain 4711                      what /proc tells of it now

Exit codes: 0 fine; 1 the input could not be used, or there is no such process; 2 wrong usage.
"""


@click.command(epilog=_EPILOG)
@click.argument("who", metavar="PID|NAME")
@click.argument("file", type=FILE, metavar="[FILE]", required=False)
@answer_options("ctrace.story/1")
def explain(who: str, file: str | None, output: str | None, form: str, width: int | None, ascii_only: bool) -> int:
    """Tell how a process got where it is: each step, with the kernel's rule, the evidence and the place in the trace.

    Ask for a process number, a number with serial (`1224703#1`), the name of a program, or the name or id of a
    container or pod. FILE is anything that `ctrace replay` reads; without it, /proc tells what it knows.
    """
    from tracer.cli.output import open_output
    from tracer.cli.scene import check_order
    from tracer.render.lines import Painter
    from tracer.render.prose import Prose
    from tracer.render.story_json import write_stories

    gc.disable()
    check_order(who, file)
    scene, stories, left_out = _now(who) if file is None else _history(who, file)
    with open_output(output) as out:
        if form == "json":
            write_stories(out, scene.source.info, stories, scene.roles, scene.names, left_out)
            return 0
        painter = Painter(out, width=width, ascii_only=ascii_only or None)
        _write(who, scene, stories, left_out, Prose(painter.width, painter.text), painter)
    return 0


def _now(who: str) -> tuple[Scene, list[Story], int]:
    """From /proc: one step each."""
    from tracer.cli.scene import look
    from tracer.explain import Step, Story
    from tracer.live.journal import FOUND

    scene = look()
    meant = scene.whom(who)
    stories = [
        Story(p, [Step(FOUND, p.born_at, p.born_time, p.evidence, p.reason, parent=p.parent)])
        for p in meant[:STORIES_MAX]
    ]
    return scene, stories, len(meant) - len(stories)


def _history(who: str, file: str) -> tuple[Scene, list[Story], int]:
    """From a trace. For a name it is read once more: only at its end it is known who is meant."""
    from tracer import whom
    from tracer.cli.progress import ReadingProgress
    from tracer.cli.scene import of_source, read
    from tracer.explain import tell
    from tracer.sources.detect import open_source

    left_out = 0
    if whom.is_number(who):
        numbers = {int(who.partition("#")[0])}
        uids = None
    else:
        meant = read(file).whom(who)
        left_out = max(len(meant) - STORIES_MAX, 0)
        numbers = {p.tgid for p in meant[:STORIES_MAX]}
        uids = {p.uid for p in meant[:STORIES_MAX]}
    source = open_source([file])
    with ReadingProgress(source.info.size) as progress:
        graph, stories = tell(source, lambda process: process.tgid in numbers, progress=progress)
    scene = of_source(source, graph)
    if uids is None:
        uids = {p.uid for p in scene.whom(who)}
    told = [s for s in stories if s.process.uid in uids]
    return scene, told[:STORIES_MAX], left_out + max(len(told) - STORIES_MAX, 0)


def _write(who: str, scene: Scene, stories: list[Story], left_out: int, prose: Prose, painter: Painter) -> None:
    from tracer.render.lines import Line, Span
    from tracer.render.present import more_lines, present_lines
    from tracer.render.story import Told
    from tracer.runtime.units import Units

    waits_seen = scene.graph.stats.waits_seen
    told = Told(scene.roles, scene.names, scene.source.info, prose, waits_seen=waits_seen)
    live = scene.source.info.kind == "proc"
    units = Units(scene.graph, scene.roles) if live else None
    for i, story in enumerate(stories):
        if i:
            painter.paint([Line([]), Line([])])
        painter.paint(told.story(story) if units is None else present_lines(told, story.process, units))
    if live:
        painter.paint(more_lines(told, [story.process for story in stories], who))
    if left_out:
        said = f"{left_out:,} more of that name were left out; ask for one by its number."
        painter.paint([Line([]), *prose.lines([Span(said, "dim")])])
