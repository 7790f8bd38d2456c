"""The first steps of reading, in a process of their own: bytes to records there, records to events here.

The child is a fresh interpreter, so nothing of the caller's program is run again or copied. It writes frames
(length, marshalled batch) to a pipe, whose size bounds what lies between; it ends when the pipe breaks, so it cannot
outlive its parent, and it is ended when the parent stops reading.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracer.errors import UnreadableInput
from tracer.sources.base import Progress
from tracer.sources.open import Input
from tracer.sources.strace.grammar import find_style
from tracer.sources.strace.reading import Batch, read

PAYS_FROM = 8 << 20
"""Bytes on disk from which a second process is worth its start (0.1 s)."""

_PIPE = 1 << 20
_RUN = "import sys; sys.path.append(sys.argv[1]); from tracer.sources.strace.worker import main; main(sys.argv[2])"
_ROOT = str(Path(__file__).parents[3])


def pays(source: Input) -> bool:
    """Is the input large, and is there a second core?"""
    cores = len(os.sched_getaffinity(0))
    return source.size is not None and source.size >= PAYS_FROM and cores > 1 and bool(sys.executable)


def read_elsewhere(source: Input, progress: Progress | None) -> Iterator[Batch]:
    """`reading.read` of a file, done by another process. Raises UnreadableInput if that process dies."""
    path = str(Path(source.path).absolute())
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _RUN, _ROOT, path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    pipe = process.stdout
    assert pipe is not None
    try:
        while True:
            length = int.from_bytes(pipe.read(8), "little")
            if not length:
                break
            data = pipe.read(length)
            if len(data) < length:
                break
            done, damage, *batch = marshal.loads(data)
            if damage is not None:
                source.damage = damage
                return
            if progress is not None:
                progress(done)
            yield tuple(batch)
        raise UnreadableInput(f"reading {source.path} was interrupted: the reading process ended early")
    finally:
        pipe.close()
        process.kill()
        process.wait()


def main(path: str) -> None:
    """The child: read the file, write frames."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of it, and ends this process
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    gc.disable()
    out = sys.stdout.fileno()
    with contextlib.suppress(OSError):  # an unprivileged user's pipes may be at their limit
        fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, _PIPE)
    done = 0

    def step(size: int) -> None:
        nonlocal done
        done = size

    source = Input(path)
    for batch in read(source, find_style(source.sample()), step):
        _write(out, (done, None, *batch))
    _write(out, (done, source.damage, [], [], set(), [], 0))


def _write(out: int, frame: Any) -> None:
    data = marshal.dumps(frame)
    data = len(data).to_bytes(8, "little") + data
    while data:
        data = data[os.write(out, data) :]
