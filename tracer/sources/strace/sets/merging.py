"""The records of all files of a -ff set, in an order that could have been.

Nothing orders the files but times and causes. A line is written when a call begins, so a wait4 that returned a child
stands before that child's end, though it came after it. Therefore causes decide first: a child's file begins at its
creator's clone call; what tells of a child's end waits for the end of the child's file; an execve that succeeds waits
for the files of all other threads of the process, which die before it returns (de_thread()). Between these, times
decide where the lines have any, else each file runs until it has to wait.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator

from tracer.event import CLONE_THREAD
from tracer.sources.strace.records import CHILD_SIGNAL, CLONED, EXEC, FREED, HANDOVER, REAP, SEEN, Record, child_of
from tracer.sources.strace.sets.fileset import TaskFile
from tracer.sources.strace.sets.lives import HALF_DAY, Lives, TaskLines

CONTESTED = "two calls returned {}: which one created this task is not known"
BY_FILE = "number {} is of another pid namespace; {} is the next file of the set that no call explains"


class Log:
    """The records of one file, and how far they are merged."""

    def __init__(self, file: TaskFile, index: int) -> None:
        """Without records, which the reader adds."""
        self.path = file.path
        self.tid = file.tid or 0
        self.index = index
        self.size = 0
        self.records: list[Record] = []
        self.first: int | None = None
        """Time of the first line."""
        self.is_empty = False
        """No line at all: `records` has only that there was such a task."""
        self.creating: Log | None = None
        """Such a one that this task's last call has created, which was over when the next line was written."""
        self.next = 0
        self.shift = 0
        """ns to add: times of day begin again at midnight."""
        self.open_at = 0
        self.called_at = 0
        """Where its last call that created a task began, until the next line."""
        self.waiting: list[Log] = []
        """Those that cannot go on before this one has ended."""
        self.key = 0

    @property
    def ended(self) -> bool:
        return self.next >= len(self.records)


