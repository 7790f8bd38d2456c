"""What is known of tasks and clone calls where the log is read: the state that births are found by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import NamedTuple

from tracer.sources.strace.ordering.pidns import UNPLACED, Call, Namespace
from tracer.sources.strace.records import Record

MAX_HISTORY = 1000


class Fresh(NamedTuple):
    """A task that appeared and that no call explains yet."""

    seq: int
    at: int
    acted: int
    """The last line that shows it at work; sys.maxsize: it leads a process, so it is no thread of its creator's."""
    ended: int = 0
    """The line that tells of its end, or of its execve if it was a thread."""
    leader: int = 0
    """By such an execve: the leader whose thread it was."""


class Tasks(ABC):
    """The state of reading: calls without child, tasks without creator."""

    def __init__(self, known: dict[int, Namespace | None]) -> None:
        self.known = known
        """Tasks that are announced and have not ended, with their nested namespace or None."""
        self.ahead: dict[int, bool] = {}
        """Tasks that live, or live no more, where the log is read; empty when nothing is kept back."""
        self.open: dict[int, Call] = {}
        """Calls that have not returned, by caller."""
        self.unsettled: dict[int, Call] = {}
        """Calls whose child is not known, oldest first."""
        self.settled: dict[int, list[Call]] = {}
        """Calls whose child is known and not yet announced, by child."""
        self.watched: dict[int, list[Call]] = {}
        """Leader -> calls of killed threads of its process that make threads: with its end or next program all end."""
        self.noted: set[int] = set()
        """Tasks of which each record counts: those of `watched` and of `doubted`."""
        self.doubted: dict[int, tuple[int, int]] = {}
        """Numbers of which nothing more is told, and that may be no results: the calls (caller, where it began)."""
        self.silent: list[tuple[int, int]] = []
        """Such calls whose numbers were given again."""
        self.supposed: set[tuple[int, int]] = set()
        """Calls whose results are taken for numbers of another namespace."""
        self.nobodys: set[tuple[int, int]] = set()
        """Those of them that are rather no results."""
        self.unexplained: list[tuple[int, int]] = []
        """Tasks that nobody can have created, for all that is told, and where they showed themselves."""
        self.fresh: dict[int, Fresh] = {}
        self.creators: dict[int, list[Call]] = {}
        """Tasks that one of several calls created: these."""
        self.shared: dict[int, list[Call]] = {}
        """The same for those that are announced: each has one of these calls."""
        self.earlier: set[int] = set()
        """Numbers of which the next task to be announced has no creator, whatever a later call has returned."""
        self.next_ns: dict[int, Namespace] = {}
        """Where the children of a task will live after its unshare or setns."""
        self.history: deque[Record] = deque(maxlen=MAX_HISTORY)
        """CLONED records, with strace's numbers, of the last children whose numbers the kernel chose."""
        self.over_by: dict[int, int] = {}
        """-ff: where a call began -> its caller's next line, before which it has returned."""
        self.newest = 0
        """The highest number in strace's namespace that a task has appeared with, chosen ones left out."""
        self.recent = 0
        """The last one."""
        self.chosen: set[int] = set()
        self.nested = False
        """The log shows nested pid namespaces."""
        self.unplaced: set[int] = set()
        """Tasks whose creation the log lacks, but for the one that it begins with, and all that descend from them: once
        there are nested namespaces, nobody knows where these live."""
        self.strangers = False
        """There are such tasks that nothing explains."""
        self.roaming: set[int] = set()
        """Those whose own namespace is known since, but not where their children live: they may have called setns."""
        self._first: set[int] = set()
        """The task that the log begins with, and the threads that strace attached to with it: they are no strangers."""
        self.whole = False
        """The log begins with the program that strace has started, and so far says who created each task."""
        self._first_threads = 0
        self._translated = False
        self.from_start = False
        """The log begins with the program that strace has started."""
        self.creating_shown: set[str] = set()
        """The calls that create tasks which the log has shown."""
        self.strangers_seen = 0
        """How many tasks came to light that no call explains, but for the first."""
        self.late_calls = False
        """A call is told when it has returned (strace -z): a task may be its child that appeared before."""
        self.exits_seen = False
        """The log tells of ordinary ends (no -qq), so a number that was not seen to end is in use."""
        self.entering_shown = False
        """The log has calls of unshare or setns, so one that enters a pid namespace is not missed."""
        self.leaving_shown = False
        """The log has calls of exit_group, so a task that calls it does not end without a word."""
        self.anywhere = False
        """It has not, and shows nested namespaces: nobody knows who has entered one."""
        self.unseen = False
        """It has not, and somebody has entered one."""
        self._tells = False
        """The trace shows unshare or setns, so a task that they do not concern lives in strace's namespace."""
        self._wraps = False
        """Numbers have begun again, in a space smaller than WRAPPED or by a write to ns_last_pid: no order any more."""
        self._unsure: dict[int, Call] = {}
        """Calls that returned the number of a living task, by caller."""
        self._odd: dict[int, Call] = {}
        """Calls that returned a number which was passed already, by caller, as long as that has done nothing more."""
        self._passed: deque[Call] = deque()
        """Calls that nothing waits for any more, though their children may still appear."""
        self._silent = 0
        """Calls so far that may have created a task that nothing explains: these, and those that returned a number that
        was in use."""
        self._ended: dict[int, int | None] = {}
        """Fresh tasks that have ended already -> status."""
        self._seq = 0
        self._changes = 0
        """Grows with all that can decide who created a task."""
        self._checked = (0, 0)

    @abstractmethod
    def match(self) -> None:
        """Bring together calls and tasks where there is no other way."""

    @abstractmethod
    def _judge(self, call: Call) -> None:
        """Is the number one of strace's namespace?"""

    def alive(self, tid: int) -> bool:
        """Is there such a task where the log is read?"""
        lives = self.ahead.get(tid)
        return tid in self.known if lives is None else lives

    def ns_of(self, tid: int) -> Namespace | None:
        """The task's namespace where the log is read."""
        calls = self.settled.get(tid)
        if calls:
            return calls[-1].child_ns
        return self.known.get(tid, UNPLACED if self.nested and tid in self.unplaced else None)

    def announced(self, call: Call) -> None:
        """The birth is told."""
        calls = self.settled.get(call.child)
        if calls and call in calls:
            calls.remove(call)
            if not calls:
                del self.settled[call.child]
