"""Signals as flags that the loop looks at: nothing is done inside a handler, so nothing is left half done."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType, TracebackType
from typing import Any

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """While entered: SIGINT, SIGTERM and SIGHUP ask for the end, SIGUSR1 for a check, SIGWINCH tells of a new size.

    With `terminal`, SIGTSTP (Ctrl-Z) is a flag as well, for a program that must give the terminal back first.
    """

    def __init__(self, *, terminal: bool = False) -> None:
        self.stopped_by: signal.Signals | None = None
        """The first signal that asked for the end."""
        self.stops = 0
        """How many such signals came."""
        self.check = False
        self.resized = False
        self.suspended = False
        self._terminal = terminal
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        for number in STOP:
            self._handle(number, self._on_stop)
        self._handle(signal.SIGUSR1, self._on_check)
        self._handle(signal.SIGWINCH, self._on_resize)
        if self._terminal:
            self._handle(signal.SIGTSTP, self._on_suspend)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            with contextlib.suppress(TypeError):  # a handler that Python did not install cannot be put back
                signal.signal(number, handler)

    def _handle(self, number: signal.Signals, handler: Any) -> None:
        before = signal.getsignal(number)
        if number == signal.SIGHUP and before == signal.SIG_IGN:
            return  # nohup
        self._before[number] = signal.signal(number, handler)

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        self.stops += 1
        if self.stopped_by is None:
            self.stopped_by = signal.Signals(number)

    def _on_check(self, _number: int, _frame: FrameType | None) -> None:
        self.check = True

    def _on_resize(self, _number: int, _frame: FrameType | None) -> None:
        self.resized = True

    def _on_suspend(self, _number: int, _frame: FrameType | None) -> None:
        self.suspended = True
