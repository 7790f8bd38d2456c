"""What tests of several commands share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.cli.command import LOG

# Wherever the tests run, ctrace may draw lines.
os.environ |= {"LANG": "C.UTF-8"}
os.environ.pop("LC_ALL", None)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The small log of tests/unit/cli/command.py, as a file."""
    path = tmp_path / "strace.log"
    path.write_text(LOG)
    return path
