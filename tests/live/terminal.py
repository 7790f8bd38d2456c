"""A pseudo terminal with `ctrace watch` on it, and what is on its screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.live.harness import wait_until
from tests.live.watching import ARGV

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
_END = b"(end)"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """Reads all that is written to it, from a thread."""

    def __init__(self, rows: int, columns: int) -> None:
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)
        self.modes: list[Any] = termios.tcgetattr(self.slave)
        self._data = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 65536):
                self._data += data

    @property
    def text(self) -> str:
        """Everything that was written."""
        return bytes(self._data).decode("utf-8", "replace")

    @property
    def frames(self) -> list[list[str]]:
        """The lines of each whole frame on the alternate screen, without styles."""
        screen = self.text.partition(ENTER)[2].partition(LEAVE)[0]
        whole = screen.split("\x1b[H")[1:-1]
        return [[line.rstrip() for line in _STYLE.sub("", frame).split("\r\n")] for frame in whole]

    @property
    def after(self) -> list[str]:
        """The lines on the normal screen after the alternate one was left."""
        return _STYLE.sub("", self.text.rpartition(LEAVE)[2]).split("\r\n")

    def final(self) -> str:
        """What is on the normal screen when the command has ended; what is written now comes after it."""
        os.write(self.slave, _END)
        wait_until(lambda: self._data.endswith(_END), "the terminal is not read")
        return "\n".join(self.after)

    def shown(self, text: str) -> bool:
        """In the last whole frame."""
        return any(text in line for line in (self.frames or [[]])[-1])

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        """Until it is on the screen, be it for one frame."""
        now = max(len(self.frames) - 1, 0)
        try:
            wait_until(lambda: any(text in line for frame in self.frames[now:] for line in frame), "", seconds)
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen: {self.frames[-1:]} {self.text[-500:]!r}") from None

    def wait_frames(self, count: int) -> None:
        """Until so many more were drawn."""
        wanted = len(self.frames) + count
        wait_until(lambda: len(self.frames) >= wanted, "no new frames")

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def close(self) -> None:
        os.close(self.slave)
        self._reader.join(timeout=5)
        os.close(self.master)


@contextlib.contextmanager
def watching(*args: str, rows: int = 40, columns: int = 100) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """`ctrace watch ARGS` in the foreground of a terminal of its own; killed at the end if it still runs."""
    terminal = Terminal(rows, columns)

    env = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS", "LINES", "LC_ALL"}}
    env["TERM"] = "xterm-256color"
    streams = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
    # Not being the leader of a process group, setsid becomes the command without a fork.
    command = ["setsid", "--ctty", *ARGV, "watch", *args]
    with subprocess.Popen(command, env=env, **streams) as process:
        try:
            yield terminal, process
        finally:
            process.kill()
            process.wait()
            time.sleep(0.05)
            terminal.close()


def resized(terminal: Terminal, process: subprocess.Popen[bytes], rows: int, columns: int) -> None:
    """As a terminal emulator does it: the size first, then the signal (the kernel sends it to the foreground group)."""
    terminal.resize(rows, columns)
    process.send_signal(signal.SIGWINCH)
