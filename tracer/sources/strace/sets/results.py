"""Which results in a -ff set are none.

Of who is killed on the way out of clone strace before 6.12 tells another call's result (creating.REFUSALS). It opens a
file for each task that it follows (newoutf() in its strace.c), so a number without a file is nobody's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tracer.event import CLONE_UNTRACED, SIGKILL
from tracer.sources.strace.records import CLONED, CUT_SHORT, EXEC, EXIT, OPEN, Record, child_of


def is_killed(record: Record) -> bool:
    """The record tells that the task was killed, if it had not called exit before: by a signal, or by another thread's
    exit_group or execve, whose status it has then (do_group_exit(), de_thread())."""
    return record[0] == EXIT or (record[0] == EXEC and bool(record[4] != record[3]))


def take_back(files: Sequence[list[Record]], tids: Collection[int]) -> None:
    """Put calls that do not say whom they created in place of those whose results are none.

    `tids`: the tasks that have files. Where other calls return numbers without files, too, files are missing, or the
    numbers are of another pid namespace: then nothing is changed.
    """
    found: list[tuple[list[Record], int]] = []
    for records in files:
        for place, record in enumerate(records):
            if record[0] != CLONED or child_of(record) in tids or record[5] & CLONE_UNTRACED:
                continue
            if not _killed_on_the_way_out(records[place + 1 : place + 2]):
                return
            found.append((records, place))
    for records, place in reversed(found):
        _, at, time, tid, _, flags, exit_signal, _, _, chosen, _ = records[place]
        records[place : place + 1] = [(OPEN, at, time, tid), (CUT_SHORT, at, None, tid, flags, exit_signal, chosen, 0)]


def _killed_on_the_way_out(following: list[Record]) -> bool:
    """By another signal than SIGKILL strace tells of first, and by then the call was over."""
    silent = (None, 0, SIGKILL)
    return any(r[0] == EXEC or (r[4] is None or r[4] & 0x7F in silent) for r in following if is_killed(r))
