"""`ctrace watch` and `ctrace record` as processes of their own, as a user runs them."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.live.harness import wait_until

ARGV = [sys.executable, "-m", "tracer"]

# A subreaper in which a grandchild is orphaned, a kill, and an exit code; prints the numbers of its processes.
WORKLOAD = """
import ctypes, os, signal, sys, time
libc = ctypes.CDLL(None)
libc.prctl(36, 1, 0, 0, 0)
r, w = os.pipe()
child = os.fork()
if child == 0:
    orphan = os.fork()
    if orphan == 0:
        time.sleep(float(sys.argv[1]))
        os._exit(7)
    os.write(w, str(orphan).encode())
    os._exit(3)
os.waitpid(child, 0)
orphan = int(os.read(r, 16))
killed = os.fork()
if killed == 0:
    time.sleep(60)
os.kill(killed, signal.SIGKILL)
os.waitpid(killed, 0)
print(os.getpid(), child, orphan, killed, flush=True)
if sys.argv[2] == "orphan":
    os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)
else:
    time.sleep(float(sys.argv[2]))
"""


class Running:
    """A command that runs, with its stdout in a file and its stderr in another."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process = process
        self._out = out
        self._err = err

    @property
    def stdout(self) -> str:
        return self._out.read_text(encoding="utf-8", errors="surrogateescape")

    @property
    def stderr(self) -> str:
        return self._err.read_text(encoding="utf-8", errors="surrogateescape")

    def wait_for(self, text: str, where: str = "stderr", seconds: float = 60.0) -> None:
        """Until it has said that."""

        def said() -> bool:
            assert self.process.poll() is None or text in getattr(self, where), self.stderr
            return text in getattr(self, where)

        wait_until(said, f"{text!r} was not said on {where}: {self.stderr}", seconds)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send the signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    @property
    def why(self) -> str:
        """What it said last: its errors, and where it differs from /proc."""
        return self.stderr + "\n".join(self.stdout.splitlines()[-8:])

    def json_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


@contextlib.contextmanager
def started(folder: Path, *args: str | Path, **options: Any) -> Iterator[Running]:
    """`ctrace ARGS`; killed at the end if it still runs."""
    out, err = folder / "stdout", folder / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        command = [*ARGV, *map(str, args)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, **options) as process:
            try:
                yield Running(process, out, err)
            finally:
                process.kill()


def ctrace(*args: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run it to its end. If it hangs, the failure shows where."""
    command = [sys.executable, "-X", "faulthandler", *ARGV[1:], *map(str, args)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, **options) as process:
        try:
            out, err = process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            raise AssertionError(process.communicate(timeout=10)[1]) from None
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def workload(orphan_sleeps: float = 0.0, sleeps: float | str = 0.0) -> list[str]:
    """`sleeps`: so long the subreaper is still there; "orphan": until the orphan has ended."""
    return [sys.executable, "-c", WORKLOAD, str(orphan_sleeps), str(sleeps)]


def run_workload(orphan_sleeps: float = 0.0, sleeps: float | str = 0.0) -> list[int]:
    """Pids: the subreaper, its child, the orphan, the killed one."""
    done = subprocess.run(workload(orphan_sleeps, sleeps), capture_output=True, text=True, check=True, timeout=60)
    return [int(word) for word in done.stdout.split()]
