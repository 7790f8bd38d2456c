"""The live tests' fixtures: probes that load, programs that compile."""

from tests.live.conftest import _probes_load, _skip_without_probes, programs

__all__ = ["_probes_load", "_skip_without_probes", "programs"]
