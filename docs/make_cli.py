"""The reference of the command line, from the commands themselves: reference/cli.md and the manual page ctrace.1.

docs/make_outputs.py calls it; the tests compare.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path

import click

from tracer.cli import COMMANDS, cli

DOCS = Path(__file__).resolve().parent
REFERENCE = DOCS / "reference" / "cli.md"
MANUAL = DOCS / "ctrace.1"

_MADE = "docs/make_cli.py wrote this from the commands' own help: do not edit."

_EXIT_CODES = [
    ("0", "fine; also where the reader of the output went away (`| head`)"),
    ("1", "the input could not be used, or the machine or user lacks something"),
    ("2", "wrong options or arguments"),
    ("3", "`--verify` or `diff` found a difference, `--findings` found something"),
    ("130", "interrupted"),
]
_ENVIRONMENT = [
    ("NO_COLOR", "set to anything: no colours"),
    ("FORCE_COLOR", "set to anything: colours also where the output is no terminal"),
    ("CTRACE_LOADER", "what `--loader` is where it is not given"),
    ("LC_ALL", "`C` or `POSIX`: ASCII instead of line drawing, as does `TERM=dumb`"),
    ("LANG", "the same, where neither `LC_ALL` nor `LC_CTYPE` says otherwise"),
]


@dataclass(slots=True)
class Page:
    """What a command says about itself."""

    name: str
    usage: str
    paragraphs: list[str]
    options: list[tuple[str, str]]
    examples: list[tuple[str, str]] = field(default_factory=list)
    """Command, and what it is for."""
    notes: list[str] = field(default_factory=list)


def pages() -> list[Page]:
    """One for each subcommand, in the order of `ctrace --help`."""
    top = click.Context(cli, info_name="ctrace", **cli.context_settings)
    found = []
    for name in COMMANDS:
        command = cli.get_command(top, name)
        if command is not None:
            found.append(_page(click.Context(command, info_name=name, parent=top)))
    return found


def _page(ctx: click.Context) -> Page:
    command = ctx.command
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    text = inspect.cleandoc(command.help or "").split("\n\n")
    options = [
        record
        for parameter in command.get_params(ctx)
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)) is not None
    ]
    page = Page(ctx.command_path, usage, [" ".join(t.split()) for t in text], options)
    for block in (command.epilog or "").split("\n\n"):
        block = block.removeprefix("\b\n")
        if block.startswith("Examples:"):
            lines = [line.strip() for line in block.split("\n")[1:] if line.strip()]
            page.examples = [_example(line) for line in lines]
        elif block.strip():
            page.notes.append(" ".join(block.split()))
    return page


def _example(line: str) -> tuple[str, str]:
    command, *why = re.split(r"\s{2,}", line, maxsplit=1)
    return command, why[0] if why else ""


# --- Markdown ---


def markdown() -> str:
    """reference/cli.md."""
    out = [f"<!-- {_MADE} -->", "", "# The command line", ""]
    out += [" · ".join(f"[{p.name}](#{p.name.replace(' ', '-')})" for p in pages()), ""]
    out += ["| exit code | |", "|---|---|", *(f"| {code} | {_cell(text)} |" for code, text in _EXIT_CODES), ""]
    out += ["`ctrace record -- COMMAND` passes on the exit code of COMMAND.", ""]
    out += ["| variable | |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in _ENVIRONMENT), ""]
    for page in pages():
        out += [f"## {page.name}", "", f"    {page.usage}", ""]
        for paragraph in page.paragraphs:
            out += [_plain_markdown(paragraph), ""]
        out += ["| option | |", "|---|---|"]
        out += [f"| `{_cell(names)}` | {_cell(_plain_markdown(text))} |" for names, text in page.options]
        out.append("")
        if page.examples:
            width = max(len(command) for command, _ in page.examples)
            out += [f"    {command:{width}}  {why}".rstrip() for command, why in page.examples] + [""]
        for note in page.notes:
            out += [_plain_markdown(note), ""]
    return "\n".join(out).rstrip("\n") + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain_markdown(text: str) -> str:
    """Stars and angle brackets mean themselves outside of code."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*<>])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


# --- manual page ---


def manual() -> str:
    """ctrace.1, in man(7)."""
    about = (cli.help or "").strip()
    out = [f'.\\" {_MADE}', '.TH CTRACE 1 "" "ctrace" "User Commands"']
    out += [".SH NAME", "ctrace \\- how processes got where they are in the tree", ".SH SYNOPSIS"]
    for page in pages():
        out += [".B " + _roff(page.name), _roff(page.usage.removeprefix(page.name).strip()), ".br"]
    out += [".SH DESCRIPTION", _roff(about)]
    for page in pages():
        out += [f".SH {_roff(page.name).upper()}"]
        for i, paragraph in enumerate(page.paragraphs):
            out += [*([".PP"] if i else []), _roff(paragraph)]
        for names, text in page.options:
            out += [".TP", f".B {_roff(names)}", _roff(text)]
        for command, why in page.examples:
            out += [".PP", f".B {_roff(command)}", *([".br", _roff(why)] if why else [])]
        for note in page.notes:
            out += [".PP", _roff(note)]
    out += [".SH EXIT STATUS"]
    for code, text in _EXIT_CODES:
        out += [".TP", f".B {code}", _roff(text)]
    out += [".SH ENVIRONMENT"]
    for name, text in _ENVIRONMENT:
        out += [".TP", f".B {name}", _roff(text)]
    out += [".SH SEE ALSO", ".BR strace (1),", ".BR pstree (1),", ".BR prctl (2),", ".BR clone (2)"]
    return "\n".join(out) + "\n"


def _roff(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "").replace("≠", "!=")
    # groff without its preprocessor reads bytes; its names for characters are understood everywhere.
    text = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)
    return "\\&" + text if text.startswith((".", "'")) else text


def made() -> dict[Path, str]:
    """Both files and what they shall contain."""
    return {REFERENCE: markdown(), MANUAL: manual()}
