"""The node tests' containerd."""

from tests.node.conftest import containerd

__all__ = ["containerd"]
