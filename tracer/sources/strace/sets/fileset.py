"""Which files are one set of `strace -ff -o NAME`: NAME.TID, one for each task."""

from __future__ import annotations

import re
from glob import escape, glob
from os.path import lexists
from pathlib import Path
from typing import NamedTuple

from tracer.errors import UnreadableInput
from tracer.sources.open import Input, is_file, is_folder
from tracer.sources.strace.lines.style import find_style

_NUMBERED = re.compile(r"(.+)\.(\d{1,7})(?:\.gz|\.zst)?")


class TaskFile(NamedTuple):
    """One file of the input; `tid` is None where the input is no set."""

    path: str
    tid: int | None


def find_set(paths: list[str]) -> list[TaskFile]:
    """The files that these paths mean. Raises UnreadableInput where they mean none, or more than one set."""
    if paths == [""]:
        raise UnreadableInput("the file has no name: ''", "Is it that of a variable that is not set?")
    if len(paths) == 1:
        if is_folder(paths[0]):
            return _one_set(_files_in(paths[0]), paths[0])
        called = _called(paths[0])
        if called:
            return called
        if paths[0] == "-" or lexists(paths[0]) or not glob(paths[0]):  # noqa: PTH207 - absolute and relative
            return _with_siblings(paths[0])
        paths = glob(paths[0])  # noqa: PTH207
        if len(paths) == 1:
            return _with_siblings(paths[0])
    for path in paths:
        if _NUMBERED.fullmatch(Path(path).name) is None:
            raise UnreadableInput(
                f"{len(paths)} files, and {path} is not one of `strace -ff -o NAME` (NAME.1234, one for each task)",
                "Several files are those of one -ff set, or recordings of `ctrace record`; give logs one at a time.",
            )
    return _one_set(paths, paths[0])


def _called(name: str) -> list[TaskFile]:
    """The set of `strace -ff -o NAME`, by that name, where there is nothing else of that name."""
    files = [] if lexists(name) else _group(glob(f"{escape(name)}.*")).get(str(Path(name)), [])  # noqa: PTH207
    return files if files and _is_of_one_task(files[0].path) else []


def _files_in(folder: str) -> list[str]:
    try:
        return [str(path) for path in Path(folder).iterdir() if is_file(str(path))]
    except OSError as error:
        raise UnreadableInput(f"cannot read {folder}: {error.strerror}", "You may not read it: try sudo.") from error


def _with_siblings(path: str) -> list[TaskFile]:
    """A file of a set stands for the set; a log of several tasks whose name happens to end so stands for itself."""
    name = _NUMBERED.fullmatch(Path(path).name)
    if name is None or not is_file(path):
        return [TaskFile(path, None)]
    if not _is_of_one_task(path):
        return [TaskFile(path, None)]
    return _group(_files_in(str(Path(path).parent)))[str(Path(path).parent / name[1])]


def _is_of_one_task(path: str) -> bool:
    style = find_style(Input(path).sample())
    return not (style.prefixed or style.bracketed)


def _group(paths: list[str]) -> dict[str, list[TaskFile]]:
    groups: dict[str, list[TaskFile]] = {}
    for path in paths:
        name = _NUMBERED.fullmatch(Path(path).name)
        if name is not None:
            groups.setdefault(str(Path(path).parent / name[1]), []).append(TaskFile(path, int(name[2])))
    for files in groups.values():
        files.sort(key=lambda file: file.tid or 0)
    return groups


def _one_set(paths: list[str], named: str) -> list[TaskFile]:
    groups = _group(paths)
    if not groups:
        raise UnreadableInput(
            f"{named}: no files of `strace -ff -o NAME` there (NAME.1234, one for each task)",
            "Name one log file, or the folder or glob of one -ff set.",
        )
    if len(groups) > 1:
        raise UnreadableInput(
            f"{named}: files of {len(groups)} traces there: {', '.join(sorted(Path(g).name for g in groups)[:5])}",
            f"Name one of them: '{min(groups)}.*'",
        )
    return next(iter(groups.values()))
