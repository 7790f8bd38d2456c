"""Large logs for the benchmarks: recorded here by a real strace, then repeated with shifted numbers.

dense   every line a process event: a shell that starts short-lived programs
full    all system calls, under 1 % of the lines are process events
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

DENSE_WORKLOAD = "i=0; while [ $i -lt 1500 ]; do /bin/true; i=$((i+1)); done"
FULL_WORKLOAD = "for d in /usr/share/* /usr/lib/*; do find $d > /dev/null; done"

_TASK = re.compile(rb"^(\d+) ", re.M)
_BORN = re.compile(
    rb"((?:clone3?|fork|vfork)(?:\(| resumed).*\) += )(\d+)|(wait4(?:\(| resumed).* = )(\d+)|(si_pid=)(\d+)"
)
PID_STEP = 4000


def record(workload: str, options: list[str], to: Path) -> None:
    """Run a shell workload under strace; the log goes to `to`."""
    command = ["strace", "-f", *options, "-o", str(to), "/bin/sh", "-c", workload]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def shift(log: bytes, by: int) -> bytes:
    """The same log with every number of a task moved up."""
    log = _TASK.sub(lambda m: b"%d " % (int(m[1]) + by), log)

    def born(m: re.Match[bytes]) -> bytes:
        for i in (1, 3, 5):
            if m[i] is not None:
                return m[i] + b"%d" % (int(m[i + 1]) + by)
        return m[0]

    return _BORN.sub(born, log)


def repeat(sample: bytes, size: int, to: Path) -> int:
    """Write at least `size` bytes of shifted copies; gives the number of lines."""
    lines_each = sample.count(b"\n")
    written = copies = 0
    with to.open("wb") as out:
        while written < size:
            written += out.write(shift(sample, copies * PID_STEP))
            copies += 1
    return copies * lines_each


def dense(folder: Path, megabytes: int) -> tuple[Path, int]:
    """Path and line count."""
    sample, target = folder / "dense-sample.log", folder / f"dense-{megabytes}.log"
    if not sample.exists():
        record(DENSE_WORKLOAD, ["-e", "trace=process,prctl"], sample)
    return target, repeat(sample.read_bytes(), megabytes * 1_000_000, target)


def full(folder: Path, megabytes: int) -> tuple[Path, int]:
    """Path and line count. The sample is large, so it is repeated as it is but for its numbers."""
    sample, target = folder / "full-sample.log", folder / f"full-{megabytes}.log"
    if not sample.exists():
        record(FULL_WORKLOAD, ["-tt"], sample)
    return target, repeat(sample.read_bytes(), megabytes * 1_000_000, target)


def short_lived(count: int, to: Path) -> tuple[Path, int]:
    """A log in which one shell starts `count` processes, one after the other (the lines are those of strace 6.1)."""
    with to.open("w") as out:
        out.write('100 execve("/bin/sh", ["sh"], 0x7ffd7c2a9d48 /* 9 vars */) = 0\n')
        for tid in range(101, 101 + count):
            out.write(
                f"100 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, "
                f"child_tidptr=0x7f0c9d1a6a10) = {tid}\n"
                f'{tid} execve("/bin/true", ["/bin/true"], 0x55d4b0 /* 9 vars */) = 0\n'
                f"{tid} exit_group(0) = ?\n"
                f"{tid} +++ exited with 0 +++\n"
                f"100 wait4(-1, [{{WIFEXITED(s) && WEXITSTATUS(s) == 0}}], 0, NULL) = {tid}\n"
            )
    return to, 1 + 5 * count


def siblings(count: int, to: Path) -> tuple[Path, int]:
    """One parent with `count` living children."""
    with to.open("w") as out:
        out.write('100 execve("/bin/sh", ["sh"], 0x7ffd7c2a9d48 /* 9 vars */) = 0\n')
        for tid in range(101, 101 + count):
            out.write(f"100 clone(child_stack=NULL, flags=SIGCHLD) = {tid}\n")
    return to, 1 + count


def chain(depth: int, to: Path) -> tuple[Path, int]:
    """Each process the child of the one before."""
    with to.open("w") as out:
        out.write('100 execve("/bin/sh", ["sh"], 0x7ffd7c2a9d48 /* 9 vars */) = 0\n')
        for tid in range(101, 101 + depth):
            out.write(f"{tid - 1} clone(child_stack=NULL, flags=SIGCHLD) = {tid}\n")
    return to, 1 + depth
