"""Whose child a task is that appears, where no number says it: calls are left out until one remains.

What is found so is marked as matched.
"""

from __future__ import annotations

from itertools import islice

from tracer.event import CLONE_NEWPID, CLONE_THREAD, CLONE_VFORK
from tracer.sources.strace.ordering import pidns
from tracer.sources.strace.ordering.candidates import MAX_COMPARED, Candidates
from tracer.sources.strace.ordering.pidns import RESERVED, UNPLACED, WRAPPED, Call, Namespace, calls_in_order
from tracer.sources.strace.records import CLONED

MAX_PASSED = 64
"""So many calls whose children did not appear so far are remembered."""

KILLED_INSIDE = "the creator ended inside the call; this is the only new task since it began"
UNTOLD_CALL = "strace --seccomp-bpf does not tell of the creator's call; this is the only new task since it began"
CUT_INSIDE = "the trace ends inside the call; this is the only new task since it began"
ONLY_ONE = "number {} is of another pid namespace; no other call can have created {}"
BY_ORDER = "number {} is of another pid namespace; {} of the new tasks has the same place in the order"
BY_END = "number {} is of another pid namespace; {} ended just before its end was told"
GUESSED = "number {} is of another pid namespace; {} is one of several new tasks that it can mean"
PERHAPS_EARLIER = "{} had ended before the call that returned its number was told: the number may have been given twice"
PERHAPS_NESTED = "number {0} may be of a pid namespace: whether {1}, who created {0}, lives in one is not known"


