"""One node for each test module that asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.node import containerd as private
from tests.node import systemd_node

if TYPE_CHECKING:
    from collections.abc import Iterator


def skip_or_fail(reason: str) -> None:
    """Skip; fail where the environment says that this must run (CTRACE_REQUIRE=node)."""
    if "node" in os.environ.get("CTRACE_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def node() -> Iterator[systemd_node.SystemdNode]:
    """A booted node with systemd as PID 1."""
    if reason := systemd_node.missing():
        skip_or_fail(reason)
    with systemd_node.SystemdNode.boot() as booted:
        yield booted


@pytest.fixture(scope="module")
def containerd() -> Iterator[private.Containerd]:
    """A containerd of our own on this machine, without systemd."""
    if reason := private.missing():
        skip_or_fail(reason)
    with private.Containerd.start() as started:
        yield started
