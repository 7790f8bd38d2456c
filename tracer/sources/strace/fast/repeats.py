"""Short lives that a log repeats: a shell starts a program and waits for it, again and again.

Such a life is some ten lines of two tasks, which differ from those of the life before in the child's number alone.
Its text with the two numbers taken out is looked up as a whole. What is known is one record (`runs`); anything else
goes the long way line by line, and is learned there when it comes a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from tracer.event import CLONE_NEWPID, CLONE_THREAD
from tracer.sources.strace.fast.shortcuts import MAX_TID_DIGITS, Shortcuts
from tracer.sources.strace.joining.joiner import Joiner
from tracer.sources.strace.joining.programs import MAX_KEPT_PROGRAMS
from tracer.sources.strace.records import (
    CHILD_SIGNAL,
    CLONED,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    REAP,
    RUN,
    RUN_MEANS,
    SEEN,
    Record,
)
from tracer.sources.strace.runs import OF_CHILD, OF_CHILD_ITSELF, OF_CREATOR, Row, Run

MAX_LENGTH = 4096
"""Bytes of a life's text."""
MAX_KEPT = 2000
MAX_SKIPPED = 64
"""Blocks that are read without a look for lives, where the last ones had few."""

_WORDS = (b"fork(", b"clone(", b"clone3(")
"""A life begins with a line that has one of these. (vfork is a fork, too.)"""
_ZERO = ord("0")
_SAMPLE = 1 << 12
_WINDOW = 1 << 13

_CHILD, _CREATOR = b"\0", b"\1"
"""What stands for the numbers in a text that is looked up. strace never writes these bytes."""
_TWO_TASKS = re.compile(rb"[^\n]*\n(?:[\0\1][^\n]*\n)*")
_PART_OF_WORD = re.compile(rb"\w[\0\1]|[\0\1]\w")

_Known = tuple[int, int, bool]
"""Number of a run, how many lines, whether the creator has to have been seen before."""
_NEW: _Known = (-1, 0, False)
_ONCE: _Known = (-2, 0, False)
_NEVER: _Known = (-3, 0, False)


class Repeats:
    """Feeds Shortcuts with what it does not know itself."""

    def __init__(self, joiner: Joiner, shortcuts: Shortcuts) -> None:
        self._joiner = joiner
        self._shortcuts = shortcuts
        self._known: dict[bytes, _Known] = {}
        self._known_by_creator: dict[bytes, _Known] = {}
        """What was found there, by the text with the creator's number still in it: it stays the same for a while."""
        self._next = 0
        self._programs = 0
        """How many programs there were when the first run was learned."""
        self._skip = 0
        self._skipped = 0

    def feed(self, at: int, block: bytes) -> int:
        """Read whole lines, the first of which is line `at`; gives how many there were."""
        self._make_room()
        sample = block[:_SAMPLE]
        word = max(_WORDS, key=sample.count)
        if self._skipped < self._skip or word not in sample or _CHILD in block or _CREATOR in block:
            self._skipped += 1
            return self._shortcuts.feed(count(at), block)
        end, found, missed = self._feed(at, block, word)
        self._skipped = 0
        self._skip = 0 if found >= missed else min(2 * self._skip + 1, MAX_SKIPPED)
        return end - at

    def _make_room(self) -> None:
        programs = self._joiner.programs.count
        if len(self._known_by_creator) >= MAX_KEPT:
            self._known_by_creator.clear()
        if len(self._known) >= MAX_KEPT or programs > self._programs + MAX_KEPT_PROGRAMS:
            self._known.clear()
            self._known_by_creator.clear()
            self._next = 0
            self._programs = programs

    def _feed(self, at: int, block: bytes, word: bytes) -> tuple[int, int, int]:
        """The line behind the block, and how many lives were known and were not."""
        known = self._known.get
        known_by_creator = self._known_by_creator.get
        joiner = self._joiner
        append = joiner.records.append
        tids = joiner.tids.get
        done = found = missed = 0
        for start, text in _lives(block, word):
            creator = text[: text.find(b" ")]
            tid = tids(creator, 0) or _number(creator)
            second = text.find(b"\n") + 1
            child = text[second : text.find(b" ", second)]
            if child == creator:
                child = text[text.rfind(b" ", 0, second) + 1 : second - 1]
            number = _number(child)
            if not tid or not number or tid == number:
                missed += 1
                continue
            by_creator = text.replace(child, _CHILD)
            what = known_by_creator(by_creator)
            if what is None:
                key = by_creator.replace(creator, _CREATOR)
                what = known(key, _NEW)
                if what[0] >= 0:
                    self._known_by_creator[by_creator] = what
                elif what is not _ONCE:
                    missed += 1
                    if what is _NEW and len(key) < MAX_LENGTH:
                        self._known[key] = _ONCE
                    continue
            if done < start:
                at += self._shortcuts.feed(count(at), block[done:start])
                done = start
            if not self._is_free(tid, number, child) or (what[2] and tid not in joiner.seen):
                missed += 1
                continue
            done += len(text)
            if what is _ONCE:
                missed += 1
                at += self._learn(at, text, key, tid, number)
            else:
                found += 1
                joiner.tids[creator] = tid
                append((RUN, at, None, tid, number, what[0]))
                at += what[1]
        if done < len(block):
            at += self._shortcuts.feed(count(at), block[done:])
        return at, found, missed

    def _is_free(self, tid: int, number: int, child: bytes) -> bool:
        """Does what a life's lines mean depend on nothing before? The child is new, and neither is inside a call."""
        joiner = self._joiner
        pending, opened, exec_by = joiner.pending, joiner.opened, joiner.exec_by
        return not (
            child in joiner.tids
            or tid in pending
            or number in pending
            or (opened and (tid in opened or number in opened))
            or (exec_by and (tid in exec_by or number in exec_by))
            or number in joiner.seen
            or number in joiner.leaders
            or joiner.is_holding
        )

    def _learn(self, at: int, text: bytes, key: bytes, tid: int, number: int) -> int:
        """Read the lines of one life the long way, and keep what they mean; gives how many there were."""
        joiner = self._joiner
        place = len(joiner.records)
        unreadable = len(joiner.unreadable)
        seen = tid in joiner.seen
        lines = self._shortcuts.feed(count(at), text)
        self._known[key] = _NEVER
        if (
            _TWO_TASKS.fullmatch(key) is not None
            and _PART_OF_WORD.search(key) is None
            and len(joiner.unreadable) == unreadable
            and (tid in joiner.seen) is seen
            and self._is_free(tid, number, b"%d" % number)
        ):
            run = run_of(joiner.records[place:], at, tid, number)
            if run is not None:
                joiner.records.append((RUN_MEANS, at, None, tid, self._next, run))
                self._known[key] = self._next, lines, seen
                self._next += 1
        return lines


