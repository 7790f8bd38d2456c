"""What can go wrong, as one tree.

CtraceError                 exit code 1; message says what happened, hint says what to do
├─ InputError               the input could not be used
│  ├─ NotATrace             readable, but no trace of any known kind
│  ├─ EmptyInput            nothing in it
│  └─ UnreadableInput       missing, a directory without a trace, no permission, damaged compression
├─ OutputError              the output could not be written
├─ TargetError              a process, unit, container or cgroup was not found, or several match
└─ CapabilityError          this machine or user lacks what live tracing needs
UsageError                  exit code 2; wrong options or arguments
"""

from __future__ import annotations


class CtraceError(Exception):
    """An error to be shown as one message, never as a traceback.

    `message` and `hint` may quote the input: the caller cleans them before printing.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(CtraceError):
    """The input could not be used."""


class NotATrace(InputError):
    """The input is readable, but it is no trace of any known kind."""


class EmptyInput(InputError):
    """There is nothing in the input."""


class UnreadableInput(InputError):
    """The input is missing, not permitted, damaged, or a folder without a trace."""


class OutputError(CtraceError):
    """The output could not be written."""


class TargetError(CtraceError):
    """No process matches the target, or too many do."""


class CapabilityError(CtraceError):
    """The machine or the user lacks something that live tracing needs."""


class UsageError(CtraceError):
    """The options or arguments make no sense together."""

    exit_code = 2
