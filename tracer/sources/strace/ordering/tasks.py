"""The tasks where the log is read: who lives, and who came to light without a call that explains it."""

from __future__ import annotations

import sys
from typing import NamedTuple

from tracer.sources.strace.ordering.pidns import Namespace

LEADS = sys.maxsize
"""In `Fresh.acted`: it has exec'd under its own number, so it leads a process."""


class Fresh(NamedTuple):
    """A task that appeared and that no call explains yet."""

    seq: int
    at: int
    acted: int
    """The last line that shows it at work; LEADS: it is no thread of its creator's."""
    ended: int = 0
    """The line that tells of its end, or of its execve if it was a thread."""
    leader: int = 0
    """By such an execve: the leader whose thread it was."""


class Tasks:
    """Tasks by number. What is announced lags behind what is read, by the records that are kept back."""

    def __init__(self) -> None:
        self.known: dict[int, Namespace | None] = {}
        """Tasks that are announced and have not ended, with their nested namespace or None."""
        self.ahead: dict[int, bool] = {}
        """Tasks that live, or live no more, where the log is read; empty when nothing is kept back."""
        self.fresh: dict[int, Fresh] = {}
        self.ended: dict[int, int | None] = {}
        """Fresh tasks that have ended already -> status."""
        self.noted: set[int] = set()
        """Tasks of which each record counts: leaders of which threads are `watched`, numbers that are `doubted`, and
        those that have `left`."""

        self.left: set[int] = set()
        """Tasks that have called exit, or were killed inside a call, and no line has told of their end."""

    def alive(self, tid: int) -> bool:
        """Is there such a task where the log is read?"""
        lives = self.ahead.get(tid)
        return tid in self.known if lives is None else lives

    def act(self, tid: int, at: int, leads: bool) -> None:
        """A fresh task is shown at work; `leads`: it has exec'd under its own number."""
        fresh = self.fresh[tid]
        self.fresh[tid] = fresh._replace(acted=LEADS if leads else max(at, fresh.acted))

    def begins_anew(self, tid: int) -> None:
        """The one with this number has left, and another one has it."""
        self.left.discard(tid)
        self.ahead[tid] = False

    def end(self, tid: int, status: int | None, at: int) -> None:
        """A task has ended."""
        self.ahead[tid] = False
        self.left.discard(tid)
        if tid in self.fresh:
            self.ended[tid] = status
            self.fresh[tid] = self.fresh[tid]._replace(ended=at)

    def leave(self, tid: int) -> None:
        """A task has done its last deed, and perhaps no line tells of its end."""
        self.left.add(tid)
        self.noted.add(tid)

    def explained(self, tid: int) -> None:
        """A call has created the task, which lives from now on if it has not appeared and ended already."""
        over = tid in self.ended and tid in self.fresh
        if tid not in self.fresh:
            self.left.discard(tid)
        self.forget(tid)
        self.ahead[tid] = not over

    def forget(self, tid: int) -> None:
        """No call will explain the task, or one does."""
        self.fresh.pop(tid, None)
        self.ended.pop(tid, None)

    def forget_all(self) -> None:
        """No call will explain any of those that have appeared."""
        self.fresh.clear()
        self.ended.clear()
