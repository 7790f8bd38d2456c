"""What `make dist` gives, installed into an empty environment, traces with no bcc, headers or compiler to be seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_NO_INDEX = ("No matching distribution", "Temporary failure in name resolution", "Connection")


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="hides folders in a mount namespace and traces: needs root")
def test_the_wheel_traces_where_nothing_else_is_installed() -> None:
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    env = {**os.environ, "PYTHONS": str(base)}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        [ROOT / "scripts" / "check-dist"], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode and any(text in done.stderr for text in _NO_INDEX):
        pytest.skip("no package index to install dependencies from")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified: " in done.stdout
    assert "as in /proc" in done.stdout
    assert "fine with Python" in done.stdout
