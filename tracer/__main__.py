"""The command `ctrace`; `python -m tracer` is the same."""

import signal
from typing import NoReturn


def entry() -> NoReturn:
    """Run it. Ctrl-C while it is loaded just ends it: nothing is there yet that could say so in words."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tracer import cli

    signal.signal(signal.SIGINT, before)
    cli.entry()


if __name__ == "__main__":
    entry()
