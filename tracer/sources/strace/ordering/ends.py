"""Ends of tasks, and the waits and signals that tell of them, by numbers that may have to be translated."""

from __future__ import annotations

from tracer.event import ChildSignal, Exit, Reap
from tracer.sources.strace.ordering.announced import Announced
from tracer.sources.strace.ordering.pidns import UNPLACED
from tracer.sources.strace.ordering.state import State
from tracer.sources.strace.records import Record

_new = tuple.__new__


class Ends:
    """Makes the events of ends; records come when it is their turn."""

    def __init__(self, state: State, out: Announced) -> None:
        self._shown, self._numbers, self._places = state.shown, state.numbers, state.places
        self._out = out
        self._known = out.known
        self.early: dict[int, Record] = {}
        """Waits that stand before their child's end, by child: the order of -ff files is by beginnings. Elsewhere the
        tracer sees an end first (wait_consider_task()); what a dead task's wait seems to return is another's result."""
        self.took_for_hidden = False
        """A wait returned a task of whose end no line had told, when none had told of an ordinary end yet (-qq)."""
        self._just_now = 0
        """The task that ended with the last record, if its creation was not in the trace."""

    def ended(self, at: int, time: int | None, tid: int, status: int | None) -> None:
        """A task has ended."""
        self._just_now = tid if tid in self._out.attached else 0
        self._out.gone(tid)
        self._out.events.append(Exit(at, time, tid, status))
        if tid in self.early:
            reap = self.early.pop(tid)
            waiter = reap[3] if reap[6] or self.is_sure(reap[3], reap[4]) else 0
            self._out.events.append(_new(Reap, (at, time, waiter, tid, reap[5])))
        if self.early:
            self.forget_waits(tid)

    def something_else(self) -> None:
        """The last record told of no end."""
        self._just_now = 0

    def forget_waits(self, dead: int) -> None:
        """A task has ended before those that its wait seems to have returned."""
        for child in [child for child, reap in self.early.items() if reap[3] == dead]:
            del self.early[child]

    def signalled(self, record: Record) -> None:
        """A SIGCHLD has told of a child."""
        _, at, time, tid, number, real = record
        child = real or self.translate(tid, number)
        ns = self._known[tid]
        if real and ns is not None:
            ns.learn(number, child, chosen=True)  # wait4, which is not translated, will return it
        sure = real or self.is_sure(tid, number)
        if child in self.early and self.early[child][3] == tid and sure:
            self._lost_its_end(at, time, tid, child, self.early.pop(child)[5])
        elif child in self._known and self._numbers.is_given_again(child, at, self._shown.ends):
            return  # of the number's last owner: the tracer sees an end before the parent is told
        if child and sure:
            self._out.events.append(_new(ChildSignal, (at, time, tid, child)))
            if child in self._known and self._shown.ends:
                self._out.told[child] = tid
                if child not in self._out.untraced:
                    self._is_untold(child, at, time)

    def _is_untold(self, child: int, at: int, time: int | None) -> None:
        """A signal has told of an end that no line tells."""
        if self._are_told(child, at):
            self._out.lines_are_missing(at, time)
        elif not (self._shown.from_start or self._shown.late_calls):
            self._places.untold = True

    def reaped(self, record: Record) -> None:
        """A wait has returned a child."""
        _, at, time, tid, number, status, real = record
        known = self._known
        child = real or self.translate(tid, number)
        if child in known and self._numbers.is_given_again(child, at):
            pass  # of the number's last owner
        elif child in known and self._out.told.get(child) == tid and (real or self.is_sure(tid, number)):
            self._lost_its_end(at, time, tid, child, status)
        elif child in known and child != tid and self._shown.ends:
            self.early[child] = record
        elif child:
            waiter = tid if real or self.is_sure(tid, number) else 0
            self._out.events.append(_new(Reap, (at, time, waiter, child, status)))
            if child in known and child != tid and not self._shown.ends:  # -qq hid its end
                self.took_for_hidden = True
                self._out.gone(child)

    def finish(self, at: int) -> None:
        """The log has ended. Whose wait has returned a child that lives, and who lives himself, so that it was his,
        was told the truth."""
        for child, reap in [*self.early.items()]:
            if reap[3] in self._known and child in self._known and self._are_told(child, reap[1]):
                self._out.lines_are_missing(at, None)
                self._lost_its_end(reap[1], reap[2], reap[3], child, reap[5])

    def _lost_its_end(self, at: int, time: int | None, tid: int, child: int, status: int | None) -> None:
        """A wait and a signal tell the same: neither is another's result, and the line of the end is lost."""
        self._out.gone(child)
        self._out.events += [Exit(at, time, child, status), Reap(at, time, tid, child, status)]

    def _are_told(self, child: int, at: int) -> bool:
        """The log would say of the task that has this number at that line that it has ended, before anybody is told."""
        shown, numbers = self._shown, self._numbers
        last = numbers.last_given(child)
        told = shown.from_start and shown.ends and not (shown.late_calls or self._places.nested)
        return told and child not in numbers.chosen and last is not None and last[10] < at

    def translate(self, tid: int, number: int) -> int:
        """strace's number of the task that `tid` calls so; 0 where that cannot be known."""
        ns = self._known.get(tid)
        if ns is None or ns is UNPLACED:
            return number
        child = ns.tasks.get(number, 0)
        if not child and self._just_now:
            # Nothing lies between a task's end and this report of one, and nothing else explains the task.
            child = self._just_now
            ns.learn(number, child, chosen=True, guessed=True)
        return child

    def is_sure(self, tid: int, number: int) -> bool:
        """A wait or signal proves who the parent is only if its number is known to mean that child."""
        ns = self._known.get(tid)
        if ns is None or ns is UNPLACED:
            return tid in self._places.roaming or not self._places.is_doubtful(number, ns)
        return number not in ns.guessed
