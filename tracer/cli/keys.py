"""Keys of a terminal, one at a time, without waiting for Enter and without echo."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from typing import Any

_ARROWS = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"k": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"j": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b" ": "page down",
    b"\x1b[H": "home",
    b"\x1b[1~": "home",
    b"g": "home",
    b"q": "quit",
    b"v": "verify",
}


class Keys:
    """Reads stdin while started; does nothing where stdin is no terminal or belongs to someone in the foreground."""

    def __init__(self) -> None:
        self._fd = -1
        self._saved: list[Any] = []

    def start(self) -> None:
        """Switch line editing and echo off. Ctrl-C and Ctrl-Z keep their meaning."""
        with contextlib.suppress(OSError, ValueError, termios.error):
            fd = sys.stdin.fileno()
            if os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp():
                self._saved = termios.tcgetattr(fd)
                tty.setcbreak(fd)
                self._fd = fd

    def stop(self) -> None:
        """As it was before."""
        if self._fd >= 0:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)
            self._fd = -1

    def pressed(self) -> str | None:
        """The name of the key that was pressed since the last call, or None."""
        if self._fd < 0 or not select.select([self._fd], [], [], 0)[0]:
            return None
        try:
            data = os.read(self._fd, 64)
        except OSError:
            data = b""
        if not data:
            self._fd = -1  # the terminal is gone
            return None
        return _ARROWS.get(data)
