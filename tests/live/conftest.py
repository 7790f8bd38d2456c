"""Real processes under real probes. Skips, with the reason, where this machine or user cannot load them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import Compiled
from tracer.errors import CapabilityError
from tracer.sources.ebpf.loader import load_probes

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def _probes_load() -> None:
    """Skips unless the probes can be loaded here."""
    try:
        load_probes(ring_size=1 << 16).close()
    except CapabilityError as error:
        pytest.skip(f"{error.message} ({error.hint})")


@pytest.fixture(autouse=True)
def _skip_without_probes(request: pytest.FixtureRequest) -> None:
    if "live" in request.node.keywords:
        request.getfixturevalue("_probes_load")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiled]:
    """The compiled test programs and fixtures."""
    folder = tmp_path_factory.mktemp("programs")
    try:
        yield Compiled(folder)
    except FileNotFoundError:
        pytest.skip("no C compiler (apt install gcc)")
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stderr)
