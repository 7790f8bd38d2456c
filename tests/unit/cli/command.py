"""Run `ctrace` as a user does: a process of its own, with pipes or a real (pseudo) terminal."""

from __future__ import annotations

import os
import pty
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

ARGV = [sys.executable, "-m", "tracer"]

LOG = """\
100 execve("/bin/sh", ["sh", "-c", "x"], 0x7ffd /* 9 vars */) = 0
100 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 101
101 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0
101 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 102
102 execve("/usr/bin/daemonize", ["daemonize"], 0x7ffd /* 9 vars */) = 0
102 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 103
103 execve("/usr/sbin/daemon", ["daemon", "\\33]0;owned\\7"], 0x7ffd /* 9 vars */) = 0
102 exit_group(0) = ?
102 +++ exited with 0 +++
101 wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 102
"""
"""sh (100), its child 101 is a subreaper, and adopts daemon (103) when daemonize (102) exits."""


def environment(**changes: str) -> dict[str, str]:
    """This environment without what changes colours and widths."""
    dropped = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "LC_ALL", "COLORTERM", "TERM"}
    return {**{k: v for k, v in os.environ.items() if k not in dropped}, "TERM": "xterm-256color", **changes}


def ctrace(*args: str | Path, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run it with pipes."""
    return subprocess.run(
        [*ARGV, *map(str, args)], input=stdin, capture_output=True, env=environment(**env), timeout=120, check=False
    )


def ctrace_on_a_terminal(*args: str | Path, columns: int = 80, stdin: bytes = b"", **env: str) -> tuple[int, str]:
    """Run it with a terminal of that width as stdout and stderr; exit code and everything shown."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    process = subprocess.Popen(
        [*ARGV, *map(str, args)], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env=environment(**env)
    )
    os.close(theirs)
    assert process.stdin is not None
    if stdin:
        process.stdin.write(stdin)
    process.stdin.close()
    shown = bytearray()
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # EIO: the last writer is gone
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(timeout=60), shown.decode("utf-8").replace("\r\n", "\n")
