"""`strace -ff -o NAME`: one file for each task, NAME.TID, with nothing that orders the files but times and causes.

A line is written when a call begins, so a wait4 that returned a child stands before that child's end, though it came
after it. Therefore causes decide first: a child's file begins at its creator's clone call; what tells of a child's end
waits for the end of the child's file; an execve that goes on under the leader's number waits for the thread's file.
Between these, times decide where the lines have any, else each file runs until it has to wait.
"""

from __future__ import annotations

import heapq
import re
from array import array
from collections.abc import Iterator
from glob import glob
from os.path import lexists
from pathlib import Path
from typing import NamedTuple

from tracer.errors import EmptyInput, NotATrace, UnreadableInput
from tracer.event import Event
from tracer.sources.base import Progress, Source, SourceInfo, SourceStats
from tracer.sources.open import Input, is_file, is_folder
from tracer.sources.strace.grammar import Style, find_style, looks_like_strace
from tracer.sources.strace.ordering import Orderer
from tracer.sources.strace.programs import Programs
from tracer.sources.strace.reading import Batch, read_blocks
from tracer.sources.strace.records import CHILD_SIGNAL, CLONED, EXEC, EXIT, HANDOVER, OPEN, REAP, SEEN, Program, Record
from tracer.sources.strace.source import count_unreadable, replay

_NUMBERED = re.compile(r"(.+)\.(\d{1,7})(?:\.gz|\.zst)?")
_HALF_DAY = 43_200_000_000_000
_BATCH = 5000

BY_FILE = "number {} is of another pid namespace; {} is the next file of the set that no call explains"


class TaskFile(NamedTuple):
    """One file of the input; `tid` is None where the input is no set."""

    path: str
    tid: int | None


def find_set(paths: list[str]) -> list[TaskFile]:
    """The files that these paths mean. Raises UnreadableInput where they mean none, or more than one set."""
    if len(paths) == 1:
        if is_folder(paths[0]):
            return _one_set(_files_in(paths[0]), paths[0])
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


def _files_in(folder: str) -> list[str]:
    try:
        return [str(path) for path in Path(folder).iterdir() if is_file(str(path))]
    except OSError as error:
        raise UnreadableInput(f"cannot read {folder}: {error.strerror}", "you may not read it: try sudo") from error


def _with_siblings(path: str) -> list[TaskFile]:
    """A file of a set stands for the set; a log of several tasks whose name happens to end so stands for itself."""
    name = _NUMBERED.fullmatch(Path(path).name)
    if name is None or not is_file(path):
        return [TaskFile(path, None)]
    style = find_style(Input(path).sample())
    if style.prefixed or style.bracketed:
        return [TaskFile(path, None)]
    return _group(_files_in(str(Path(path).parent)))[str(Path(path).parent / name[1])]


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
            "name one log file, or the folder or glob of one -ff set",
        )
    if len(groups) > 1:
        raise UnreadableInput(
            f"{named}: files of {len(groups)} traces there: {', '.join(sorted(Path(g).name for g in groups)[:5])}",
            f"name one of them: '{min(groups)}.*'",
        )
    return next(iter(groups.values()))


def open_set(paths: list[str], files: list[TaskFile]) -> Source:
    """The reader for a set. Raises EmptyInput or NotATrace."""
    for file in files:
        sample = Input(file.path).sample()
        if looks_like_strace(sample):
            return StraceSet(paths, files)
        if sample.strip():
            raise NotATrace(f"{file.path} is no file of `strace -ff`", "name the files of one set: 'NAME.*'")
    raise EmptyInput(f"{paths[0]}: all files of the set are empty")


class StraceSet:
    """A `-ff` set. `Event.at` counts the things that happened, in the order that was found; `locate` gives the line."""

    def __init__(self, paths: list[str], files: list[TaskFile]) -> None:
        """`files` as `find_set` returns them."""
        self._files = files
        self._style = find_style(next(filter(looks_like_strace, (Input(f.path).sample() for f in files))))
        size = sum(Path(file.path).stat().st_size for file in files)
        clock = None if self._style.relative_time else self._style.clock
        self.info = SourceInfo("strace", " ".join(paths), size, clock)
        self.stats = SourceStats()
        self._places: array[int] = array("q")

    def locate(self, at: int) -> tuple[str, int]:
        """(path, line) of an event's `at`."""
        index, line = divmod(self._places[at - 1], 1 << 40)
        return self._files[index].path, line

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        """Events in order; see Source."""
        self.stats = SourceStats()
        self._places = array("q")
        programs = Programs(kept=1 << 40)
        logs = [_Log(file, index) for index, file in enumerate(self._files)]
        done = 0
        for log in logs:
            self._read(log, programs, progress, done)
            done += log.size
        for log in logs:
            if not log.records:  # a task that made no call that was traced
                log.records.append((SEEN, 1, None, log.tid))
        orderer = Orderer(follows=True, shows_exits=any(r[0] == EXIT for log in logs for r in log.records))
        table = dict(programs.new)
        yield from replay(self._merged(logs, table), orderer, self.stats)

    def _read(self, log: _Log, programs: Programs, progress: Progress | None, done: int) -> None:
        def step(size: int) -> None:
            if progress is not None:
                progress(done + size)

        source = Input(log.path)
        log.size = source.size or 0
        style: Style = self._style
        for records, _, calls, unreadable, lines in read_blocks(source.blocks(step), style, log.tid, programs):
            log.records += records
            self.stats.lines += lines
            self.stats.calls |= calls
            count_unreadable(self.stats, unreadable)
        if source.damage:
            count_unreadable(self.stats, [(1, f"{log.path}: {source.damage}".encode())])
        source.close()

    def _merged(self, logs: list[_Log], table: dict[int, Program]) -> Iterator[Batch]:
        batch: list[Record] = []
        programs = list(table.items())
        place = self._places.append
        for log, record in Merge(logs, timed=self.info.clock is not None):
            place((log.index << 40) | record[1])
            at = len(self._places)
            if record[0] == OPEN:
                log.open_at = at
            elif record[0] == CLONED and log.open_at:
                at, log.open_at = log.open_at, 0
            if record[0] == CLONED:
                record = (*record[:10], 0)  # when it returned is not known
            batch.append((record[0], at, *record[2:]))
            if len(batch) >= _BATCH:
                yield batch, programs, set(), [], 0
                batch, programs = [], []
        yield batch, programs, set(), [], 0


