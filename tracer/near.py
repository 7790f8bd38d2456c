"""Names that come near one that nobody has."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MOST = 5


def near(name: str, known: Iterable[str]) -> list[str]:
    """Up to five of the known names: the most alike first, then those that contain it."""
    names = sorted(known)
    alike = get_close_matches(name, names, n=_MOST)
    return [*alike, *(n for n in names if name in n and n not in alike)][:_MOST]
