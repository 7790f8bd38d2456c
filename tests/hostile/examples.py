"""How hypothesis runs here."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def many(examples: int) -> settings:
    """So many examples, however slow one is on a busy machine."""
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )
