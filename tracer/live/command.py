"""A command that is started held, so that nothing of it is missed, and let go when the tracer is ready."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence

from tracer.errors import CtraceError, UsageError

NOT_FOUND, NOT_EXECUTABLE = 127, 126


_BY_PYTHON = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGPIPE: signal.SIG_IGN,
    signal.SIGXFSZ: signal.SIG_IGN,
}
"""What Python makes of signals that its caller does not ignore."""


class Held:
    """A child process that will exec `argv` when `go()` is called. As the leader of nothing: Ctrl-C reaches it too.

    To be made before signals are handled, so that the command ignores just what the caller ignores (nohup).
    """

    def __init__(self, argv: Sequence[str]) -> None:
        if not argv or not argv[0]:
            raise UsageError("no command given after --")
        self.argv = list(argv)
        gate_out, gate_in = os.pipe2(os.O_CLOEXEC)
        error_out, error_in = os.pipe2(os.O_CLOEXEC)
        self.pid = os.fork()
        if self.pid == 0:
            self._child(gate_out, gate_in, error_in)
        os.close(gate_out)
        os.close(error_in)
        self._gate, self._error = gate_in, error_out
        self.status: int | None = None
        """Raw wait status, when it has ended."""

    def _child(self, gate: int, gate_in: int, error: int) -> None:
        """In the child: wait for the gate, then become the command. Never returns."""
        try:
            os.close(gate_in)
            for number, ours in _BY_PYTHON.items():
                if signal.getsignal(number) is ours:
                    signal.signal(number, signal.SIG_DFL)
            if os.read(gate, 1):
                os.execvp(self.argv[0], self.argv)
        except OSError as problem:
            os.write(error, str(problem.errno).encode())
        finally:
            os._exit(NOT_FOUND)

    def go(self) -> None:
        """Let it exec. Raises CtraceError, with the shell's exit code for it, where it cannot be run."""
        with contextlib.suppress(BrokenPipeError):  # somebody has killed it: poll() tells
            os.write(self._gate, b"!")
        os.close(self._gate)
        self._gate = -1
        told = os.read(self._error, 16)
        os.close(self._error)
        self._error = -1
        if told:
            os.waitpid(self.pid, 0)
            raise CommandError(self.argv[0], int(told))

    def poll(self) -> int | None:
        """Its exit code (128 + signal for a killed one) when it has ended, else None. It is reaped then."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == 0:
                return None
            self.status = status
        code = os.waitstatus_to_exitcode(self.status)
        return code if code >= 0 else 128 - code

    def send(self, number: int) -> None:
        """Pass a signal on, if it still runs."""
        if self.status is None:
            os.kill(self.pid, number)

    def give_up(self) -> None:
        """Close the gate: a child that is still held ends without running the command."""
        for fd in (self._gate, self._error):
            if fd >= 0:
                os.close(fd)
        if self._gate >= 0:
            os.waitpid(self.pid, 0)
        self._gate = self._error = -1


class CommandError(CtraceError):
    """The command could not be started."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"cannot run {name}: {os.strerror(number)}")
        self.exit_code = NOT_EXECUTABLE if number == 13 else NOT_FOUND