class Elimination(Candidates):
    """Brings calls and tasks together."""

    def settle(self, call: Call, child: int, matched: str = "") -> None:
        """The call's child is this task, or it has none."""
        if not matched and call.ns is None and self.is_doubtful(child, None) and self._had_owner(child):
            matched, call.guessed = PERHAPS_NESTED.format(child, call.tid), True
        if not matched and self.late_calls and child in self._ended and not call.flags & CLONE_VFORK:
            matched, call.guessed = PERHAPS_EARLIER.format(child), True
        call.settle(child, matched)
        if child:
            self._place_of_child(call)
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
            if self._translated and call.child_ns is not None:
                self._place_calls_of(child, call.child_ns)
        if not self.unsettled and self.fresh and not self.late_calls:
            self.fresh.clear()
            self._ended.clear()

    def _place_calls_of(self, tid: int, ns: Namespace) -> None:
        """Calls of which the log has said whom they created before it was known where their caller lives."""
        for calls in self.settled.values():
            for call in calls:
                if call.tid == tid and call.real and call.ns is None:
                    call.ns = ns
                    call.settle(call.child)

    def _had_owner(self, number: int) -> bool:
        return any(record[4] == number for record in self.history)

    def _given(self, call: Call, child: int) -> None:
        if child < call.newest < child + WRAPPED and call.ns is None and call.number == child:
            self._wraps = self._wraps or child >= RESERVED or child in self.fresh
        self.recent = child
        end = min(call.end, self.fresh[child].at) if child in self.fresh and call.end else call.end
        self.history.append((CLONED, call.at, None, call.tid, child, call.flags, 0, 0, "", False, end))

    def _died(self, call: Call, at: int) -> None:
        call.dead = True
        call.end = call.end or at
        leader = self._leader(call.tid) if call.flags & CLONE_THREAD and self.whole and not call.untold else 0
        if leader:
            self.watched.setdefault(leader, []).append(call)
            self.noted.add(leader)
        self._pass(call)
        self.match()

    def _pass(self, call: Call) -> None:
        self._changes += 1
        call.passed = True
        self._silent += 1
        self._passed.append(call)
        if len(self._passed) > MAX_PASSED:
            self.unsettled.pop(self._passed.popleft().seq, None)

    def match(self) -> None:
        """Bring together calls and tasks where there is no other way."""
        while self.fresh and max(len(self.unsettled), len(self.fresh)) <= MAX_COMPARED:
            if not (self._match_one() or self._match_in_order()):
                return

    def _match_one(self) -> bool:
        for tid, found in self._possible().items():
            if any(self._is_open(call) for call in found):
                continue
            if len(found) > 1:
                found = [call for call in found if self._is_next(call, tid)]
            if len(found) == 1:
                self._found(found[0], tid, ONLY_ONE)
                return True
        return False

    def _found(self, call: Call, tid: int, why: str) -> None:
        if call.dead:
            call.guessed = self.nested or call.untold  # numbers that mean nothing leave out less
            self.settle(call, tid, UNTOLD_CALL if call.untold else KILLED_INSIDE)
            return
        if call.ns is None and self.nested and (call.tid in self.unplaced or call.tid in self.fresh):
            call.ns = UNPLACED
        supposed = call.ns is not None and call.ns.supposed and not self.nested
        if self._says(call, tid) or (call.number == tid and supposed and not call.chosen):
            self.settle(call, tid)
            return
        if call.ns is UNPLACED and call.number == tid:
            self._settle_unplaced(call)
            return
        if call.ns is None or call.ns is UNPLACED:
            self._is_unexplained(tid, self.fresh[tid].at)
            proven = why is BY_END or (why is ONLY_ONE and self.whole)
            if proven and not self.late_calls and self.alive(call.tid):
                self._entered_unseen()
            self._is_nested(call)
        call.guessed = True
        self.settle(call, tid, why.format(call.number, tid))

    def _settle_unplaced(self, call: Call) -> None:
        call.guessed = True
        self.settle(call, call.number, PERHAPS_NESTED.format(call.number, call.tid))

    def _match_in_order(self) -> bool:
        """As many calls as tasks: they belong together in the order of their numbers."""
        last = max(fresh.seq for fresh in self.fresh.values())
        calls = [call for call in self.unsettled.values() if call.seq <= last]
        if len(calls) != len(self.fresh) or any(call.dead or self._is_open(call) for call in calls):
            return False
        pairs = list(zip(calls_in_order(calls), pidns.in_order(list(self.fresh)), strict=True))
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

    def decide(self, tid: int, at_end: bool) -> None:
        """Nothing more is waited for: choose a creator for the task, or none."""
        found = self._possible().get(tid, []) if len(self.unsettled) <= MAX_COMPARED else []
        if at_end:
            for call in [c for c in found if not c.number and not c.dead]:
                call.dead = True
                call.matched = CUT_INSIDE
                self.open.pop(call.tid, None)
        returned = [c for c in found if c.number and not c.dead and not c.unsure and c.tid not in self.fresh]
        dead = [c for c in found if c.dead]
        if returned:
            if len(found) == 1:
                self._found(found[0], tid, ONLY_ONE)
            else:
                self._found(self._by_place(tid, calls_in_order(returned)), tid, GUESSED)
        elif len(dead) == 1:
            self._found(dead[0], tid, "")
        else:
            if len(dead) == len(found):
                self.creators[tid] = dead
                self.shared[tid] = dead
            self._forget(tid)

    def is_one_too_many(self, tid: int, at: int) -> bool:
        """One more task comes to light that no call explains: does the log lack the call? It shows calls of all kinds,
        and those of them that may not have said whom they created are fewer."""
        if tid in self._first or not self._first:
            return False
        self.strangers_seen += 1
        shown = self.creating_shown
        all_shown = {"clone", "clone3"} <= shown and not shown.isdisjoint(("fork", "vfork"))
        told = self.from_start and all_shown and self.exits_seen and not (self.nested or self.late_calls)
        latest = islice(reversed(self.history), MAX_COMPARED)
        unsure = sum(record[1] < at < record[10] for record in latest)  # what is told of a dying task may be no result
        return told and self.strangers_seen > self._silent + len(self.open) + unsure

    def origins_of(self, tid: int, at: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Attach.creators and Attach.hosts of a task that shows itself there first."""
        calls = self.creators.pop(tid, [])
        hosts = {(c.tid, c.at) for c in calls if c.flags & CLONE_THREAD} if self.exits_seen else self._hosts(calls, at)
        if any(call.flags & (CLONE_THREAD | CLONE_NEWPID) for call in calls):
            calls = []
        return tuple(n for c in calls for n in (c.tid, c.flags, c.at)), tuple(n for host in sorted(hosts) for n in host)

    def _hosts(self, calls: list[Call], at: int) -> set[tuple[int, int]]:
        """Calls of which such a task may be the thread: of these, one that says nothing, or one that was open. Who is
        killed inside is not told of, and what strace prints then is no result (creating.REFUSALS)."""
        calls = [*calls, *self.unsettled.values()] if len(self.unsettled) <= MAX_COMPARED else calls
        hosts = {(call.tid, call.at) for call in calls if call.flags & CLONE_THREAD and call.at < at}
        returned = islice(reversed(self.history), MAX_COMPARED)
        return hosts.union((r[3], r[1]) for r in returned if r[5] & CLONE_THREAD and r[1] < at < r[10])

    def _of_the_earlier(self, number: int) -> None:
        """The task that has appeared and ended is not the one that a call returns with its number."""
        self._forget(number)
        self.earlier.add(number)

    def _by_place(self, tid: int, calls: list[Call]) -> Call:
        """The call that has the place among these which the task has among the new ones that can be theirs."""
        if len(self.fresh) > MAX_COMPARED:
            return calls[0]
        rivals = [new for new in self.fresh if new == tid or any(call in calls for call in self.candidates(new))]
        return calls[min(pidns.in_order(rivals).index(tid), len(calls) - 1)]

    def _forget(self, tid: int) -> None:
        """No call will explain the task."""
        self.fresh.pop(tid, None)
        self._ended.pop(tid, None)
