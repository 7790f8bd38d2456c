"""ctrace: how a process got where it is in the tree, and what happens when something above it dies."""

__version__ = "0.1.0"
