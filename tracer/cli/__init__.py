"""The command `ctrace`: one file per subcommand, loaded when it is asked for.

To add a subcommand: a file here with a click command of that name, and one line in COMMANDS.
This is the one place where an error becomes a message and an exit code (docs/reference/cli.md):

0    fine; also when the reader of the output went away (`| head`)
1    the input could not be used, or the machine lacks something
2    wrong options or arguments
3    --verify, --findings or diff found something
130  interrupted
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from tracer.cli.remarks import say
from tracer.errors import CtraceError, OutputError

COMMANDS = {
    "replay": "Show the processes of an strace log or a recording.",
    "tree": "Show this machine's processes now, with pods, containers and units.",
    "explain": "Tell how a process got where it is, step by step.",
    "whatif": "Foretell who dies, who lives and who adopts whom if something ended.",
    "diff": "Compare two traces, snapshots or moments: who came, went, moved or changed.",
    "watch": "Watch processes come, go and change parents, live (eBPF).",
    "record": "Record processes live (eBPF), for `ctrace replay`.",
    "doctor": "Tell what works on this machine, and what mends the rest.",
    "completion": "Print a script that lets the shell complete ctrace's commands.",
}
"""Subcommand -> its line in `ctrace --help`; its code is tracer.cli.<name>.<name>."""

EXIT_DIFFERENT = 3
EXIT_INTERRUPTED = 130

_EPILOG = """\b
Examples:
  ctrace replay strace.log                         who is whose child, and how that came to be
  ctrace replay strace.log --view lineage          who created whom
  ctrace replay strace.log --format json -o g.json

Exit codes: 0 fine; 1 the input could not be used, or the machine lacks something; 2 wrong usage;
3 --verify, --findings or diff found something; 130 interrupted.

\b
The strace command that leaves nothing out:
  strace -f -tt -e trace=process,prctl,unshare,setns -o strace.log COMMAND
"""


class LazyGroup(click.Group):
    """Imports a subcommand only when it runs, so that `ctrace --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"tracer.cli.{cmd_name}"), cmd_name)
        command.short_help = COMMANDS[cmd_name]  # else a completing shell shows the beginning of a sentence
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, and for a name with a slip in it: which one was meant."""
        if args[0] not in COMMANDS:
            from difflib import get_close_matches

            for near in get_close_matches(args[0], COMMANDS, 1):
                ctx.fail(f"No such command {args[0]!r}. Did you mean {near!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from tracer.version import __version__

        click.echo(f"ctrace {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Version.")
def cli() -> None:
    """How did this process get where it is in the tree, and what happens when something above it dies?"""


def main(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code; never raises but for bugs."""
    try:
        code = _run(sys.argv[1:] if args is None else args)
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
        code = 0
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except OSError as error:
        _abandon_stdout()
        code = show_error(OutputError(": ".join(filter(None, [error.filename, error.strerror or str(error)]))))
    return code


def entry() -> NoReturn:
    """The command: like main(), and gone at once.

    Taking a graph of a million processes apart, object by object, takes as long as building a fifth of it.
    """
    _open_streams()
    code = main()
    with contextlib.suppress(OSError):  # what stderr did not take (remarks.py)
        sys.stderr.flush()
    os._exit(code)


def _open_streams() -> None:
    """Give those of the three standard streams that the caller closed (`>&-`) something that fails when it is used.

    Else Python has None for them, and the next file that is opened gets the number, and with it what was meant for
    the stream. Opened the wrong way round, so that using it is an error; only what goes to stderr is just not seen.
    """
    for fd, name, mode in ((0, "stdin", os.O_WRONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_RDWR)):
        if getattr(sys, name) is None:
            free = os.open(os.devnull, mode)
            if free != fd:
                os.dup2(free, fd)
                os.close(free)
            os.set_inheritable(fd, True)
            setattr(sys, name, os.fdopen(fd, "w" if fd else "r", encoding="utf-8"))


def _run(args: list[str]) -> int:
    """click's own main() is not used: it makes a closed pipe an exit code of 1."""
    if "_CTRACE_COMPLETE" in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "ctrace", "_CTRACE_COMPLETE", os.environ["_CTRACE_COMPLETE"])
    try:
        with cli.make_context("ctrace", args) as ctx:
            result: Any = cli.invoke(ctx)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _usage_error(error)
    except CtraceError as error:
        return show_error(error)
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return result if isinstance(result, int) else 0


def _abandon_stdout() -> None:
    """Python flushes stdout once more at its own end: give it somewhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage_error(error: click.ClickException) -> int:
    from tracer.clean import clean

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.ctx.get_help() if error.ctx else "")
        return error.exit_code
    if isinstance(error, click.UsageError) and error.ctx is not None:
        say(error.ctx.get_usage())
        say(f"Try '{error.ctx.command_path} --help' for help.")
    # click puts each of the choices on a line of its own.
    said = " ".join(part.strip() for part in error.format_message().splitlines())
    say(f"ctrace: {clean(said)}")
    return error.exit_code


def show_error(error: CtraceError) -> int:
    """Say it on stderr, what came from the input cleaned; the exit code."""
    from tracer.clean import clean

    say(f"ctrace: {_clean_lines(error.message, clean)}")
    if error.hint:
        say(_clean_lines(error.hint, clean))
    return error.exit_code


def _clean_lines(text: str, clean: Any) -> str:
    return "\n".join(clean(line) for line in text.split("\n"))
