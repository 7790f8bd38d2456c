"""`ctrace completion`: what a shell runs to complete our commands, options, values and file names."""

from __future__ import annotations

import click

_EPILOG = """\b
Examples:
  source <(ctrace completion bash)                 for this shell; the line may go into ~/.bashrc
  ctrace completion bash > ~/.local/share/bash-completion/completions/ctrace
  source <(ctrace completion zsh)                  in ~/.zshrc, after compinit
  ctrace completion fish > ~/.config/fish/completions/ctrace.fish

Exit codes: 0 fine; 2 wrong usage.
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that lets the shell complete commands, options, their values, and file names.

    The script asks ctrace each time, so it fits the version that is installed. Bash needs 4.4 or later.
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from tracer.cli import cli

    found = get_completion_class(shell)
    assert found is not None
    # Not BashComplete.source(), which runs the bash that is found first to ask for its version.
    click.echo(ShellComplete.source(found(cli, {}, "ctrace", "_CTRACE_COMPLETE")))
