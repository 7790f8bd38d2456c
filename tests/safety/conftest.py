"""The live tests' programs."""

from tests.live.conftest import programs

__all__ = ["programs"]
