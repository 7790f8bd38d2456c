"""From records to events, in the order that `tracer.event` promises: births first.

In a log a child's lines often come before its creator's call returns. While a clone call is open, the events
of a task that nobody knows are kept back, and all that follow them, until the calls that could have created it have
returned. Reading goes on meanwhile, so there are two places in the log: `_look` sees each record when it is read,
`_apply` when its turn comes. Mostly both are the same, and nothing is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tracer.event import (
    CLONE_NEWPID,
    Attach,
    ChildSignal,
    Clone,
    Detach,
    Event,
    Exec,
    Exit,
    ExitBegin,
    JoinPidNs,
    NewPidNs,
    Reap,
    Rename,
    SameProcess,
    SetPdeathsig,
    SetSubreaper,
)
from tracer.sources.strace.pidns import BY_ORDER, FAR, ONLY_ONE, ROOT, Call, Namespace, calls_in_order, in_order
from tracer.sources.strace.records import (
    ATTACHED,
    CHILD_SIGNAL,
    CLONED,
    DETACHED,
    EXEC,
    EXIT,
    EXIT_BEGIN,
    JOIN_PID_NS,
    NAMED,
    NEW_PID_NS,
    NOT_CLONED,
    OPEN,
    PDEATHSIG,
    REAP,
    RENAME,
    SAME_GROUP,
    SEEN,
    SUBREAPER,
    Program,
    Record,
)

MAX_KEPT = 200_000
"""So many records wait for a birth; then the task is taken for one whose creation the log does not show."""
MAX_PATIENCE = 5_000
"""So many records are read to find which task a number of another namespace means."""
MAX_MATCHED = 500
"""So many calls at once are compared with tasks that appear; no node has more, but a made-up log might."""
MAX_DEAD = 1_000
"""So many records later, a caller that was killed inside its call is thought to have created nothing."""

KILLED_INSIDE = "the creator ended inside the call; this is the only new task since it began"
CUT_INSIDE = "the trace ends inside the call; this is the only new task since it began"

_PLAIN: dict[int, type[Event]] = {
    EXIT_BEGIN: ExitBegin,
    SUBREAPER: SetSubreaper,
    PDEATHSIG: SetPdeathsig,
    RENAME: Rename,
    NEW_PID_NS: NewPidNs,
    JOIN_PID_NS: JoinPidNs,
    DETACHED: Detach,
}
"""Kinds whose records are their events with the kind in front."""

_CALL_KINDS = frozenset((OPEN, CLONED, NOT_CLONED, EXIT, NEW_PID_NS, JOIN_PID_NS))

_INSIDE = frozenset((CLONED, NOT_CLONED, EXIT, CHILD_SIGNAL, ATTACHED, DETACHED))
"""What can be told of a task while it is inside a clone call."""

_CLONE_REST = (0, "", 0, (), 0, 0)
"""Clone's fields from `ns_child` on, where there is nothing to say."""

_new = tuple.__new__


