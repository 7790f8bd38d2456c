"""What tests of several commands share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.cli.command import LOG

# Wherever the tests run, ctrace may draw lines.
os.environ |= {"LANG": "C.UTF-8"}
for name in ("LC_ALL", "LC_CTYPE"):  # Python sets LC_CTYPE by itself where there is no locale (PEP 538)
    os.environ.pop(name, None)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The small log of tests/unit/cli/command.py, as a file."""
    path = tmp_path / "strace.log"
    path.write_text(LOG)
    return path
