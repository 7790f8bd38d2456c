"""`ctrace doctor`: what works on this machine, and what mends what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from tracer.cli.options import answer_options

if TYPE_CHECKING:
    from tracer.doctor.trial import Choice

_EPILOG = """\b
Examples:
  ctrace doctor                          what can be told without root
  sudo ctrace doctor                     everything; loads the probes and traces one fork of its own
  sudo ctrace doctor live --loader both  both ways to load the probes, with their times
  ctrace doctor replay                   only what reading logs needs, and the best call of strace here
  sudo ctrace doctor --format json | jq '.sections[] | {purpose, verdict}'

ok: nothing is lost by it. limited: it works, but less. missing: what it is for does not work. unknown: it could not be
checked. Below stands what is lost, and the command that mends it. Nothing is changed by looking.

Exit codes: 0 everything that was asked for works, if with limits; 1 something does not work here or for this user, or
could not be tried (live tracing without root); 2 wrong usage.
"""


@click.command(epilog=_EPILOG)
@click.argument("purposes", metavar="[replay|tree|live]...", nargs=-1, type=click.Choice(["replay", "tree", "live"]))
@click.option(
    "--loader",
    type=click.Choice(["auto", "core", "bcc", "both"]),
    default="auto",
    show_default=True,
    help="Which loader of the probes is tried: auto is what watch and record would take.",
)
@answer_options("ctrace.doctor/1")
def doctor(
    purposes: tuple[str, ...], loader: str, output: str | None, form: str, width: int | None, ascii_only: bool
) -> int:
    """Tell what works on this machine, and the command that mends what does not.

    replay is about reading logs, tree about the machine's processes now, live about watch and record; all three if
    none is named.
    """
    from tracer.cli.output import open_output
    from tracer.doctor import examine
    from tracer.doctor.machine import Machine
    from tracer.doctor.report import Purpose
    from tracer.render.doctor import Page, write_json
    from tracer.render.lines import needs_ascii

    machine = Machine()
    asked = [purpose for purpose in Purpose if not purposes or purpose.value in purposes]
    with open_output(output) as out:
        sections = examine(asked, machine, loader=cast("Choice", loader), ascii_only=needs_ascii(out))
        if form == "json":
            return 0 if write_json(out, machine.system, sections) else 1
        page = Page(out, width=width, ascii_only=ascii_only or None)
        page.head(machine.system)
        works = True
        for section in sections:
            page.section(section)
            works = works and section.works
    return 0 if works else 1
