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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tracer.errors import UnreadableInput
from tracer.sources.base import Progress
from tracer.sources.open import Input
from tracer.sources.strace.lines.style import find_style
from tracer.sources.strace.reading import Batch, read

PAYS_FROM = 8 << 20
"""Bytes on disk from which a second process is worth its start (0.1 s)."""

_PIPE = 1 << 20
_RUN = (
    "import sys; sys.path.append(sys.argv[1]); from importlib import import_module; "
    "import_module(sys.argv[2]).main(*sys.argv[3:])"
)
_ROOT = str(Path(__file__).parents[3])


def pays(source: Input) -> bool:
    """Is the input large, and is there a second core?"""
    cores = len(os.sched_getaffinity(0))
    return source.size is not None and source.size >= PAYS_FROM and cores > 1 and bool(sys.executable)


@contextlib.contextmanager
def running(module: str, source: Input, *args: str) -> Iterator[Callable[[], Any]]:
    """A process that runs `main(path, *args)` of a module. What is given receives what it sends, one by one.

    Receiving raises UnreadableInput if the process has died.
    """
    path = str(Path(source.path).absolute())
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _RUN, _ROOT, module, path, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    pipe = process.stdout
    assert pipe is not None

    def receive() -> Any:
        length = int.from_bytes(pipe.read(8), "little")
        data = pipe.read(length)
        if not length or len(data) < length:
            raise UnreadableInput(f"reading {source.path} was interrupted: the reading process ended early")
        return marshal.loads(data)

    try:
        yield receive
    finally:
        pipe.close()
        process.kill()
        process.wait()


def read_elsewhere(source: Input, progress: Progress | None) -> Iterator[Batch]:
    """`reading.read` of a file, done by another process. Raises UnreadableInput if that process dies."""
    with running(__name__, source) as receive:
        while True:
            done, damage, *batch = receive()
            if damage is not None:
                source.damage = damage
                return
            if progress is not None:
                progress(done)
            yield tuple(batch)


def main(path: str) -> None:
    """The child: read the file, send batches."""
    prepare()
    done = 0

    def step(size: int) -> None:
        nonlocal done
        done = size

    source = Input(path)
    for batch in read(source, find_style(source.sample()), step):
        send((done, None, *batch))
    send((done, source.damage, [], [], set(), [], 0))


def prepare() -> None:
    """To be called first in the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of it, and ends this process
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    gc.disable()
    with contextlib.suppress(OSError):  # an unprivileged user's pipes may be at their limit
        fcntl.fcntl(sys.stdout.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)


def send(frame: Any) -> None:
    """In the child: to the parent, which receives the same."""
    out = sys.stdout.fileno()
    data = marshal.dumps(frame)
    data = len(data).to_bytes(8, "little") + data
    while data:
        data = data[os.write(out, data) :]
