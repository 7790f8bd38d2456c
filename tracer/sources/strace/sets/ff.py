"""`strace -ff -o NAME`: one file for each task, read one by one and brought into one order (`merging`)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

from tracer.errors import EmptyInput, NotATrace
from tracer.event import Event
from tracer.sources.base import Progress, Source, SourceInfo, SourceStats
from tracer.sources.open import Input
from tracer.sources.strace.joining.programs import Programs
from tracer.sources.strace.joining.settling import SettlingOfSet
from tracer.sources.strace.joining.state import CREATING
from tracer.sources.strace.lines.clock import first_time
from tracer.sources.strace.lines.style import Style, find_style, looks_like_strace
from tracer.sources.strace.ordering.orderer import NOTHING, Orderer
from tracer.sources.strace.reading import Batch, read_blocks
from tracer.sources.strace.records import CLONED, EXIT, OPEN, SEEN, Program, Record
from tracer.sources.strace.sets.fileset import TaskFile
from tracer.sources.strace.sets.merging import Log, Merge
from tracer.sources.strace.sets.results import take_back
from tracer.sources.strace.source import count_unreadable, replay

_BATCH = 5000


def open_set(paths: list[str], files: list[TaskFile]) -> Source:
    """The reader for a set. Raises EmptyInput or NotATrace."""
    for file in files:
        sample = Input(file.path).sample()
        if looks_like_strace(sample):
            return StraceSet(paths, files)
        if b"\n" in sample:  # else it is empty, or its first call lasts
            raise NotATrace(f"{file.path} is no file of `strace -ff`", "Name the files of one set: 'NAME.*'")
    raise EmptyInput(f"{paths[0]}: no call has returned in any file of the set")


class StraceSet:
    """A `-ff` set. `Event.at` counts the things that happened, in the order that was found."""

    def __init__(self, paths: list[str], files: list[TaskFile]) -> None:
        """`files` as `find_set` returns them."""
        self._files = files
        self._style = find_style(next(filter(looks_like_strace, (Input(f.path).sample() for f in files))))
        size = sum(Path(file.path).stat().st_size for file in files)
        clock = None if self._style.relative_time else self._style.clock
        self.info = SourceInfo("strace", " ".join(paths), size, clock, self._locate)
        self.stats = SourceStats()
        self._places: array[int] = array("q")
        self._learnt = NOTHING

    def _locate(self, at: int) -> str:
        """`NAME.1234 line 4` for an event's `at`."""
        index, line = divmod(self._places[at - 1], 1 << 40)
        return f"{Path(self._files[index].path).name} line {line}"

    def batches(self, progress: Progress | None = None) -> Iterator[list[Event]]:
        """Events in order; see Source."""
        self.stats = SourceStats()
        self._places = array("q")
        programs = Programs(kept=1 << 40)
        logs = [Log(file, index) for index, file in enumerate(self._files)]
        done = 0
        for log in logs:
            self._read(log, programs, progress, done)
            done += log.size
        take_back([log.records for log in logs], {log.tid for log in logs})
        for log in logs:
            if not log.records:  # a task that made no call that was traced
                log.records.append((SEEN, 1, log.first, log.tid))
                log.is_empty = log.first is None
        shows_exits = any(r[0] == EXIT for log in logs for r in log.records)
        orderer = Orderer(follows=True, shows_exits=shows_exits, learnt=self._learnt)
        # Without those that create tasks: a file that was written over lacks them, which is no sign of missing lines.
        orderer.has_calls(self.stats.calls.difference(CREATING))
        table = dict(programs.new)
        yield from replay(self._merged(logs, table, orderer.over_by), orderer, self.stats)
        self._learnt = orderer.learnt

    def _read(self, log: Log, programs: Programs, progress: Progress | None, done: int) -> None:
        def step(size: int) -> None:
            if progress is not None:
                progress(done + size)

        source = Input(log.path)
        log.size = source.size or 0
        style: Style = self._style
        log.first = first_time(source.sample(), style)
        for records, _, calls, unreadable, lines in read_blocks(source.blocks(step), style, log.tid, programs):
            log.records += records
            self.stats.lines += lines
            self.stats.calls |= calls
            count_unreadable(self.stats, unreadable)
        if source.damage:
            count_unreadable(self.stats, [(1, f"{log.path}: {source.damage}".encode())])
        source.close()

    def _merged(self, logs: list[Log], table: dict[int, Program], over_by: dict[int, int]) -> Iterator[Batch]:
        batch: list[Record] = []
        programs = list(table.items())
        place = self._places.append
        settling = SettlingOfSet()
        for log, record in Merge(logs, self.info.clock):
            place((log.index << 40) | record[1])
            at = len(self._places)
            if log.called_at:
                over_by[log.called_at], log.called_at = at, 0
            if record[0] == OPEN:
                log.open_at = at
            elif record[0] == CLONED and log.open_at:
                at, log.open_at = log.open_at, 0
            if record[0] == CLONED:
                record = (*record[:10], 0)  # when it returned is not known
                log.called_at = at
            batch += settling.told((record[0], at, *record[2:]))
            if len(batch) >= _BATCH:
                yield batch, programs, set(), [], 0
                batch, programs = [], []
        yield batch, programs, set(), [], 0