class Orderer:
    """Feed it records, take events."""

    def __init__(self, follows: bool) -> None:
        """`follows`: strace ran with -f, so that created tasks show up themselves."""
        self._follows = follows
        self.events: list[Event] = []
        self.programs: dict[int, Program] = {}
        """The exec table that EXEC records refer to."""
        self._known: dict[int, Namespace | None] = {}
        """Tasks that are born and not dead, with their namespace where that is known."""
        self._kept: deque[tuple[Record, Call | None]] = deque()
        self._open: dict[int, Call] = {}
        """Calls that have not returned, by caller."""
        self._unsettled: dict[int, Call] = {}
        """Calls whose child is not known, oldest first: open ones, and those with a number to be translated."""
        self._waiting: dict[int, Call] = {}
        """Those of them that have returned a number."""
        self._dead: dict[int, Call] = {}
        """Those whose caller was killed inside."""
        self._settled: dict[int, Call] = {}
        """Calls whose child is known and not yet announced, by child."""
        self._fresh: dict[int, int] = {}
        """Tasks that appeared and that no call explains yet -> when."""
        self._forced: set[int] = set()
        """Tasks that were announced as attached because the queue was full."""
        self._next_ns: dict[int, Namespace] = {}
        """Where the children of a task will live after its unshare or setns."""
        self._seq = 0
        self._exits_seen = False
        """The log tells of ordinary ends (no -qq), so a number that was not seen to end is in use."""
        self._newest = 0
        """The last number that a task got: the next one is a little higher."""
        self._complete = True
        """So far every task but the first was explained by a call."""
        self._last_attached_end = 0
        """The task that ended with the last record, if its creation was not in the trace."""
        self._attached: set[int] = set()
        self._ended: set[int] = set()
        """Tasks that have ended, since a nested namespace was seen."""
        self._nameless: list[Record] | None = []

    # -- in -----------------------------------------------------------------------------------------------------

    def feed(self, records: Iterable[Record]) -> None:
        """Read records; events come out as far as they can."""
        if self._nameless is not None:
            records = self._named(records)
        known = self._known
        kept = self._kept
        settled = self._settled
        append = self.events.append
        programs = self.programs
        plain = _PLAIN.get
        for record in records:
            kind, _, _, tid = record[:4]
            if kept or tid not in known:
                self._slowly(record)
                continue
            made = plain(kind)
            if made is not None:
                append(_new(made, record[1:]))
            elif kind == EXEC and record[4] == tid and record[5]:
                append(_new(Exec, record[1:5] + programs[record[5]]))
            elif kind == CLONED and self._is_plain(record):
                child = record[4]
                known[child] = None
                settled.pop(child, None)
                self._newest = child
                append(_new(Clone, record[1:7] + _CLONE_REST))
            elif kind == CHILD_SIGNAL and known[tid] is None and not self._unsettled:
                append(_new(ChildSignal, record[1:5]))
            elif kind == REAP and known[tid] is None and not self._unsettled:
                append(_new(Reap, record[1:6]))
                known.pop(record[4], None)
            elif kind == EXIT and not self._unsettled and tid not in self._attached:
                del known[tid]
                append(_new(Exit, record[1:]))
                self._exits_seen = self._exits_seen or not (record[4] or 0) & 0x7F
            elif kind != SEEN:
                self._slowly(record)

    def _is_plain(self, record: Record) -> bool:
        """A clone call that returned the next number, as most do; nothing about it is in doubt."""
        child = record[4]
        return (
            0 < child - self._newest < FAR
            and not self._unsettled
            and child not in self._known
            and self._known[record[3]] is None
            and not (record[7] or record[8] or record[5] & CLONE_NEWPID or self._next_ns)
        )

    def _slowly(self, record: Record) -> None:
        call = self._look(record)
        kept = self._kept
        if kept:
            kept.append((record, call))
            if len(kept) > MAX_PATIENCE:
                self._lose_patience()
            self._drain()
        elif not self._apply(record, call):
            kept.append((record, call))

    def _drain(self) -> None:
        kept = self._kept
        while kept and self._apply(*kept[0]):
            kept.popleft()

    def finish(self) -> None:
        """The log has ended: what waits is decided by what is known."""
        if self._nameless:
            waiting, self._nameless = self._nameless, None
            self.feed(waiting)
        self._nameless = None
        while self._kept:
            for call in list(self._unsettled.values()):
                self._conclude(call, CUT_INSIDE)
            self._drain()
            if self._kept and not self._unsettled:
                self._give_up()

    def _named(self, records: Iterable[Record]) -> Iterable[Record]:
        """The first task has no number until a later line names it: wait for that."""
        waiting = self._nameless
        assert waiting is not None
        rest = iter(records)
        for record in rest:
            if record[0] == NAMED:
                tid = record[3]
                self._nameless = None
                return [_renamed(r, tid) for r in waiting] + list(rest)
            if not waiting and record[3]:
                self._nameless = None
                return [record, *rest]
            waiting.append(record)
        if len(waiting) > MAX_KEPT:
            self._nameless = None
            return waiting
        return ()

    # -- where the log is read ----------------------------------------------------------------------------------

    def _look(self, record: Record) -> Call | None:
        kind, at, time, tid = record[:4]
        self._seq += 1
        if self._unsettled:
            self._forget_dead()
        if tid not in self._known and tid not in self._settled and tid not in self._fresh:
            self._appeared(tid)
        elif tid in self._open and kind not in _INSIDE:
            self._settle(self._open.pop(tid), 0)  # it does something else: the log lost the call's return
        if kind == CLONED:
            return self._returned(record)
        if kind == EXIT and record[4] is not None and not record[4] & 0x7F:
            self._exits_seen = True
        if kind == OPEN:
            call = self._open[tid] = Call(self._seq, at, time, tid, self._ns_of(tid), self._newest)
            self._unsettled[self._seq] = call
            return call
        if kind == NOT_CLONED:
            call_or_none = self._open.pop(tid, None)
            if call_or_none is not None:
                self._settle(call_or_none, 0)
        elif kind == EXIT:
            self._next_ns.pop(tid, None)
            call_or_none = self._open.pop(tid, None)
            if call_or_none is not None:
                call_or_none.dead = True
                self._dead[call_or_none.seq] = call_or_none
                self._match()
        elif kind in (NEW_PID_NS, JOIN_PID_NS):
            self._next_ns[tid] = Namespace()
        elif kind in (REAP, CHILD_SIGNAL) and self._unsettled:
            self._ran_out(tid, record[4])
        return None

    def _appeared(self, tid: int) -> None:
        if self._unsettled:
            self._fresh[tid] = self._seq
            self._match()

    def _ns_of(self, tid: int) -> Namespace | None:
        ns = self._known.get(tid)
        if ns is None and tid in self._settled:
            return self._settled[tid].child_ns
        return ns

    def _returned(self, record: Record) -> Call:
        _, at, time, tid, number, flags, exit_signal, real, matched, chosen = record
        call = self._open.pop(tid, None)
        if call is None:
            call = Call(self._seq, at, time, tid, self._ns_of(tid), self._newest)
            self._unsettled[self._seq] = call
        call.number = number
        self._waiting[call.seq] = call
        call.flags = flags
        call.exit_signal = exit_signal
        call.matched = matched
        call.chosen = chosen
        if call.ns is None:
            call.ns = self._ns_of(tid)
        if real:
            if call.ns is None:
                call.ns = Namespace() if number != real else ROOT
                self._learn(tid, call.ns)
            self._settle(call, real)
        elif call.ns is ROOT:
            self._settle(call, number)
        elif call.ns is None and number in self._fresh:
            call.ns = ROOT
            self._learn(tid, ROOT)
            self._settle(call, number)
        elif call.ns is None and self._exits_seen and number in self._known:
            call.ns = Namespace()  # a number that is in use
            self._learn(tid, call.ns)
            self._match()
        elif call.ns is None and 0 < number - self._newest < FAR and not self._contradicted(call):
            self._settle(call, number)
        else:
            self._match()
        return call

    def _learn(self, tid: int, ns: Namespace) -> None:
        """The task's numbers are of this namespace."""
        if tid in self._known:
            self._known[tid] = ns
        elif tid in self._settled:
            self._settled[tid].child_ns = ns

    def _settle(self, call: Call, child: int, matched: str = "") -> None:
        call.settle(child, self._next_ns.get(call.tid), matched)
        self._unsettled.pop(call.seq, None)
        self._waiting.pop(call.seq, None)
        self._dead.pop(call.seq, None)
        if child:
            self._newest = child
            self._settled[child] = call
            self._fresh.pop(child, None)
        if not self._unsettled and self._fresh:
            self._fresh.clear()

    # -- numbers of other namespaces ----------------------------------------------------------------------------

    def _candidates(self, call: Call) -> list[int]:
        return [tid for tid, seq in self._fresh.items() if seq >= call.seq]

    def _contradicted(self, call: Call) -> bool:
        if len(self._unsettled) > 1:
            return False
        found = self._candidates(call)
        return len(found) == 1 and call.contradicts(found[0])

    def _match(self) -> None:
        """Give returned numbers that are no tasks to tasks that no call explains, where that is sure enough."""
        while self._fresh and (self._waiting or self._dead) and len(self._unsettled) <= MAX_MATCHED:
            waiting = list(self._waiting.values())
            if not waiting and self._match_dead():
                continue
            if not waiting or not (self._match_same(waiting) or self._match_others(waiting)):
                return

    def _match_dead(self) -> bool:
        """A task that no other call can explain is the child of a caller that was killed inside its call."""
        if len(self._dead) < len(self._unsettled):
            return False
        for call in self._dead.values():
            found = self._candidates(call)
            if found:
                self._settle(call, found[0], KILLED_INSIDE)
                return True
        return False

    def _forget_dead(self) -> None:
        oldest = next(iter(self._unsettled.values()))
        if oldest.dead and oldest.seq + MAX_DEAD < self._seq:
            self._settle(oldest, 0)

    def _match_same(self, waiting: list[Call]) -> bool:
        """Callers of whom nothing is known, and a task with the very number: they are in strace's namespace."""
        for call in waiting:
            if call.ns is None:
                call.ns = self._ns_of(call.tid)
            if call.ns is None and self._fresh.get(call.number, -1) >= call.seq:
                call.ns = ROOT
                self._learn(call.tid, ROOT)
            if call.ns is ROOT:
                self._settle(call, call.number)
                return True
        return False

    def _match_others(self, waiting: list[Call]) -> bool:
        """Numbers of nested namespaces. As many calls as tasks: they belong together in the order of their numbers.
        More calls: only the next number after the last known one, if the task has the next one too, is sure."""
        last = max(self._fresh.values())
        if any(not call.number and not call.dead and call.seq <= last for call in self._unsettled.values()):
            return False
        tasks = in_order(list(self._fresh))
        calls = calls_in_order(waiting)
        if len(tasks) < len(calls):
            first = next((call for call in calls if not call.chosen and call.ns is not None), None)
            if first is None or first.ns is None or not self._is_next(first.ns, first.number, tasks[0]):
                return False
            calls = [first]
        alone = len(self._unsettled) == 1 and len(tasks) == 1
        reason = BY_ORDER if not alone else "" if self._complete else ONLY_ONE
        settled = False
        for call, tid in zip(calls, tasks, strict=False):
            if call.ns is None:
                call.ns = self._ns_of(call.tid)
            if self._fresh[tid] < call.seq or (call.ns is None and not call.contradicts(tid)):
                continue
            if call.ns is None:
                call.ns = Namespace()
                self._learn(call.tid, call.ns)
            self._settle(call, tid, reason.format(call.number, tid))
            settled = True
        return settled

    def _is_next(self, ns: Namespace, number: int, tid: int) -> bool:
        """Both numbers follow the last pair of the namespace, and nothing unknown lies between."""
        inside, outside = ns.last
        if number != inside + 1 or not 0 < tid - outside < 64:
            return False
        return all(between in self._known or between in self._ended for between in range(outside + 1, tid))

    def _ran_out(self, tid: int, number: int = 0) -> None:
        """A child of this task is reported ended, or the task itself ended: its calls will find no child any more."""
        for call in list(self._unsettled.values()):
            if call.tid == tid and call.number and (not number or call.number == number):
                self._settle(call, self._as_it_is(call))

    def _as_it_is(self, call: Call) -> int:
        """The number, if it can be strace's own though no task with it showed up; else 0."""
        possible = call.number > call.newest - FAR or not self._follows
        return call.number if call.ns is None and possible else 0

    def _conclude(self, call: Call, why: str) -> None:
        """The call will not return: the one new task since it began, if there is just one, is its child."""
        found = self._candidates(call) if len(self._unsettled) == 1 else []
        if not call.number and len(found) == 1:
            self._settle(call, found[0], why)
        else:
            self._settle(call, self._as_it_is(call))

    def _lose_patience(self) -> None:
        oldest = next(iter(self._unsettled.values()), None)
        if oldest is not None and oldest.number:
            self._settle(oldest, self._as_it_is(oldest))
        if len(self._kept) > MAX_KEPT:
            self._give_up()

    def _give_up(self) -> None:
        for call in list(self._unsettled.values()):
            self._forced.update(self._candidates(call))
            self._open.pop(call.tid, None)
            self._settle(call, 0)

    # -- where events are made ----------------------------------------------------------------------------------

    def _apply(self, record: Record, call: Call | None) -> bool:
        """Make the record's event; False if it has to wait."""
        kind, at, time, tid = record[:4]
        if tid not in self._known and not self._birth(record, tid):
            return False
        if kind in _PLAIN:
            self.events.append(_new(_PLAIN[kind], record[1:]))
        elif kind == EXIT:
            self._last_attached_end = tid if tid in self._attached else 0
            self._attached.discard(tid)
            if self._known.pop(tid) is not None:
                self._ended.add(tid)
            self.events.append(_new(Exit, record[1:]))
            return True
        elif kind == CLONED:
            assert call is not None
            if not call.settled:
                return False
            if call.child and not call.born:
                self._announce(call)
        elif kind == EXEC:
            self._exec(at, time, tid, record[4], record[5])
        else:
            self._apply_evidence(record)
        self._last_attached_end = 0
        return True

    def _apply_evidence(self, record: Record) -> None:
        """What tells of other tasks, by numbers that may have to be translated."""
        kind, at, time, tid = record[:4]
        if kind == CHILD_SIGNAL:
            child = record[5] or self._translate(tid, record[4])
            ns = self._known[tid]
            if record[5] and ns is not None and ns is not ROOT:
                ns.tasks[record[4]] = child  # wait4, which is not translated, will return it
            if child:
                self.events.append(_new(ChildSignal, (at, time, tid, child)))
        elif kind == REAP:
            child = record[6] or self._translate(tid, record[4])
            if child:
                self.events.append(_new(Reap, (at, time, tid, child, record[5])))
                if child in self._known and child != tid:  # -qq hid its end
                    self._attached.discard(child)
                    del self._known[child]
        elif kind == SAME_GROUP:
            self._same_group(at, time, tid, record[4], record[5])

    def _birth(self, record: Record, tid: int) -> bool:
        """The task's first record: announce it, if who created it is known or will never be."""
        call = self._settled.get(tid)
        if call is not None:
            self._announce(call)
            return True
        seq = self._fresh.get(tid)
        if seq is not None and self._unsettled and next(iter(self._unsettled)) <= seq:
            return False
        self._fresh.pop(tid, None)
        noticed = record[0] == ATTACHED
        self.events.append(Attach(record[1], record[2], tid, "", noticed, record[4] if noticed else 0))
        if self._known:
            self._complete = False
        self._attached.add(tid)
        self._known[tid] = None
        self._newest = tid
        return True

    def _announce(self, call: Call) -> None:
        """The birth of a call's child."""
        child = call.child
        self._settled.pop(child, None)
        call.born = True
        if child in self._known:
            if child in self._forced:
                self._forced.discard(child)
                return
            # The number is used again, so its last owner has ended; -qq hides how.
            self._attached.discard(child)
            self.events.append(Exit(call.at, call.time, child, None))
        self._known[child] = call.child_ns
        number = call.number if call.number != child else 0
        self.events.append(
            _new(
                Clone,
                (call.at, call.time, call.tid, child, call.flags, call.exit_signal, number, call.matched, 0, (), 0, 0),
            )
        )

    def _exec(self, at: int, time: int | None, tid: int, old: int, reference: int) -> None:
        if old != tid:
            if old not in self._known:
                self._birth((SEEN, at, time, old), old)
            self._known.pop(old, None)
            self._attached.discard(old)
        filename, argv, cut = self.programs.get(reference, ("", (), True))
        self.events.append(_new(Exec, (at, time, tid, old, filename, argv, cut)))

    def _translate(self, tid: int, number: int) -> int:
        """strace's number of the task that `tid` calls so; 0 where that cannot be known."""
        ns = self._known.get(tid)
        if ns is None or ns is ROOT:
            return number
        child = ns.tasks.get(number, 0)
        if not child and self._last_attached_end:
            # Nothing lies between a task's end and this report of one, and nothing else explains the task.
            child = ns.tasks[number] = self._last_attached_end
        return child

    def _same_group(self, at: int, time: int | None, tid: int, tgid: int, thread: int) -> None:
        one, other = self._translate(tid, thread), self._translate(tid, tgid)
        if one in self._known and other in self._known and one != other:
            self.events.append(SameProcess(at, time, one, other))

    def take(self) -> list[Event]:
        """The events so far; the next call returns only what is new."""
        taken = self.events[:]
        self.events.clear()
        return taken


def _renamed(record: Record, tid: int) -> Record:
    """The record of a task that had no number until now."""
    if record[3]:
        return record
    if record[0] == EXEC:
        return (EXEC, record[1], record[2], tid, record[4] or tid, record[5])
    return (*record[:3], tid, *record[4:])
