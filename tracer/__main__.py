"""`python -m tracer`: the command `ctrace`."""

from tracer.cli import entry

entry()
