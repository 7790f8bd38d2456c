"""A task's last deed: where the log does not tell of ends (strace -qq), who does something after it is another task."""

from __future__ import annotations

from tracer.sources.strace.records import (
    CUT_SHORT,
    DETACHED,
    DOUBTED,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    FREED,
    KILLED,
    NAMED,
    SETTLED,
    Record,
)

_OF_THE_DEAD = frozenset((EXIT, SETTLED, CUT_SHORT, DOUBTED, FREED, DETACHED, NAMED))
"""What can be told of a task after its last deed."""


def leaves(record: Record) -> bool:
    """Its task does nothing after this: it calls exit, or ends a call as only who is being killed does."""
    return record[0] == EXIT_BEGIN or (record[0] == KILLED and not record[4])


def acts(record: Record) -> bool:
    """Its task does something. An execve that has no beginning may be a thread's, which goes on under its leader's
    number (de_thread())."""
    if record[0] == EXEC:
        return bool(record[4] == record[3] and record[5])
    return record[0] not in _OF_THE_DEAD
