"""Files written by root in folders that may be someone else's.

Symbolic links on the way are followed only if they belong to root or to who called sudo: someone else's would lead
root's writing wherever he likes. (The kernel's fs.protected_symlinks sees to it in sticky folders alone, and only
where it is switched on.)
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tracer.errors import OutputError

_MAX_LINKS = 40  # as the kernel (MAXSYMLINKS, include/linux/namei.h)
_OWN_FILES = re.compile(r"/dev/(stdout|stderr|fd/\d+)|/proc/self/fd/\d+")
"""Names of this process's own open files, as `-o >(command)` gives them."""


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
    with _place(path) as (folder, name):
        if force:
            _remove_old(path, folder, name)
        try:
            fd = _create(folder, name, 0o600)
        except FileExistsError:
            raise _exists(path) from None
    return os.fdopen(fd, "wb", buffering=0)


def open_output(path: str) -> int:
    """Open `path` for writing, made or emptied, as a shell's `>` does; as root, no file or link of another user.

    Gives a file descriptor. Raises OutputError.
    """
    if os.geteuid() != 0 or _OWN_FILES.fullmatch(path):
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}", _hint(error)) from None
    with _place(path) as (folder, name):
        with contextlib.suppress(FileExistsError):
            return _create(folder, name, 0o666)
        # Not to block at a pipe; what was opened is looked at before anything is written or cut.
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, dir_fd=folder)
        except OSError as error:
            raise (_exists(path) if error.errno == errno.ELOOP else error) from None
    info = os.fstat(fd)
    ours = info.st_uid in _trusted() and (info.st_nlink == 1 or not stat.S_ISREG(info.st_mode))
    if not ours and not stat.S_ISCHR(info.st_mode):
        os.close(fd)
        raise OutputError(f"{path} belongs to another user, so root does not write into it", _ANOTHER)
    os.set_blocking(fd, True)
    if stat.S_ISREG(info.st_mode):
        os.ftruncate(fd, 0)
    return fd


_ANOTHER = "Name another file with -o."


def _trusted() -> set[int]:
    """Users whose links and files may be used: root, and who called sudo."""
    uid = os.environ.get("SUDO_UID", "")
    return {0, os.geteuid(), *([int(uid)] if uid.isdigit() else [])}


@contextlib.contextmanager
def _place(path: str) -> Iterator[tuple[int, str]]:
    """The folder that `path` is in, as a file descriptor, and the name there.

    Raises OutputError for what goes wrong inside as well.
    """
    opened: list[int] = []
    try:
        if os.geteuid() != 0:
            opened.append(os.open(Path(path).parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            yield opened[0], Path(path).name
        else:
            yield _walk(path, opened)
    except FileExistsError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", _hint(error)) from None
    finally:
        for fd in opened:
            os.close(fd)


def _walk(path: str, opened: list[int]) -> tuple[int, str]:
    """Step by step, so that each link is looked at before it is followed. The last part is never followed."""
    here = os.open("/" if path.startswith("/") else ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    opened.append(here)
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links = 0
    while len(todo) > 1:
        step = os.open(todo.pop(), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        opened.append(step)
        info = os.fstat(step)
        if not stat.S_ISLNK(info.st_mode):
            here = step
            continue
        links += 1
        if info.st_uid not in _trusted():
            raise OutputError(f"the way to {path} has a symbolic link of another user, which is not followed", _ANOTHER)
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink("", dir_fd=step)
        if target.startswith("/"):
            here = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.append(here)
        todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    if not todo or todo[0] == "..":
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    return here, todo[0]


def _create(folder: int, name: str, mode: int) -> int:
    """A new file of that name; under sudo it belongs to who called."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, mode, dir_fd=folder)
    with contextlib.suppress(OSError):  # not permitted to: then it stays ours
        _hand_over(fd)
    return fd


def _remove_old(path: str, folder: int, name: str) -> None:
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise _not_regular(path)
    try:
        os.unlink(name, dir_fd=folder)
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
    if error.errno in (errno.ELOOP, errno.ENXIO):
        return _ANOTHER
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
