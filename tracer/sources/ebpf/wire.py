"""The records of probes/ctrace.h, as Python reads them. A test compares this with what the C compiler says.

Each layout lists all fields of its struct in order; the header's seven come first and are the same everywhere:
type, len, lost, time, start, tid, tgid.
"""

from __future__ import annotations

import struct
import sys

HEADER = "HHIQQII"

CLONE = struct.Struct("=" + HEADER + "QQQIIIIiIII8I16s")
EXEC = struct.Struct("=" + HEADER + "IIIIHHIII16s")
EXIT = struct.Struct("=" + HEADER + "IIII")
FREE = struct.Struct("=" + HEADER + "QII")
WAIT = struct.Struct("=" + HEADER + "II")
PRCTL = struct.Struct("=" + HEADER + "IIQ")
RENAME = struct.Struct("=" + HEADER + "16s")
PIDNS = struct.Struct("=" + HEADER + "IIII")
STATE = struct.Struct("=" + HEADER + "QIIIIIi")
CGROUP = struct.Struct("=" + HEADER + "II")

# The same records with what is not needed each time left out: a third of the time.
CLONE_BRIEF = struct.Struct("=8xQQI4xQQQI8xIiI4xI48x")
"""time, start, tid, clone_flags, child_start, cgroup, child, parent_tgid, exit_signal, flags, level"""
CLONE_REST = struct.Struct("=80xI4x8I16s")
"""pidns, ns_pids, comm"""
EXEC_BRIEF = struct.Struct("=8xQQI4xI4xI")
"""time, start, tid, old_tid, flags"""
EXIT_BRIEF = struct.Struct("=8xQQI4xIII4x")
"""time, start, tid, status, parent_tgid, flags"""
FREE_BRIEF = struct.Struct("=16xQI20x")
"""start, tid"""
WAIT_BRIEF = struct.Struct("=8xQ8xIIII")
"""time, tid, tgid, child, level"""

TYPE_AT = 0 if sys.byteorder == "little" else 1
"""The byte of a record that holds its type (all types are below 256)."""

WHO = struct.Struct("=24xII")
"""Only the header's `tid` and `tgid`."""

TIME = struct.Struct("=8xQ")
"""Only the header's `time`."""

LOST = struct.Struct("=4xI")
"""Only the header's `lost`."""

T_CLONE, T_EXEC, T_EXIT, T_FREE, T_WAIT, T_PRCTL, T_RENAME, T_PIDNS, T_STATE, T_CGROUP = range(1, 11)

F_SUBREAPER = 1
F_GROUP_DEAD = 2
F_AUTOREAP = 4
F_TRACED = 8
F_FOLLOWED = 16
F_ZOMBIE = 32
F_OWN_COMM = 64
F_MEMBER = 128

MEMBER = 1
ANCESTOR = 2

COUNTER_LOST = 0
COUNTER_UNTRACKED = 1
COUNTER_ALL = 2
COUNTER_WALK_NEXT = 3
COUNTER_CALLER = 5
COUNTER_FOLLOWING = 6
COUNTER_HIERARCHY = 7
COUNTER_IN_TURNS = 8
COUNTER_MARKS = 9

WALK_ENDED = 1
WALK_MAX = 64
"""Processes per call of the walk."""
WALK_PRCTL = 0x63747763

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def text(raw: bytes) -> str:
    """Bytes of the kernel as text: UTF-8, with what is none of it as lone surrogates (as Python's file names have)."""
    return raw.decode("utf-8", "surrogateescape")


def comm(raw: bytes) -> str:
    """A comm up to its NUL."""
    return text(raw.partition(b"\0")[0])


ARGUMENTS_MAX = 256
"""So many are kept: 4 kB of argv that are 2,000 arguments would be 100 kB as strings, and a stranger chooses them."""


def exec_data(record: bytes, filename_len: int, args_len: int, args_total: int) -> tuple[str, tuple[str, ...], bool]:
    """(filename, argv, cut?) of a CT_EXEC record. The argument in which the record ends is kept as far as it goes."""
    start = EXEC.size + filename_len
    filename = text(record[EXEC.size : start])
    raw = record[start : start + args_len]
    cut = args_len < args_total
    if raw.endswith(b"\0"):
        raw = raw[:-1]
    elif not raw:
        return filename, (), cut
    argv = text(raw).split("\0", ARGUMENTS_MAX)
    return filename, tuple(argv[:ARGUMENTS_MAX]), cut or len(argv) > ARGUMENTS_MAX
