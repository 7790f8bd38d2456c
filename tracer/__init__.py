"""ctrace: how a process got where it is in the tree, and what happens when something above it dies."""

from tracer.api import replay

__all__ = ["__version__", "replay"]
__version__ = "0.1.0"
