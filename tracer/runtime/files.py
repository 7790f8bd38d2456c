"""Reading what root wrote, when anyone may have prepared the way to it.

A file is read only if it is a plain file of bounded size, and if it and every folder and link on the way belong to
root (or to whoever runs ctrace) and cannot be replaced by others. The contents are data all the same: never trusted.
"""

from __future__ import annotations

import json
import os
import stat
from typing import Any

MAX_BYTES = 4 << 20
"""More than any config.json or state.json that was seen (some 30 KB), and less than would hurt."""
_MAX_LINKS = 8


def read_object(path: str, root: str = "/") -> dict[str, Any]:
    """The JSON object in a file; empty where there is none, or it must not be read.

    root  a folder that stands for `/` in the path and in links: /proc/PID/root for a process's own view
    """
    value = _read_json(path, root)
    return value if isinstance(value, dict) else {}


def read_list(path: str, root: str = "/") -> list[dict[str, Any]]:
    """The same for a JSON list; what in it is no object is left out."""
    value = _read_json(path, root)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _read_json(path: str, root: str) -> Any:
    text = read_bytes(path, root)
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def read_bytes(path: str, root: str = "/") -> bytes | None:
    """The contents; None where there is no such file, it is too big, or it must not be read."""
    file = _open(path, root, directory=False)
    if file is None:
        return None
    try:
        info = os.fstat(file)
        if info.st_size > MAX_BYTES:
            return None
        return _read_all(file)
    except OSError:
        return None
    finally:
        os.close(file)


def list_folder(path: str, root: str = "/", limit: int = 10_000) -> list[str]:
    """Names in a folder, `limit` of them at most; none where it must not be read."""
    folder = _open(path, root, directory=True)
    if folder is None:
        return []
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry, _ in zip(entries, range(limit), strict=False)]
    except OSError:
        return []
    finally:
        os.close(folder)


def _read_all(file: int) -> bytes | None:
    parts: list[bytes] = []
    left = MAX_BYTES + 1
    while left > 0:
        part = os.read(file, left)
        if not part:
            return b"".join(parts)
        parts.append(part)
        left -= len(part)
    return None


def _open(path: str, root: str, *, directory: bool) -> int | None:
    """Component by component, so that every step is looked at before it is taken."""
    todo = [part for part in reversed(path.split("/")) if part]
    folders: list[int] = []
    links = 0
    try:
        folders.append(os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        while todo:
            part = todo.pop()
            if part == ".":
                continue
            if part == "..":
                if len(folders) > 1:
                    os.close(folders.pop())
                continue
            step = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folders[-1])
            folders.append(step)
            info = os.fstat(step)
            if not _safe(info):
                return None
            if stat.S_ISLNK(info.st_mode):
                links += 1
                target = os.readlink("", dir_fd=step)
                os.close(folders.pop())
                if links > _MAX_LINKS:
                    return None
                if target.startswith("/"):
                    while len(folders) > 1:
                        os.close(folders.pop())
                todo.extend(part for part in reversed(target.split("/")) if part)
            elif not stat.S_ISDIR(info.st_mode) and (todo or directory or not stat.S_ISREG(info.st_mode)):
                return None
        return _reopen(folders[-1], directory=directory)
    except (OSError, ValueError):
        return None
    finally:
        for folder in folders:
            os.close(folder)


def _reopen(found: int, *, directory: bool) -> int:
    # Through /proc/self/fd the very object that was looked at is opened, whatever its name means by now.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    return os.open(f"/proc/self/fd/{found}", flags | (os.O_DIRECTORY if directory else 0))


def _safe(info: os.stat_result) -> bool:
    """Whether nobody but root and ourselves can change it, or, for a sticky folder, what others put there is not it."""
    if info.st_uid not in {0, os.geteuid()}:
        return False
    if stat.S_ISLNK(info.st_mode):
        return True  # a link's mode means nothing
    if info.st_mode & stat.S_IWOTH:
        return bool(stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX)
    return not info.st_mode & stat.S_IWGRP or info.st_gid == 0
