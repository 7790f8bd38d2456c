"""What a line's text means that a log repeats, where that does not depend on anything else."""

from __future__ import annotations

import re
from typing import Any

from tracer.event import CLONE_THREAD
from tracer.sources.strace.joining.state import CREATING, WAITING
from tracer.sources.strace.lines import calls

Meaning = tuple[Any, ...]
"""A kind, and what belongs to it."""

# What a text means: the first field of a Meaning; the comment names the others.
NOTHING = 0
WAITS = 1
EXEC_BEGINS = 2  # what `Joiner.pending` keeps of it
EXEC_RETURNS = 3  # name
LEAVES = 4  # code, group
ENDS = 5  # raw wait status
CLONE_BEGINS = 6  # name, arguments, (flags, exit signal)
# The same for texts that a number follows.
CLONE_RETURNS = 7  # name
CLONES = 8  # flags, exit signal
REAPS = 9  # raw wait status
SIGNALLED = 10

_START = re.compile(rb"(\w+)\((.*) ?<unfinished \.\.\.>", re.S)
_FAILED_WAIT = re.compile(rb"(?:<\.\.\. (\w+) resumed>|(\w+)\().*\) += -1 ECHILD \(No child processes\)", re.S)
_RETURN = re.compile(rb"(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*\)) += ", re.S)
_EXECED = re.compile(rb"<\.\.\. (execve|execveat) resumed> ?\) += 0")
_EXIT = re.compile(rb"(exit|exit_group|_exit)\((?:status=)?(\d{1,10})\) += \?")

_CREATING = frozenset(CREATING)
_WAITING = frozenset(WAITING) - {"waitid"}


def followed_by_number(text: bytes) -> bytes | None:
    """The text without the number that it ends with; None where it has none, or one that belongs to what it means."""
    if not text[-1:].isdigit() or _EXECED.fullmatch(text) is not None:
        return None
    return text.rstrip(b"0123456789")


def meaning_of(text: bytes) -> Meaning | None:
    """Of a whole text."""
    if text[-1:] == b">":
        return _beginning(text)
    if text[-1:].isdigit():
        return EXEC_RETURNS, text[5 : text.find(b" ", 5)].decode()
    return _without_number(text)


def _beginning(text: bytes) -> Meaning | None:
    """Of `name(arguments <unfinished ...>`."""
    found = _START.fullmatch(text)
    if found is None:
        return None
    name = found[1].decode()
    args = text[len(name) + 1 : -16]
    if name in WAITING:
        return None if args[:1].isdigit() else (WAITS,)
    if name in ("execve", "execveat"):
        return EXEC_BEGINS, (name, args, 0, None, None)
    if name in ("fork", "vfork"):
        return CLONE_BEGINS, name, args, (calls.FORK if name == "fork" else calls.VFORK)
    if name in ("clone", "clone3") and b"set_tid" not in args:
        values = calls.clone_flags(args)
        is_whole = b"exit_signal=" in args if name == "clone3" else b"flags=" in args
        if values is not None and is_whole and not values[0] & CLONE_THREAD:
            return CLONE_BEGINS, name, args, values
    return None


def meaning_before_number(text: bytes) -> Meaning | None:
    """Of `...) = ` before a number."""
    found = _RETURN.fullmatch(text)
    if found is None:
        return None
    resumed, name, args = found.groups()
    name = (resumed or name).decode()
    if name in _WAITING:
        if not resumed and args[:1].isdigit():
            return None  # it may be another that has ended than the one that was waited for
        ended, status = calls.wait_result(args)
        return (REAPS, status) if ended else (NOTHING,)
    if name not in _CREATING or b"set_tid" in args or b"parent_tid=[" in args:
        return None
    if resumed:
        return CLONE_RETURNS, name
    if name in ("fork", "vfork"):
        return CLONES, *(calls.FORK if name == "fork" else calls.VFORK)
    values = calls.clone_flags(args)
    if values is None or values[0] & CLONE_THREAD or (name == "clone3" and b"exit_signal=" not in args):
        return None
    return CLONES, *values


def _without_number(text: bytes) -> Meaning | None:
    """Of an exit call, and of a wait that found nothing."""
    found = _EXIT.fullmatch(text)
    if found is not None:
        return LEAVES, int(found[2]) & 0xFF, found[1] == b"exit_group"
    found = _FAILED_WAIT.fullmatch(text)
    if found is not None and (found[1] or found[2]).decode() in WAITING:
        return (NOTHING,)
    return None
