"""The node's file system: a small Debian made by debootstrap, built once and kept in a cache folder.

$CTRACE_NODE_CACHE, or ~/.cache/ctrace. Nodes only read it (each has an overlay of its own), so several can run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

SUITE = "bookworm"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "containerd", "runc", "procps", "psmisc", "strace")

# Raise it when what `_build` makes changes: another name is another root.
VERSION = 1


def cache_folder() -> Path:
    return Path(os.environ.get("CTRACE_NODE_CACHE") or Path.home() / ".cache" / "ctrace")


def root() -> Path:
    """Where the root is, or will be."""
    return cache_folder() / f"node-{SUITE}-{VERSION}"


def ensure(timeout: float = 600) -> Path:
    """The finished root; builds it when missing (about 50 s). Raises CalledProcessError or TimeoutExpired."""
    final = root()
    final.parent.mkdir(parents=True, exist_ok=True)
    # Two test runs must not build it at once; the lock goes with the process.
    with (final.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not final.is_dir():
            _build(final, timeout)
    return final


def _build(final: Path, timeout: float) -> None:
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    log = final.with_suffix(".log")
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(partial)]
    with log.open("wb") as output:
        # debootstrap and what it starts end with the test run.
        subprocess.run(
            ["setpriv", "--pdeathsig", "TERM", *command], check=True, timeout=timeout, stdout=output, stderr=output
        )
    for rubbish in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(partial / rubbish, ignore_errors=True)
    partial.rename(final)