class Merge:
    """All records of a set in an order that could have been."""

    def __init__(self, logs: list[Log], clock: str | None) -> None:
        """`clock`: of what kind the times are that order them (`SourceInfo.clock`), or None."""
        self._timed = clock is not None
        self._logs = {log.tid: log for log in logs}
        self._handovers: dict[int, tuple[int, int]] = {}
        """Leader -> (thread, reference) of the execve that goes on in the leader's file."""
        self._lives = Lives([TaskLines(log.tid, log.records, log.first) for log in logs], clock)
        self._leaders: dict[int, int] = {}
        """Thread -> leader, of those that have a file."""
        self._threads: dict[int, list[Log]] = {}
        """The other way round, since the leader's last execve."""
        self._lost: set[int] = set()
        """Numbers of tasks that were created, and whose file is a later task's."""
        if self._timed:
            children: Collection[int] = self._lives.begins
        else:
            children = {child_of(record) for log in logs for record in log.records if record[0] == CLONED}
        self._roots = [log for log in logs if log.tid not in children]
        self._unclaimed: list[int] = []
        if not self._timed and any(child not in self._logs for child in children):
            # Without times, files that no call explains can only be given to the calls with foreign numbers.
            self._unclaimed = [log.tid for log in self._roots[1:]]
            self._roots = self._roots[:1]
        self._heap: list[tuple[int, int, Log]] = []
        self._begun: set[int] = set()
        self._count = 0

    def __iter__(self) -> Iterator[tuple[Log, Record]]:
        for log in self._roots:
            if not self._timed or log.records[0][2] is not None:
                self._begin(log, None, 0)
        while True:
            while self._heap:
                _, _, log = heapq.heappop(self._heap)
                yield from self._run(log)
            left = [log for log in self._logs.values() if not log.ended]
            if not left:
                return
            # What has no time, and in contradictory logs who waits for something that never comes.
            for log in left:
                log.waiting.clear()
            stuck = min(left, key=lambda log: (log.tid not in self._begun, log.records[0][0] == SEEN, log.tid))
            self._begun.add(stuck.tid)
            yield from self._run(stuck, force=True)

    def _begin(self, log: Log, time: int | None, shift: int) -> None:
        if log.tid in self._begun or log.ended:
            return
        self._begun.add(log.tid)
        first = log.records[0][2]
        log.shift = shift
        if time is not None and first is not None and first + shift < time - HALF_DAY:
            log.shift += 2 * HALF_DAY
        self._push(log)

    def _push(self, log: Log, not_before: int = 0) -> None:
        self._count += 1
        if self._timed:
            log.key = max((log.records[log.next][2] or 0) + log.shift, not_before)
        elif not log.key:
            log.key = self._count
        heapq.heappush(self._heap, (log.key, self._count, log))

    def _run(self, log: Log, force: bool = False) -> Iterator[tuple[Log, Record]]:
        """The log's records until another's turn comes or it has to wait."""
        while not log.ended:
            record = log.records[log.next]
            before = None if force else self._needs(record)
            if before is not None:
                before.waiting.append(log)
                return
            force = False
            now = (record[2] or 0) + log.shift
            if self._timed and self._heap and max(now, log.key) > self._heap[0][0]:
                self._push(log, log.key)
                return
            log.next += 1
            yield from self._step(log, record, now)
        for other in log.waiting:
            self._push(other, log.key if self._timed else 0)
        log.waiting = []

    def _needs(self, record: Record) -> Log | None:
        """The log that has to end before this can have happened."""
        if record[0] in (REAP, CHILD_SIGNAL):
            other = self._logs.get(child_of(record))
        elif record[0] == EXEC:
            threads = self._threads.get(record[3], [])
            while threads and not self._goes_on(threads[-1]):
                threads.pop()
            if threads:
                other = threads[-1]
            else:
                by_thread = record[3] != record[4] and not self._is_given_again(record[4], record[3])
                other = self._logs.get(record[4]) if by_thread else None
        else:
            return None
        return other if other is not None and self._goes_on(other) else None

    def _is_given_again(self, thread: int, leader: int) -> bool:
        """The thread's place is taken, and its number's file is of another task, which is there already."""
        return thread in self._lives.begins and thread in self._begun and self._leaders.get(thread) != leader

    def _goes_on(self, log: Log) -> bool:
        return not log.ended and log.tid in self._begun and log.tid not in self._lost

    def _step(self, log: Log, record: Record, now: int) -> Iterator[tuple[Log, Record]]:
        kind = record[0]
        if log.next == 1 and log.tid in self._lost and log.tid not in self._lives.begins:
            yield log, (FREED, record[1], record[2], log.tid, log.tid)
        if log.creating is not None:
            self._begin(log.creating, None, log.shift)
            log.creating = None
        if self._timed:
            log.key = max(now, log.key)
            if log.shift and record[2] is not None:
                record = (kind, record[1], now, *record[3:])
        if kind == HANDOVER:
            self._handovers[record[4]] = (log.tid, record[5])
            return
        if kind == EXEC:
            self._threads.pop(log.tid, None)
        if kind == EXEC and log.tid in self._handovers:
            thread, reference = self._handovers.pop(log.tid)
            record = (*record[:4], thread, reference)
        if kind == EXEC and record[4] != log.tid and self._is_given_again(record[4], log.tid):
            record = (*record[:4], log.tid, record[5])
        if kind == CLONED:
            yield from self._created(log, record, now)
            return
        if kind in (REAP, CHILD_SIGNAL) and child_of(record) in self._lost:
            yield log, (FREED, record[1], record[2], log.tid, child_of(record))
        yield log, record

    def _created(self, log: Log, record: Record, now: int) -> Iterator[tuple[Log, Record]]:
        """A clone call: the child's file begins after it, if it is that task's."""
        child = child_of(record)
        if child not in self._logs and self._unclaimed:
            child = next((tid for tid in self._unclaimed if tid > log.tid), self._unclaimed[0])
            self._unclaimed.remove(child)
            record = (*record[:7], child, BY_FILE.format(record[4], child), *record[9:])
        if child in self._lost:
            yield log, (FREED, record[1], record[2], log.tid, child)
        if (log.tid, record[1]) in self._lives.contested:
            record = (*record[:8], CONTESTED.format(child), *record[9:])
        yield log, record
        if child not in self._logs:
            return
        if not self._timed or self._lives.begins.get(child) == (log.tid, record[1]):
            self._lost.discard(child)
            if record[5] & CLONE_THREAD:
                leader = self._leaders[child] = self._leaders.get(log.tid, log.tid)
                self._threads.setdefault(leader, []).append(self._logs[child])
            if self._timed and self._logs[child].is_empty:
                log.creating = self._logs[child]
                return
            self._begin(self._logs[child], now if self._timed else None, log.shift)
        elif not self._logs[child].next and not self._lives.is_older(child, now - log.shift):
            self._lost.add(child)
