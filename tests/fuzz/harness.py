"""Runs one random tree under a tracer: builds the programs, keeps the run in its box, drives the rounds."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.compiler import cannot_compile

from . import truth
from .truth import Truth

HERE = Path(__file__).parent
CONTROL_SIZE = 4096
CONTROL_FORMAT = "<IIQIIIiiI16i"  # control.h: struct control
KINDS = (
    *("fork", "vfork", "clone3", "parent", "thread", "vm", "subreaper", "exec", "exit", "setsid"),
    *("pdeathsig", "pidns", "setns", "wait", "kill", "name", "reuse", "autoreap", "untraced", "print"),
)
"""In the order of control.h."""
SPECIAL = ("autoreap", "untraced", "print")
"""Kinds that a log of process calls cannot show, or that disturb it."""
SYS_FUTEX = truth.SYSCALL["futex"]
FUTEX_WAKE = 1
PREBUILT = os.environ.get("CTRACE_TEST_PROGRAMS")
"""A folder with the programs, where there is no compiler."""
STRACE = os.environ.get("CTRACE_TEST_STRACE", "strace")
"""The strace to judge: a name, or the path of another version."""
PATIENCE = float(os.environ.get("CTRACE_TEST_PATIENCE", "1"))
"""How many times slower than a usual machine this one is."""
QUIET_SECONDS = 20.0 * PATIENCE


def kind_bits(names: Sequence[str]) -> int:
    """The mask for struct control."""
    return sum(1 << KINDS.index(n) for n in names)


def all_but(*names: str) -> tuple[str, ...]:
    """Every ordinary kind but these."""
    return tuple(k for k in KINDS if k not in names and k not in SPECIAL)


def build(folder: Path) -> None:
    """Compile the generator and the keeper into `folder`, if they are not there and newer than their source."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tree_gen", "keeper"):
        target, source = folder / name, HERE / f"{name}.c"
        if PREBUILT:
            shutil.copy(Path(PREBUILT) / name, target)
            continue
        newest = max(source.stat().st_mtime, (HERE / "control.h").stat().st_mtime)
        if not target.exists() or target.stat().st_mtime < newest:
            temporary = folder / f"{name}.{os.getpid()}"
            subprocess.run(["cc", "-O1", "-g", "-Wall", "-o", temporary, source], check=True)
            temporary.rename(target)


class Control:
    """The page shared with the tree (control.h)."""

    def __init__(self, path: Path, seed: int, kinds: Sequence[str], max_tasks: int, max_depth: int) -> None:
        values = (0, max_tasks, seed & 2**64 - 1, kind_bits(kinds), max_depth, 0, 0, 0, 0, *([0] * 16))
        path.write_bytes(struct.pack(CONTROL_FORMAT, *values).ljust(CONTROL_SIZE, b"\0"))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), CONTROL_SIZE)
        self._word = ctypes.c_uint32.from_buffer(self._map)
        self._libc = ctypes.CDLL(None, use_errno=True)

    @property
    def created(self) -> int:
        """How many creations the tree has tried."""
        return int(struct.unpack_from("<I", self._map, struct.calcsize("<IIQII"))[0])

    def next_round(self) -> int:
        """Release everybody; returns the new round's number."""
        self._word.value += 1
        self._libc.syscall(SYS_FUTEX, ctypes.byref(self._word), FUTEX_WAKE, 2**31 - 1, None, None, 0)
        return int(self._word.value)


@dataclass(slots=True)
class Box:
    """A keeper and what it keeps."""

    process: subprocess.Popen[bytes]
    proc: Path
    """The /proc in which to look."""
    keeper: int
    """The outermost reaper's number there."""
    host_keeper: int
    control: Control

    def look(self, round_now: int, seconds: float = QUIET_SECONDS) -> Truth | None:
        """The truth once nothing moves; None after `seconds`, or once the keeper is gone."""
        return truth.look(self.proc, self.keeper, round_now, time.monotonic() + seconds)

    def run_inside(self, command: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a command that sees the run's numbers (a tracer that comes late)."""
        if self.keeper == 1:
            command = ["nsenter", "-t", str(self.host_keeper), "-p", "-m", *command]
        return subprocess.Popen(command, **options)  # type: ignore[call-overload,no-any-return]


@contextlib.contextmanager
def box(
    folder: Path,
    programs: Path,
    before: Sequence[str],
    *,
    seed: int,
    kinds: Sequence[str],
    mode: str = "pidns",
    max_tasks: int = 60,
    max_depth: int = 7,
    pid_max: int = 0,
    seconds: int = 120,
    stderr: Path | None = None,
    host_view: bool = False,
) -> Iterator[Box]:
    """Run `before... tree_gen CONTROL` under a keeper; on leaving, nothing of it lives.

    `mode` is `pidns` (own namespace, own /proc) or `plain`; `stderr` gets what tracer and tree print.
    `host_view`: look at a namespace from outside, with this machine's numbers.
    """
    control_path = folder / "control"
    control = Control(control_path, seed, kinds, max_tasks, max_depth)
    tree = [str(programs / "tree_gen"), str(control_path)]
    keeper = [str(programs / "keeper"), mode, str(pid_max), f"{seconds * PATIENCE:.0f}", str(control_path)]
    command = [*keeper, *before, *tree]
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context((stderr or folder / "stderr").open("wb"))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=folder)
        stack.callback(_end, process)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"keeper: {(stderr or folder / 'stderr').read_bytes()!r}")
        host_keeper = int(line)
        inside = mode == "pidns" and not host_view
        keeper = 1 if inside else host_keeper
        proc = Path(f"/proc/{host_keeper}/root/proc") if inside else Path("/proc")
        yield Box(process, proc, keeper, host_keeper, control)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cannot_run(mode: str = "pidns") -> str:
    """Why random trees cannot run on this machine, or ''."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if not PREBUILT and (reason := cannot_compile()):
        return reason
    if not shutil.which(STRACE):
        return f"needs {STRACE}"
    if mode == "pidns" and os.geteuid() != 0:
        return "needs root (a pid namespace of its own)"
    return ""


def strace_version() -> str:
    """What the strace says that it is."""
    said = subprocess.run([STRACE, "-V"], check=True, capture_output=True, text=True).stdout
    return said.partition("\n")[0].removeprefix("strace -- version ")


def strace_refuses(options: Sequence[str]) -> str:
    """What the strace has against these options, or '': versions differ in what they know."""
    tried = subprocess.run([STRACE, *options, "true"], check=False, capture_output=True, text=True)
    return tried.stderr.partition("\n")[0] if tried.returncode else ""
