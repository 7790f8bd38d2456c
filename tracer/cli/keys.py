"""Keys of a terminal, one at a time, without waiting for Enter and without echo."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import termios
import tty
from typing import Any

_KEYS = {
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
    b"\x1b[F": "end",
    b"\x1b[4~": "end",
    b"G": "end",
    b"q": "quit",
    b"v": "verify",
}

_ONE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]?|O.?)?|.", re.S)
"""What one key sends: a character, or a control sequence (ECMA-48, 5.4), the last one perhaps cut off."""


class Keys:
    """Reads stdin while started; does nothing where stdin is no terminal or belongs to someone in the foreground."""

    def __init__(self) -> None:
        self._fd = -1
        self._saved: list[Any] = []
        self._typed = b""
        """What was read and not asked for yet: keys that are held down come several at a time."""

    def start(self) -> None:
        """Switch line editing and echo off. Ctrl-C and Ctrl-Z keep their meaning."""
        with contextlib.suppress(OSError, ValueError, termios.error):
            fd = sys.stdin.fileno()
            if os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp():
                self._saved = termios.tcgetattr(fd)
                tty.setcbreak(fd)
                self._fd = fd

    @property
    def work(self) -> bool:
        """Somebody can press them."""
        return self._fd >= 0

    def stop(self) -> None:
        """As it was before."""
        if self._fd >= 0:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)
            self._fd = -1

    def pressed(self) -> str | None:
        """The name of the next key that was pressed and is known, or None."""
        while self._typed or self._read():
            one = _ONE.match(self._typed)
            assert one is not None
            self._typed = self._typed[one.end() :]
            name = _KEYS.get(one[0])
            if name is not None:
                return name
        return None

    def _read(self) -> bool:
        """Read what was typed; False if it was nothing."""
        if self._fd < 0 or not select.select([self._fd], [], [], 0)[0]:
            return False
        with contextlib.suppress(OSError):
            self._typed = os.read(self._fd, 4096)
        if not self._typed:
            self._fd = -1  # the terminal is gone
        return bool(self._typed)