def _number(text: bytes) -> int:
    """Of a task; 0 where it is not written as strace does."""
    return int(text) if text.isdigit() and len(text) <= MAX_TID_DIGITS and text[0] != _ZERO else 0


def _lives(block: bytes, word: bytes) -> Iterator[tuple[int, bytes]]:
    """Where in the block a line with the word begins, and the text up to the next such line."""
    find, rfind = block.find, block.rfind
    place = find(word)
    start = rfind(b"\n", 0, place) + 1
    while place >= 0:
        place += len(word)
        next_place = find(word, place, place + _WINDOW)  # in longer texts the search is prepared with some effort
        if next_place < 0:
            next_place = find(word, place)
        end = rfind(b"\n", place, next_place) + 1 if next_place >= 0 else len(block)
        if end:  # else the same line has it twice
            yield start, block[start:end]
            start = end
        place = next_place


def run_of(records: list[Record], at: int, creator: int, child: int) -> Run | None:
    """What the records of one life have in common with those of any other that has the same text; None: too little."""
    rows: list[Row] = []
    ended = False
    for record in records:
        kind, line, _, tid = record[:4]
        who = tid, record[4] if kind in (CLONED, REAP, CHILD_SIGNAL) else tid
        if not rows:
            if kind != CLONED or who != (creator, child) or not _is_plain(record):
                return None
            rows.append((CLONED, line - at, OF_CREATOR, (*record[5:-1], record[-1] - at)))
        elif kind in (REAP, CHILD_SIGNAL):
            if not ended or who != (creator, child) or record[-1]:
                return None
            rows.append((kind, line - at, OF_CREATOR, record[5:]))
        elif kind in (SEEN, EXEC, EXIT_BEGIN, EXIT):
            if ended or tid != child or (kind == EXEC and (record[4] != child or not record[5])):
                return None
            ended = kind == EXIT
            if kind == EXEC:
                rows.append((EXEC, line - at, OF_CHILD_ITSELF, record[5:]))
            else:
                rows.append((kind, line - at, OF_CHILD, record[4:]))
        else:
            return None
    return tuple(rows) if ended else None


def _is_plain(clone: Record) -> bool:
    """A child of its own, in the same namespace, with the number that the call returned."""
    _, _, _, _, _, flags, _, real, matched, chosen, end = clone
    return bool(end) and not (real or matched or chosen or flags & (CLONE_THREAD | CLONE_NEWPID))
