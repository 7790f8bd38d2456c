"""Results in doubt: what is told later says whether they are results, and in which pid namespace."""

from __future__ import annotations

from tracer.event import SIGKILL
from tracer.sources.strace.ordering.calls import MAX_PASSED
from tracer.sources.strace.ordering.counter import nobodys
from tracer.sources.strace.ordering.matching import Matching
from tracer.sources.strace.ordering.results import Results
from tracer.sources.strace.ordering.state import State
from tracer.sources.strace.records import CLONED, EXEC, EXIT, Record


class Doubts:
    """Of calls that returned a living task's number, or one that was passed; and of those that are told of last."""

    def __init__(self, state: State, results: Results, matching: Matching) -> None:
        self._shown, self._tasks, self._calls, self._numbers, self._places, self._strangers = state
        self._results = results
        self._matching = matching
        self.doubted: dict[int, tuple[int, int]] = {}
        """Numbers of which nothing more is told, and that may be no results: the calls (caller, where it began)."""
        self._silent: list[tuple[int, int]] = []
        """Such calls whose numbers were given again."""
        self._of_none: set[tuple[int, int]] = set()
        """Such calls whose numbers were taken for those of another namespace: they are rather no results."""

    @property
    def count(self) -> int:
        """How many results may be none."""
        return len(self._silent) + len(self.doubted)

    def nobodys(self) -> set[tuple[int, int]]:
        """Calls, by caller and first line, whose results are another's: who is unexplained was created by these."""
        shown, places = self._shown, self._places
        doubted = {*self._silent, *self.doubted.values()}
        if (places.nested and not places.unseen) or not (doubted or self._of_none):
            return set()
        unexplained = [] if shown.late_calls or not shown.ends else self._strangers.unexplained
        return self._of_none | nobodys(list(self._numbers.history), doubted, unexplained)

    def killed_untold(self) -> list[int]:
        """Tasks that were killed on the way out, for all that is told, in a log that tells of no ends: the last thing
        that they did was to return a number that was passed already."""
        return [] if self._shown.ends else [call.tid for call in self._calls.odd.values() if call.ns is None]

    def doubt(self, record: Record) -> None:
        """The result that has been told last may be none."""
        _, _, _, tid, began, number = record
        if (tid, began) in self._places.supposed:
            self._of_none.add((tid, began))
            return
        for call in self._calls.unsettled.values():
            if call.tid == tid and call.at == began:
                call.doubted = True
                break
        later = (record[4] == number and record[1] > began for record in self._numbers.history)
        if number in self._numbers.chosen or any(later):
            self._silent.append((tid, began))
        elif len(self.doubted) < MAX_PASSED:
            self.doubted[number] = tid, began
            self._tasks.noted.add(number)

    def believe(self, record: Record) -> None:
        """A number is somebody's after all, or it is given again."""
        self.doubted.pop(record[3], None)
        if record[0] == CLONED and record[4] in self.doubted:
            self._silent.append(self.doubted.pop(record[4]))

    def goes_on(self, tid: int, kind: int, record: Record) -> None:
        """The task does something, or ends: what does that say of its own last result, and of its number?"""
        if self._calls.in_use:
            self._resolve(tid, kind, record)
        if self._calls.odd:
            self._killed_on_the_way_out(tid, kind, record)

    def _resolve(self, tid: int, kind: int, record: Record) -> None:
        """News about a call that returned the number of a living task."""
        matching, in_use = self._matching, self._calls.in_use
        if kind == EXIT or (kind == EXEC and record[4] != record[3]):
            self._is_free(tid if kind == EXIT else record[4], kind == EXIT)
        late = in_use.pop(tid, None)
        if late is None:
            return
        if kind == EXIT or (kind == EXEC and record[4] != tid):
            matching.has_no_result(late, record[1])
        elif late.real:
            matching.settle(late, late.real)
        elif self._results.means_another(late):  # it goes on, and so does the owner
            if late.taken:
                self._places.entered_unseen()
            self._places.is_nested(late)
            matching.match()
        else:
            matching.settle(late, late.number)

    def _is_free(self, gone: int, ended: bool) -> None:
        """The number's owner is gone, so the call has returned what it created."""
        if ended:  # else it has to be known until its leader's place is taken (_takes_over)
            self._tasks.ahead[gone] = False
        for call in [c for c in self._calls.in_use.values() if (c.real or c.number) == gone and c.tid != gone]:
            if self._results.is_said_again(call):
                continue
            call.reuses = True
            self._matching.settle(call, call.real or call.number)

    def _killed_on_the_way_out(self, tid: int, kind: int, record: Record) -> None:
        """The number was passed already, and nothing more is told of the caller but that it was killed: then that is
        likelier to be nobody's (creating.REFUSALS) than the counter to have been set back."""
        call = self._calls.odd.pop(tid, None)
        if call is None or call.settled or call.ns is not None or self._places.nested:
            return
        if self._shown.late_calls or not self._shown.leaving or self._results.has_neighbours(call):
            return  # it may have called exit
        killed = kind == EXIT and (record[4] or 0) & 0x7F in (0, SIGKILL)  # strace tells of another signal first
        if killed or (kind == EXEC and record[4] != tid):
            self._matching.has_no_result(call, record[1])
