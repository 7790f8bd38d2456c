"""What the joining step hands to the ordering step: plain tuples, cheap to build and to send to another process.

A record is `(kind, at, time, tid, ...)`; the comment behind each kind names the rest. Numbers that come from a
return value, a wait or a signal are as the *tracee* sees them; `real` is strace's own number for the same task where
the log gives it (`--pidns-translation`), else 0.
"""

from __future__ import annotations

from typing import Any

Record = tuple[Any, ...]

SEEN = 0  # nothing more: the task did something that has no event of its own
OPEN = 1  # a clone, clone3, fork or vfork began and did not return on the same line
# In OPEN's place where both are in one batch. `chosen`: the number that the caller wants (set_tid), or 0.
CLONED = 2  # child, flags, exit_signal, real, matched, chosen, line of the return (0: not known)
NOT_CLONED = 3  # it returned an error, or was interrupted
EXEC = 4  # old_tid, reference into the exec table
EXIT_BEGIN = 5  # code, group
EXIT = 6  # raw wait status or None
REAP = 7  # child, raw wait status or None, real
CHILD_SIGNAL = 8  # child, real
SUBREAPER = 9  # on, whether the call has returned or only begun
PDEATHSIG = 10  # signal
RENAME = 11  # comm
NEW_PID_NS = 12
JOIN_PID_NS = 13  # inode number of the namespace or 0; -1: perhaps it is one of another kind
ATTACHED = 14  # threads that were attached with it or 0
DETACHED = 15
SAME_GROUP = 16  # tgid and tid as the caller sees them (tgkill succeeded)
NAMED = 17  # tid is the number of the task that had none so far (records with tid 0)
HANDOVER = 18  # leader, reference into the exec table: -ff, the call goes on in the leader's file
# The clone call that is open did not say whom it created: its task was killed inside, or the log ends.
CUT_SHORT = 19  # flags, exit_signal, chosen, line where it ended (0: not known)
# -ff: what the caller calls so was a task whose file was written over; it has ended before this.
FREED = 20  # number
# Every death that is told from here on came after what the call has set.
SETTLED = 21
# In OPEN's place: strace will not tell of the call's end (`untold`). It has ended before the task's next record.
UNTOLD = 22  # flags and exit signal that it probably has, whether it may have made a thread as well as a process
# The process with this number got SIGKILL from the task; or, 0, the task is being killed inside a call.
KILLED = 23  # number, real
# The task was killed, and the last that is told of it is this result, which may be another's; the child has not shown.
DOUBTED = 24  # line where the call began, number
# Lives that are all alike but for their numbers (`runs`): tid is the creator.
RUN = 25  # child, number of a run; `time` is None or a time for each record of the run
RUN_MEANS = 26  # number, what it means: comes before the first RUN with that number
GAP = 27  # lines are missing somewhere before this one; tid is 0

_REAL = {CLONED: 7, REAP: 6, CHILD_SIGNAL: 5}


def child_of(record: Record) -> int:
    """The child that a record of one of these kinds tells of: strace's own number for it where the log gives that."""
    child: int = record[_REAL[record[0]]] or record[4]
    return child


Program = tuple[str, tuple[str, ...], bool]
"""filename, argv, whether something of argv was left out."""
