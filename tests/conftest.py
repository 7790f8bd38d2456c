"""What tests of several commands share."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

from tests.unit.cli.command import LOG
from tracer.errors import CapabilityError
from tracer.sources.ebpf.loader import load_probes

# Wherever the tests run, ctrace may draw lines.
os.environ |= {"LANG": "C.UTF-8"}
for name in ("LC_ALL", "LC_CTYPE"):  # Python sets LC_CTYPE by itself where there is no locale (PEP 538)
    os.environ.pop(name, None)


@functools.cache
def _why_not_live() -> str:
    """Why this machine or user cannot load the probes, or ''."""
    if os.geteuid() != 0:
        return "live tracing needs root"
    try:
        load_probes(ring_size=1 << 16).close()
    except CapabilityError as error:
        return f"{error.message} ({error.hint})"
    return ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture is made: those of a module load probes, too."""
    if item.get_closest_marker("live") is not None and (reason := _why_not_live()):
        pytest.skip(reason)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The small log of tests/unit/cli/command.py, as a file."""
    path = tmp_path / "strace.log"
    path.write_text(LOG)
    return path