class _Log:
    """The records of one file, and how far they are merged."""

    def __init__(self, file: TaskFile, index: int) -> None:
        self.path = file.path
        self.tid = file.tid or 0
        self.index = index
        self.size = 0
        self.records: list[Record] = []
        self.next = 0
        self.shift = 0
        """ns to add: times of day begin again at midnight."""
        self.open_at = 0
        self.waiting: list[_Log] = []
        """Those that cannot go on before this one has ended."""
        self.key = 0

    @property
    def ended(self) -> bool:
        return self.next >= len(self.records)


class Merge:
    """All records of a set in an order that could have been."""

    def __init__(self, logs: list[_Log], timed: bool) -> None:
        self._timed = timed
        self._logs = {log.tid: log for log in logs}
        self._handovers: dict[int, tuple[int, int]] = {}
        """Leader -> (thread, reference) of the execve that goes on in the leader's file."""
        clones = ((record[7] or record[4], record[2]) for log in logs for record in log.records if record[0] == CLONED)
        self._born: dict[int, int] = {}
        """Child -> time of the call that created the task of its file: the last before the file's first line, since
        strace writes over the file of a task whose number is used again."""
        for child, time in clones:
            if self._is_later(child, time):
                self._born[child] = max(self._born.get(child, 0), time or 0)
        self._roots = [log for log in logs if log.tid not in self._born]
        self._unclaimed: list[int] = []
        if not timed and any(child not in self._logs for child in self._born):
            # Without times, files that no call explains can only be given to the calls with foreign numbers.
            self._unclaimed = [log.tid for log in self._roots[1:]]
            self._roots = self._roots[:1]
        self._heap: list[tuple[int, int, _Log]] = []
        self._begun: set[int] = set()
        self._count = 0

    def _is_later(self, child: int, time: int | None) -> bool:
        """A file whose first line is older than the call is another task's, and the number of another namespace."""
        log = self._logs.get(child)
        first = log.records[0][2] if log is not None else None
        return first is None or time is None or not time - _HALF_DAY < first < time

    def __iter__(self) -> Iterator[tuple[_Log, Record]]:
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

    def _begin(self, log: _Log, time: int | None, shift: int) -> None:
        if log.tid in self._begun or log.ended:
            return
        self._begun.add(log.tid)
        first = log.records[0][2]
        log.shift = shift
        if time is not None and first is not None and first + shift < time - _HALF_DAY:
            log.shift += 2 * _HALF_DAY
        self._push(log)

    def _push(self, log: _Log, not_before: int = 0) -> None:
        self._count += 1
        if self._timed:
            log.key = max((log.records[log.next][2] or 0) + log.shift, not_before)
        elif not log.key:
            log.key = self._count
        heapq.heappush(self._heap, (log.key, self._count, log))

    def _run(self, log: _Log, force: bool = False) -> Iterator[tuple[_Log, Record]]:
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

    def _needs(self, record: Record) -> _Log | None:
        """The log that has to end before this can have happened."""
        if record[0] == REAP:
            other = self._logs.get(record[6] or record[4])
        elif record[0] == CHILD_SIGNAL:
            other = self._logs.get(record[5] or record[4])
        elif record[0] == EXEC and record[3] != record[4]:
            other = self._logs.get(record[4])
        else:
            return None
        return other if other is not None and not other.ended and other.tid in self._begun else None

    def _step(self, log: _Log, record: Record, now: int) -> Iterator[tuple[_Log, Record]]:
        kind = record[0]
        if self._timed:
            log.key = max(now, log.key)
            if log.shift and record[2] is not None:
                record = (kind, record[1], now, *record[3:])
        if kind == HANDOVER:
            self._handovers[record[4]] = (log.tid, record[5])
            return
        if kind == EXEC and log.tid in self._handovers:
            thread, reference = self._handovers.pop(log.tid)
            record = (*record[:4], thread, reference)
        if kind == CLONED:
            child = record[7] or record[4]
            if child not in self._logs and self._unclaimed:
                child = next((tid for tid in self._unclaimed if tid > log.tid), self._unclaimed[0])
                self._unclaimed.remove(child)
                record = (*record[:7], child, BY_FILE.format(record[4], child), *record[9:])
            yield log, record
            if child in self._logs and (record[2] or 0) >= self._born.get(child, 0):
                self._begin(self._logs[child], now if self._timed else None, log.shift)
            return
        yield log, record
