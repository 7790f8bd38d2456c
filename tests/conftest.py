"""What tests of several commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.command import LOG


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The small log of tests/unit/cli/command.py, as a file."""
    path = tmp_path / "strace.log"
    path.write_text(LOG)
    return path
