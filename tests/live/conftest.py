"""Real processes under real probes. tests/conftest.py skips them, with the reason, where those cannot be loaded."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compiler import cannot_compile
from tests.live.harness import PREBUILT, Compiled

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiled]:
    """The compiled test programs and fixtures."""
    folder = tmp_path_factory.mktemp("programs")
    if not PREBUILT and (reason := cannot_compile()):
        pytest.skip(reason)
    try:
        yield Compiled(folder)
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stderr)
