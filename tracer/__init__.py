"""ctrace: how a process got where it is in the tree, and what happens when something above it dies."""

from tracer.api import replay
from tracer.version import __version__

__all__ = ["__version__", "replay"]
