"""Asking others, who may not answer: programs, and our own code in a child process.

No shell, a list of arguments, little environment, and a time limit for each. As root only programs are started that
nobody else could have put there.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/sbin"
TIMEOUT = 6.0
"""Seconds for a program to say its version."""
_MAX = 1 << 18
_BURIAL = 1.0
"""Seconds in which a killed child should be gone; one that the kernel holds (a dead network disk) is left to init."""
_PR_SET_PDEATHSIG = 1


class NoAnswer(Exception):
    """Nobody answered; says why."""


def find_program(name: str) -> str | None:
    """Its path: for root in the system's folders, for others as their PATH has it, too."""
    own = os.environ.get("PATH", "") if os.geteuid() else ""
    return shutil.which(name, path=f"{own}:{PATH}" if own else PATH)


def run(program: str, *args: str, timeout: float = TIMEOUT) -> str:
    """What the program prints to stdout, then to stderr. Raises NoAnswer."""
    name = Path(program).name
    if os.geteuid() == 0 and not _only_root_changes(Path(program)):
        raise NoAnswer(f"{program} was not run: others than root can change it")
    try:
        process = subprocess.Popen(
            [program, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"PATH": PATH, "LC_ALL": "C", "HOME": "/nonexistent"},
            start_new_session=True,
        )
    except OSError as error:
        raise NoAnswer(f"{name} cannot be run: {error.strerror}") from None
    try:
        out, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end_group(process.pid)
        _bury(process.pid)
        raise NoAnswer(f"{name} did not answer within {timeout:g} s") from None
    if process.returncode:
        said = (errors or out).decode("utf-8", "replace").strip().splitlines()
        raise NoAnswer(f"{name}: {said[0][:200] if said else _end(process.returncode)}")
    return (out[:_MAX] + errors[:_MAX]).decode("utf-8", "replace")


def _only_root_changes(program: Path) -> bool:
    """Neither the file nor a folder on the way, links followed, can be written by others."""
    try:
        places = {place for path in (program, program.resolve(strict=True)) for place in (path, *path.parents)}
        return all(_safe(place.stat()) for place in places)
    except OSError:
        return False


def _safe(info: os.stat_result) -> bool:
    others = info.st_mode & stat.S_IWOTH or (info.st_mode & stat.S_IWGRP and info.st_gid != 0)
    return info.st_uid == 0 and not others


def in_child(work: Callable[[], Any], timeout: float) -> Any:
    """What `work()` returns (anything that JSON can carry), run in a forked child that may crash, hang or litter.

    Raises NoAnswer where it raised, or did not return within `timeout` seconds. For a process with one thread.
    """
    out, into = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _be_child(work, into, parent)
    os.close(into)
    try:
        data = _read(out, time.monotonic() + timeout)
    finally:
        os.close(out)
        _end_group(child)
        status = _bury(child)
    if data is None:
        raise NoAnswer(f"no answer within {timeout:g} s")
    try:
        answer = json.loads(data)
    except ValueError:
        raise NoAnswer(f"ended without an answer: {_end(status)}") from None
    if "error" in answer:
        raise NoAnswer(answer["error"])
    return answer["value"]


def _be_child(work: Callable[[], Any], into: int, parent: int) -> NoReturn:
    try:
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        if os.getppid() == parent:
            _send(work, into)
    finally:
        os._exit(0)


def _send(work: Callable[[], Any], into: int) -> None:
    try:
        answer = {"value": work()}
    except NoAnswer as error:
        answer = {"error": str(error)}
    except BaseException as error:  # whatever it is: this child must not go on as a second parent
        answer = {"error": f"{type(error).__name__}: {error}"[:1000]}
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(into, data) :]


def _read(out: int, deadline: float) -> bytes | None:
    """All until the other end is closed; None where that takes too long."""
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([out], [], [], left)[0]:
            return None
        part = os.read(out, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _end_group(leader: int) -> None:
    """Kill it and what it has started. It is our child, not yet waited for, and leads its own process group."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(leader, signal.SIGKILL)


def _bury(child: int) -> int | None:
    """Its raw wait status; None where it does not end."""
    deadline = time.monotonic() + _BURIAL
    while time.monotonic() < deadline:
        try:
            found, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:
            return None
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def _end(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "it does not end"
    return f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
