"""Seconds and CPU of `ctrace watch` until it has its first tree: `python -m tests.kernels.first_tree LOADER`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    loader = sys.argv[1]
    command = [sys.executable, "-m", "tracer", "watch", str(os.getpid()), "--format", "lines", "--loader", loader]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.readline().decode("utf-8", "backslashreplace")
        seconds = time.monotonic() - began
        cpu = cpu_seconds(process.pid)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read().decode("utf-8", "backslashreplace")
    told = {"ok": "watching" in said and process.returncode == 0, "first_tree_ms": round(1000 * seconds)}
    print(json.dumps(told | {"cpu_ms": round(1000 * cpu), "said": (said + rest)[-2000:]}))


def cpu_seconds(pid: int) -> float:
    """User and system time so far; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
