"""What `ctrace tree` is tried on: this machine with a containerd of the test's own, and a booted node."""

from tests.node.conftest import containerd, node

__all__ = ["containerd", "node"]
