"""The live tests' check that probes load, and the node tests' containerd."""

from tests.live.conftest import _probes_load, _skip_without_probes
from tests.node.conftest import containerd

__all__ = ["_probes_load", "_skip_without_probes", "containerd"]
