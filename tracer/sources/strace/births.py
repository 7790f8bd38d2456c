"""Who created whom: clone calls and the tasks that appear, brought together where the log is read.

A call by a task of strace's own namespace says its child's number. It is taken for such a call unless the log shows
otherwise: the caller descends from CLONE_NEWPID, unshare or setns; or it got a number that a living task has, or one
below RESERVED_PIDS that was passed long ago (idr_alloc_cyclic() gives those again only after a write to ns_last_pid).

A call by a task of a nested namespace says a number that means nothing here, and a call whose caller was killed
inside says none. Their children are found by elimination: a task that appears was created by one of the calls that had
begun; the numbers before and after its own, and the order of numbers inside the namespace, leave out most of them.
What is found so is marked as matched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import NamedTuple

from tracer.event import CLONE_NEWPID
from tracer.sources.strace.pidns import FAR, RESERVED, UNPLACED, WRAPPED, Call, Namespace, calls_in_order, in_order
from tracer.sources.strace.records import (
    ATTACHED,
    CHILD_SIGNAL,
    CLONED,
    CUT_SHORT,
    DETACHED,
    EXEC,
    EXIT,
    JOIN_PID_NS,
    NEW_PID_NS,
    NOT_CLONED,
    OPEN,
    REAP,
    SEEN,
    Record,
)

MAX_COMPARED = 200
"""So many calls at once are compared with tasks that appear; no node has more, but a made-up log might."""
MAX_PASSED = 64
"""So many calls whose children did not appear so far are remembered."""
MAX_HISTORY = 1000
NEXT_LINES = 5
"""Of other kinds, such as signals, may stand between a result and the same one said again."""

KILLED_INSIDE = "the creator ended inside the call; this is the only new task since it began"
CUT_INSIDE = "the trace ends inside the call; this is the only new task since it began"
ONLY_ONE = "number {} is of another pid namespace; no other call can have created {}"
BY_ORDER = "number {} is of another pid namespace; {} of the new tasks has the same place in the order"
BY_END = "number {} is of another pid namespace; {} ended just before its end was told"
GUESSED = "number {} is of another pid namespace; {} is one of several new tasks that it can mean"

PERHAPS_NESTED = "number {0} may be of a pid namespace: whether {1}, who created {0}, lives in one is not known"
SET_BACK = "number {} was passed already: the counter was set back, or it is of another pid namespace"

_INSIDE = frozenset((CLONED, NOT_CLONED, EXIT, CHILD_SIGNAL, ATTACHED, DETACHED, CUT_SHORT))
"""What can be told of a task while it is inside a clone call."""


class _Fresh(NamedTuple):
    """A task that appeared and that no call explains yet."""

    seq: int
    at: int


class Births:
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
        self.fresh: dict[int, _Fresh] = {}
        self.next_ns: dict[int, Namespace] = {}
        """Where the children of a task will live after its unshare or setns."""
        self.history: deque[Record] = deque(maxlen=MAX_HISTORY)
        """CLONED records, with strace's numbers, of the last children whose numbers the kernel chose."""
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
        self._first: set[int] = set()
        """The task that the log begins with, and the threads that strace attached to with it: they are no strangers."""
        self._first_threads = 0
        self._translated = False
        self.exits_seen = False
        """The log tells of ordinary ends (no -qq), so a number that was not seen to end is in use."""
        self._tells = False
        """The trace shows unshare or setns, so a task that they do not concern lives in strace's namespace."""
        self._wraps = False
        """Numbers have begun again, in a space smaller than WRAPPED or by a write to ns_last_pid: no order any more."""
        self._unsure: dict[int, Call] = {}
        """Calls that returned the number of a living task, by caller."""
        self._passed: deque[Call] = deque()
        """Calls that nothing waits for any more, though their children may still appear."""
        self._ended: dict[int, int | None] = {}
        """Fresh tasks that have ended already -> status."""
        self._seq = 0
        self._changes = 0
        """Grows with all that can decide who created a task."""
        self._checked = (0, 0)

    # -- reading ------------------------------------------------------------------------------------------------

    def look(self, record: Record) -> Call | None:
        """Read one record; the call if it is the beginning or the return of one."""
        kind, at, _, tid = record[:4]
        self._seq += 1
        if tid > self.newest and tid not in self.chosen:
            self.newest = tid
        if tid not in self.fresh and not self.alive(tid):
            self._appeared(tid, record)
        elif tid in self.open and kind not in _INSIDE:
            self._left(self.open.pop(tid), kind == EXEC and record[4] != tid, at)
        if self._unsure:
            self._resolve(tid, kind, record)
        if kind == CLONED:
            return self._returned(record)
        if kind == OPEN:
            return self._began(record)
        self._other_news(kind, at, tid, record)
        return None

    def _other_news(self, kind: int, at: int, tid: int, record: Record) -> None:
        if kind == EXIT:
            self._ends(tid, record[4], at)
        elif kind == EXEC:
            if record[4] != tid:
                self._takes_over(tid, record[4], at)
        elif kind == NOT_CLONED:
            call = self.open.pop(tid, None)
            if call is not None:
                self.settle(call, 0)
        elif kind == CUT_SHORT:
            if tid in self.open:
                call = self.open[tid]
                call.flags, call.exit_signal, call.chosen, call.end = record[4:]
        elif kind in (NEW_PID_NS, JOIN_PID_NS):
            perhaps = kind == JOIN_PID_NS and record[4] < 0
            self.next_ns[tid] = UNPLACED if perhaps else Namespace(kind == JOIN_PID_NS)
            self._tells = True
            if not perhaps:
                self._nested_seen()
        elif kind == REAP and self.unsettled:
            self._told_end(tid, record[4], record[5])
        elif kind == CHILD_SIGNAL and self._ended:
            self._told_end(tid, record[4], None)

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

    # -- where a task lives -------------------------------------------------------------------------------------

    def _is_stranger(self, tid: int, record: Record) -> None:
        """Nothing explains the task."""
        noticed = record[0] == ATTACHED
        if self._translated or tid in self.unplaced or tid in self._first:
            return
        if not self._first:
            self._first.add(tid)
            self._first_threads = record[4] - 1 if noticed else 0
        elif not noticed and self._first_threads > 0:
            self._first.add(tid)
            self._first_threads -= 1
        else:
            self.unplaced.add(tid)

    def place_of_stranger(self, tid: int, record: Record) -> Namespace | None:
        """The namespace of a task whose creation the log lacks; `record` is its first."""
        self._is_stranger(tid, record)
        if not self.nested or tid not in self.unplaced:
            return None
        for call in [c for c in self.unsettled.values() if c.tid == tid and c.ns is None]:
            call.ns = UNPLACED
            if call.number and not call.settled:
                self._judge(call)
        return UNPLACED

    def inherits_place(self, tid: int, child: int) -> bool:
        """Note that the child lives where `tid` does; always true."""
        (self.unplaced.add if tid in self.unplaced else self.unplaced.discard)(child)
        return True

    def _nested_seen(self) -> None:
        if not self.nested and not self._translated:
            self.nested = True
            self._place(self.unplaced, None, UNPLACED)

    def _translation_seen(self) -> None:
        """Numbers of nested namespaces come with strace's (--decode-pids=pidns): those that come alone are strace's."""
        if not self._translated:
            self._translated, self.nested = True, False
            self._place(self.unplaced, UNPLACED, None)
            self.unplaced.clear()

    def _place(self, tids: Collection[int], old: Namespace | None, new: Namespace | None) -> None:
        for tid in tids:
            if self.known.get(tid, self) is old:
                self.known[tid] = new
        for call in [*self.unsettled.values(), *(call for calls in self.settled.values() for call in calls)]:
            if call.tid in tids and call.ns is old:
                call.ns = new
            if call.tid in tids and call.child_ns is old:
                call.child_ns = new

    def _appeared(self, tid: int, record: Record) -> None:
        self.ahead[tid] = True
        if tid in self.settled:
            return
        self.recent = tid
        if self.unsettled:
            self.fresh[tid] = _Fresh(self._seq, record[1])
            self.match()
        else:
            self._is_stranger(tid, record)

    def _began(self, record: Record) -> Call:
        _, at, time, tid = record[:4]
        call = self.open[tid] = Call(self._seq, at, time, tid, self.ns_of(tid), self.newest)
        self.unsettled[call.seq] = call
        return call

    def _left(self, call: Call, by_exec: bool, at: int) -> None:
        """The caller does something else: the log lost the call's return, or de_thread() killed it inside."""
        if by_exec:
            self._died(call, at)
        else:
            self.settle(call, 0)

    def _died(self, call: Call, at: int) -> None:
        call.dead = True
        call.end = call.end or at
        self._pass(call)
        self.match()

    def _pass(self, call: Call) -> None:
        self._changes += 1
        call.passed = True
        self._passed.append(call)
        if len(self._passed) > MAX_PASSED:
            self.unsettled.pop(self._passed.popleft().seq, None)

    def _ends(self, tid: int, status: int | None, at: int) -> None:
        if status is not None and not status & 0x7F:
            self.exits_seen = True
        self.ahead[tid] = False
        self.next_ns.pop(tid, None)
        if tid in self.fresh:
            self._ended[tid] = status
        call = self.open.pop(tid, None)
        if call is not None:
            self._died(call, at)

    def _takes_over(self, leader: int, thread: int, at: int) -> None:
        """de_thread(): the thread goes on under the leader's number."""
        if thread not in self.fresh and not self.alive(thread):
            self._appeared(thread, (SEEN, at, None, thread))
        self.ahead[thread] = False
        self.next_ns.pop(leader, None)
        if thread in self.next_ns:
            self.next_ns[leader] = self.next_ns.pop(thread)

    # -- returned numbers ---------------------------------------------------------------------------------------

    def _returned(self, record: Record) -> Call:
        _, at, time, tid, number, flags, exit_signal, real, matched, chosen, end = record
        call = self.open.pop(tid, None)
        if call is None:
            call = Call(self._seq, at, time, tid, self.ns_of(tid), self.newest)
            self.unsettled[call.seq] = call
        call.number = number
        call.flags = flags
        call.exit_signal = exit_signal
        call.matched = matched
        call.guessed = bool(matched)
        call.chosen = chosen
        call.end = end
        self._changes += 1
        if flags & CLONE_NEWPID:
            self._nested_seen()
        if real:
            self._translation_seen()
            if number != real and call.ns is None and tid not in self.fresh:
                self._is_nested(call)
            self.settle(call, real)
        elif tid not in self.fresh:
            self._judge(call)
        return call

    def _judge(self, call: Call) -> None:
        """Is the number one of strace's namespace?"""
        number = call.number
        call.ns = call.ns or self.ns_of(call.tid)
        if call.ns is UNPLACED:
            self._judge_unplaced(call)
        elif call.ns is not None:
            self.match()
        elif number not in self.fresh and (self.alive(number) or self._is_said_again(call)):
            # In use: it ends while the call is open, or the number is of another namespace, or it is not the result.
            call.unsure = True
            self._unsure[call.tid] = call
        elif self._contradicts(call):
            self._is_nested(call)
            self.match()
        elif number in self.fresh or call.chosen or (self._is_near(call) and not self._was_passed(call)):
            self.settle(call, number)
        else:
            call.unsure = True
            self.match()

    def _is_said_again(self, call: Call) -> bool:
        """No number is given twice in a row; but see creating.REFUSALS."""
        said = [record for record in self.history if record[4] == call.number and record[3] != call.tid]
        return bool(said) and 0 < call.end - said[-1][10] < NEXT_LINES and not call.chosen

    def _judge_unplaced(self, call: Call) -> None:
        """Is the number one of strace's namespace, as far as can be seen?"""
        number = call.number
        if number not in self.fresh and (self.alive(number) or self._contradicts(call)):
            self._is_nested(call)
            self.match()
        elif number not in self.fresh and (self._was_passed(call) or not self._is_near(call)):
            self.match()
        elif number >= RESERVED and not call.chosen:
            # The counters of two namespaces start together, and do not meet again soon: this one is strace's.
            self.unplaced.discard(call.tid)
            self._place((call.tid,), UNPLACED, None)
            call.ns = None
            self.settle(call, number)
        else:
            self._settle_unplaced(call)

    def _settle_unplaced(self, call: Call) -> None:
        call.guessed = True
        self.settle(call, call.number, PERHAPS_NESTED.format(call.number, call.tid))

    def _contradicts(self, call: Call) -> bool:
        """Numbers that small are not given again once the counter was so far above."""
        number = call.number
        return number < RESERVED and number + FAR < call.newest and not call.chosen and number not in self.fresh

    def _is_near(self, call: Call) -> bool:
        return -FAR < call.number - self.recent < FAR

    def _was_passed(self, call: Call) -> bool:
        """The counter was above, which it is not again unless a write to ns_last_pid has set it back."""
        return call.number < RESERVED and call.number <= call.newest and not (self._wraps or self._tells)

    def _resolve(self, tid: int, kind: int, record: Record) -> None:
        """News about a call that returned the number of a living task."""
        if kind == EXIT or (kind == EXEC and record[4] != record[3]):
            gone = tid if kind == EXIT else record[4]
            self.ahead[gone] = False
            for call in [c for c in self._unsure.values() if c.number == gone]:
                call.reuses = True
                self.settle(call, call.number)
        late = self._unsure.pop(tid, None)
        if late is not None and (kind == EXIT or (kind == EXEC and record[4] != tid)):
            # The kernel had nothing to tell of a task that was being killed, and strace has printed what it told of
            # another (creating.REFUSALS): no more is known than of a call that was cut short.
            late.number, late.unsure = 0, False
            self._died(late, record[1])
        elif late is not None and self.exits_seen and self.alive(late.number):  # it goes on, and so does the owner
            self._is_nested(late)
            self.match()
        elif late is not None:
            self.settle(late, late.number)

    def _is_nested(self, call: Call) -> None:
        """The caller lives in a nested namespace, of which nothing more is known."""
        call.unsure = False
        call.ns = Namespace(joined=True, supposed=True)
        if call.tid in self.settled:
            self.settled[call.tid][-1].child_ns = call.ns
        elif call.tid in self.known:
            self.known[call.tid] = call.ns
        for other in self.unsettled.values():
            if other.tid == call.tid and not other.dead and (other.ns is None or other.ns is UNPLACED):
                other.ns = call.ns
                other.unsure = False

    def settle(self, call: Call, child: int, matched: str = "") -> None:
        """The call's child is this task, or it has none."""
        call.settle(child, self.next_ns.get(call.tid), matched)
        if self.unplaced and child:
            self.inherits_place(call.tid, child)
        call.unsure = False
        self._changes += 1
        self.unsettled.pop(call.seq, None)
        if self._unsure.get(call.tid) is call:
            del self._unsure[call.tid]
        if child:
            if call.chosen:
                self.chosen.add(call.number if call.ns is None else child)
            else:
                self._given(call, child)
            self.settled.setdefault(child, []).append(call)
            ended = child in self._ended and child in self.fresh
            self.fresh.pop(child, None)
            self._ended.pop(child, None)
            self.ahead[child] = not ended
            for other in [c for c in self.unsettled.values() if c.tid == child] if self.unsettled else ():
                other.ns = call.child_ns
                if other.number and not other.settled:
                    self._judge(other)
        if not self.unsettled and self.fresh:
            self.fresh.clear()
            self._ended.clear()

    def _given(self, call: Call, child: int) -> None:
        if child < call.newest < child + WRAPPED and call.ns is None and call.number == child:
            self._wraps = self._wraps or child >= RESERVED or child in self.fresh
        self.recent = child
        self.history.append((CLONED, call.at, None, call.tid, child, 0, 0, 0, "", False, call.end))

    # -- elimination --------------------------------------------------------------------------------------------

    def match(self) -> None:
        """Bring together calls and tasks where there is no other way."""
        while self.fresh and max(len(self.unsettled), len(self.fresh)) <= MAX_COMPARED:
            if not (self._match_one() or self._match_in_order()):
                return

    def candidates(self, tid: int) -> list[Call]:
        """The calls that can have created the task."""
        fresh = self.fresh[tid]
        found = []
        for call in self.unsettled.values():
            if call.seq > fresh.seq:
                break
            if call.number == tid and call.ns is None and not call.dead and self._unsure.get(call.tid) is not call:
                return [call]
            if not self._after(tid, call):
                continue
            if call.number and call.ns is not None and not call.chosen and not call.ns.agrees(call.number, tid):
                continue
            found.append(call)
        if len(found) > 1 or (found and found[0].passed):
            low, high = self._given_between(tid, fresh.at)
            found = [call for call in found if call.at <= high and (not call.end or call.end >= low)]
        return found

    def may_be_explained(self, tid: int) -> bool:
        """Is there a call that can turn out to have created the task?"""
        if tid not in self.fresh or not self.unsettled:
            self.fresh.pop(tid, None)
            return False
        if len(self.unsettled) > MAX_COMPARED:
            if self.open:
                return True
        elif self._checked == (tid, self._changes) or self.candidates(tid):
            self._checked = (tid, self._changes)
            return True
        del self.fresh[tid]
        return False

    def waits_for_return(self, tid: int) -> bool:
        """Can a call that is still open have created the task?"""
        if tid not in self.fresh or len(self.unsettled) > MAX_COMPARED:
            return bool(self.open)
        return any(self._is_open(call) for call in self.candidates(tid))

    def announced(self, call: Call) -> None:
        """The birth is told."""
        calls = self.settled.get(call.child)
        if calls and call in calls:
            calls.remove(call)
            if not calls:
                del self.settled[call.child]

    def _after(self, tid: int, call: Call) -> bool:
        """Numbers go upwards, so the task's was given after the call began."""
        return tid > call.newest or self._wraps or call.newest - tid > WRAPPED or tid in self.chosen

    def _given_between(self, tid: int, at: int) -> tuple[int, int]:
        """First and last line between which the task got its number, by those of its neighbours."""
        low, high = 0, at
        if self._wraps:
            return low, high
        for record in self.history:
            begin, number, end = record[1], record[4], record[10]
            if number < tid:
                if begin > low and tid - number < WRAPPED:
                    low = begin
            elif number > tid and end and end < high and number - tid < WRAPPED:
                high = end
        return (low, high) if low <= high else (0, at)

    def _match_one(self) -> bool:
        for tid in self.fresh:
            found = self.candidates(tid)
            if any(self._is_open(call) for call in found):
                continue
            if len(found) > 1:
                found = [call for call in found if self._is_next(call, tid)]
            if len(found) == 1:
                self._found(found[0], tid, ONLY_ONE)
                return True
        return False

    def _is_open(self, call: Call) -> bool:
        """More will be known of it."""
        return call.tid in self.fresh or (not call.dead and not call.number) or call.tid in self._unsure

    def _found(self, call: Call, tid: int, why: str) -> None:
        if call.dead:
            self.settle(call, tid, KILLED_INSIDE)
            return
        if call.number == tid and (call.ns is None or (call.ns.supposed and not call.chosen)):
            self.settle(call, tid)
            return
        if call.ns is UNPLACED and call.number == tid:
            self._settle_unplaced(call)
            return
        if call.ns is None or call.ns is UNPLACED:
            self._is_nested(call)
        call.guessed = True
        self.settle(call, tid, why.format(call.number, tid))

    def _match_in_order(self) -> bool:
        """As many calls as tasks: they belong together in the order of their numbers."""
        last = max(fresh.seq for fresh in self.fresh.values())
        calls = [call for call in self.unsettled.values() if call.seq <= last]
        if len(calls) != len(self.fresh) or any(call.dead or self._is_open(call) for call in calls):
            return False
        pairs = list(zip(calls_in_order(calls), in_order(list(self.fresh)), strict=True))
        if not all(call in self.candidates(tid) for call, tid in pairs):
            return False
        for call, tid in pairs:
            if not call.settled:
                self._found(call, tid, BY_ORDER)
        return True

    def _is_next(self, call: Call, tid: int) -> bool:
        """Both numbers follow the last pair of the namespace, and nothing unknown lies between."""
        if call.ns is None or not call.ns.pairs or call.chosen or call.dead:
            return False
        inside, outside = max(call.ns.pairs)
        if call.number != inside + 1 or not 0 < tid - outside < 64:
            return False
        given = {record[4] for record in self.history}
        return all(between in given for between in range(outside + 1, tid))

    def _told_end(self, tid: int, number: int, status: int | None) -> None:
        """A wait or SIGCHLD told of a child's end by a number that no call has been matched for."""
        ns = self.ns_of(tid)
        for call in list(self.unsettled.values()):
            if (
                call.number != number
                or call.dead
                or (call.tid != tid and (ns is None or ns is UNPLACED or call.ns is not ns))
            ):
                continue
            ended = [t for t, s in self._ended.items() if status in (s, None) and t in self.fresh]
            able = [t for t in ended if call in self.candidates(t)]
            if len(able) == 1:
                self._found(call, able[0], BY_END)
            elif not able and not self.exits_seen:
                self.settle(call, 0)
            return

    # -- the end of patience ------------------------------------------------------------------------------------

    def decide(self, tid: int, at_end: bool) -> None:
        """Nothing more is waited for: choose a creator for the task, or none."""
        found = self.candidates(tid) if len(self.unsettled) <= MAX_COMPARED else []
        if at_end:
            for call in [c for c in found if not c.number and not c.dead]:
                call.dead = True
                call.matched = CUT_INSIDE
                self.open.pop(call.tid, None)
        returned = [c for c in found if c.number and not c.dead and not c.unsure and c.tid not in self.fresh]
        dead = [c for c in found if c.dead]
        if returned:
            self._found(calls_in_order(returned)[0], tid, ONLY_ONE if len(found) == 1 else GUESSED)
        elif len(dead) == 1:
            self._found(dead[0], tid, "")
        else:
            self.fresh.pop(tid, None)
            self._ended.pop(tid, None)

    def give_up(self, call: Call, follows: bool) -> None:
        """The call's child does not appear. A number that can be strace's own is taken for that."""
        self._pass(call)
        if call.ns is UNPLACED and call.number:
            if call.number > call.newest - FAR or not follows:
                self._settle_unplaced(call)
            return
        if call.ns is not None or not call.number:
            return
        if self._was_passed(call) and len(self.fresh) <= MAX_COMPARED:
            able = [tid for tid in self.fresh if self._explains(call, self.candidates(tid))]
            if able:
                self._found(call, in_order(able)[0], GUESSED)
                return
        if call.number > call.newest - FAR or self._is_near(call) or not follows:
            self.settle(call, call.number, SET_BACK.format(call.number) if self._was_passed(call) else "")

    @staticmethod
    def _explains(call: Call, found: list[Call]) -> bool:
        return call in found and not any(other.dead for other in found)
