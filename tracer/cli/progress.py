"""A progress bar on stderr for reading that takes longer than a second, when stderr is a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.progress import Progress

PATIENCE = 1.0
"""Seconds before anything is shown."""


class ReadingProgress:
    """Called with the bytes read so far; draws nothing before PATIENCE is over. Use as a context manager."""

    def __init__(self, size: int | None, label: str = "reading") -> None:
        self._size = size
        self._label = label
        self._start = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Callable[[int], None] | None:
        return self._update if sys.stderr.isatty() else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _update(self, done: int) -> None:
        if self._bar is None:
            if time.monotonic() - self._start < PATIENCE:
                return
            self._bar = _bar(self._size is not None)
            self._bar.add_task(self._label, total=self._size)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done)


def _bar(size_known: bool) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), DownloadColumn()]
    columns.append(TransferSpeedColumn())
    if size_known:
        columns.append(TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
