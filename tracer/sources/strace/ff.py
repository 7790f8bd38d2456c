"""`strace -ff -o NAME`: one file for each task, NAME.TID."""

from __future__ import annotations

from typing import NamedTuple

from tracer.sources.base import Source


class TaskFile(NamedTuple):
    """One file of the input; `tid` is None where its name ends with no number."""

    path: str
    tid: int | None


def find_set(paths: list[str]) -> list[TaskFile]:
    return [TaskFile(path, None) for path in paths]


def open_set(paths: list[str], files: list[TaskFile]) -> Source:
    raise NotImplementedError
