"""What every subcommand does with its output: to a file or stdout, in UTF-8, ending quietly on a closed pipe."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from tracer.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """stdout, or the file at `path` ('-' is stdout), emptied when it was there; root uses no file or link of others.

    Raises OutputError where it cannot be written.
    """
    if path is None or path == "-":
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout
        return
    from tracer.live.newfile import open_output as open_file

    fd = open_file(path)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as out:
            yield out
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
