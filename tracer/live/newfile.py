"""A file made by root in a folder that may be someone else's: nothing is followed, nothing overwritten unasked."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from tracer.errors import OutputError


def check_new(path: str, *, force: bool) -> None:
    """Say early what open_new() would say. Raises OutputError."""
    parent = Path(path).parent
    if not parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {parent}", f"mkdir -p {parent}")
    if os.path.lexists(path) and not (force and Path(path).is_file() and not Path(path).is_symlink()):
        raise _not_regular(path) if force else _exists(path)


def open_new(path: str, *, force: bool = False) -> BinaryIO:
    """Create `path` for writing; under sudo it belongs to the user who called.

    force  a regular file that is there is removed first (never written into: it may be a hard link to another)

    Raises OutputError where it exists, is no regular file, or cannot be made.
    """
    if force:
        _remove_old(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", _hint(error)) from None
    with contextlib.suppress(OSError):  # not permitted to: then it stays ours
        _hand_over(fd)
    return os.fdopen(fd, "wb", buffering=0)


def _remove_old(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise _not_regular(path)
    try:
        Path(path).unlink()
    except OSError as error:
        raise OutputError(f"cannot replace {path}: {error.strerror}") from None


def _not_regular(path: str) -> OutputError:
    return OutputError(f"{path} is no regular file, so it is not replaced", "Name another file with -o.")


def _exists(path: str) -> OutputError:
    if Path(path).is_symlink():
        return OutputError(f"{path} is a symbolic link, which is not followed", "Name another file with -o.")
    if Path(path).is_dir():
        return OutputError(f"{path} is a folder", f"Name a file in it: -o {path.rstrip('/')}/trace.ctrace")
    return OutputError(f"{path} exists already", "Give --force to replace it, or name another file with -o.")


def _hint(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "The folder is not there: mkdir -p it first."
    if error.errno == errno.ENOSPC:
        return "The disk is full: see df -h, or name a file on another one with -o."
    return ""


def _hand_over(fd: int) -> None:
    """sudo tells who called."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and uid.isdigit() and gid.isdigit():
        os.fchown(fd, int(uid), int(gid))
