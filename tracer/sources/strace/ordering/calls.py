"""Clone calls: what is known of one, and of all whose children are not announced."""

from __future__ import annotations

from collections import deque

from tracer.event import CLONE_NEWPID, CLONE_THREAD
from tracer.sources.strace.ordering.pidns import Namespace, oldest_first
from tracer.sources.strace.records import Record

MAX_COMPARED = 200
"""So many calls at once are compared with tasks that appear; no node has more, but a made-up log might."""
MAX_PASSED = 64
"""So many calls whose children did not appear so far are remembered."""


class Call:
    """A clone call from its beginning until its child is known and announced."""

    __slots__ = (
        *("at", "below", "born", "child", "child_ns", "chosen", "dead", "doubted", "either", "end", "exit_signal"),
        *("flags", "gone", "guessed", "matched", "newest", "ns", "number", "over", "passed", "real", "reuses", "seq"),
        *("settled", "taken", "tid", "time", "unsure", "untold"),
    )

    def __init__(
        self,
        seq: int,
        at: int,
        time: int | None,
        tid: int,
        ns: Namespace | None,
        below: Namespace | None,
        newest: int,
    ) -> None:
        self.seq = seq
        self.at = at
        self.end = 0
        """The line where it returned, or its caller died; 0 where that is not known."""
        self.time = time
        self.tid = tid
        self.newest = newest
        """The highest number of strace's namespace that was in use or past when the call began."""
        self.ns = ns
        """The caller's namespace; None for strace's own."""
        self.below = below
        """The one that unshare or setns has chosen for the caller's children; None: its own."""
        self.number = 0
        """What the call returned; 0 while it is open."""
        self.real = 0
        """What strace calls that, where the line says so."""
        self.child = 0
        """strace's number of the child; 0 while that is not known."""
        self.child_ns: Namespace | None = ns
        self.flags = 0
        self.exit_signal = 0
        self.matched = ""
        """Why `child` is thought to be the one; '' where the log says so."""
        self.guessed = False
        """With `matched`: the child may as well be another call's, or of another kind."""
        self.unsure = False
        """It is not known yet whether the number is one of strace's namespace."""
        self.dead = False
        """The caller was killed inside; perhaps it has created a task all the same (copy_process() was through)."""
        self.doubted = False
        """The caller was killed, and nothing is told of it after this: what stands as the result may be another's."""
        self.untold = False
        """`dead` in so far as it will never say whom it created; its caller lives on (`untold`)."""
        self.either = False
        """With `untold`: it may have made a thread as well as a process, whatever `flags` say."""
        self.chosen = 0
        """The number that the caller wants (set_tid), or -1, where 0 is the kernel's choice. It is in no order."""
        self.settled = False
        """Nothing more will be known: `child` is right, or 0 for a call that created nothing that is traced."""
        self.passed = False
        """Reading has gone on without the child; it is announced when it shows itself."""
        self.over = 0
        """The line of the caller's next execve, which ended the thread that the call made, if it made one."""
        self.gone = 0
        """A call of a dead task that makes a thread: the line before which the end of each such thread was told."""
        self.reuses = False
        """The number's last owner ended while the call was open."""
        self.taken = False
        """Some task had the number when the call returned, as far as was known."""
        self.born = False
        """The child's Clone event is out."""

    def settle(self, child: int, matched: str = "") -> None:
        """The child is this one (0: none)."""
        self.settled = True
        self.child = child
        if matched and not self.matched:
            self.matched = matched
        if not child:
            return
        if self.flags & CLONE_THREAD:
            self.child_ns = self.ns
        elif self.flags & CLONE_NEWPID:
            self.child_ns = Namespace()
        else:
            self.child_ns = self.ns if self.below is None else self.below
        inside = self.child_ns
        if inside is not None and inside is not self.ns and not inside.tasks and not inside.joined:
            inside.learn(1, child, chosen=False, guessed=bool(matched))
        if self.ns is not None and self.number:
            self.ns.learn(self.number, child, bool(self.chosen), bool(matched))

    def returned(self, record: Record) -> None:
        """The CLONED record that says what it returned."""
        _, _, _, _, self.number, self.flags, self.exit_signal, self.real, self.matched, self.chosen, self.end = record
        self.guessed = bool(self.matched)

    def has_no_result(self) -> None:
        """The kernel had nothing to tell of a task that was being killed, and strace has printed what it told of
        another (creating.REFUSALS): no more is known than of a call that was cut short."""
        self.number, self.real, self.unsure = 0, 0, False


class Calls:
    """Those that still matter."""

    def __init__(self) -> None:
        self.open: dict[int, Call] = {}
        """Calls that have not returned, by caller."""
        self.unsettled: dict[int, Call] = {}
        """Calls whose child is not known, oldest first."""
        self.settled: dict[int, list[Call]] = {}
        """Calls whose child is known and not yet announced, by child."""
        self.in_use: dict[int, Call] = {}
        """Calls that returned the number of a living task, by caller."""
        self.odd: dict[int, Call] = {}
        """Calls that returned a number which was passed already, by caller, as long as that has done nothing more."""
        self.watched: dict[int, list[Call]] = {}
        """Leader -> calls of killed threads of its process that make threads: with its end or next program all end."""
        self.silent = 0
        """Calls so far that may have created a task that nothing explains: these, and those that returned a number that
        was in use."""
        self.changes = 0
        """Grows with all that can decide who created a task."""
        self._passed: deque[Call] = deque()
        """Calls that nothing waits for any more, though their children may still appear."""

    @property
    def comparable(self) -> bool:
        """They are few enough to compare each with a task that appears."""
        return len(self.unsettled) <= MAX_COMPARED

    def of(self, tid: int) -> list[Call]:
        """The task's calls whose child is not known."""
        return [call for call in self.unsettled.values() if call.tid == tid]

    def pass_by(self, call: Call) -> None:
        """Its child is not waited for."""
        self.changes += 1
        call.passed = True
        self.silent += 1
        self._passed.append(call)
        if len(self._passed) > MAX_PASSED:
            self.unsettled.pop(self._passed.popleft().seq, None)

    def settle(self, call: Call, child: int, matched: str) -> None:
        """Its child is this one (0: none)."""
        call.settle(child, matched)
        call.unsure = False
        self.changes += 1
        self.unsettled.pop(call.seq, None)
        if self.in_use.get(call.tid) is call:
            del self.in_use[call.tid]
        if child:
            self.settled.setdefault(child, []).append(call)

    def announced(self, call: Call) -> None:
        """The birth of its child is told."""
        calls = self.settled.get(call.child)
        if calls and call in calls:
            calls.remove(call)
            if not calls:
                del self.settled[call.child]


def calls_in_order(calls: list[Call]) -> list[Call]:
    """Calls in the order in which their children got their numbers, as far as these tell."""
    if any(call.ns is not calls[0].ns for call in calls):
        return sorted(calls, key=lambda call: call.seq)  # numbers of several namespaces cannot be compared
    by_number = {call.number: call for call in calls if not call.chosen}
    ordered = [by_number[number] for number in oldest_first(list(by_number))]
    for call in calls:
        if call.chosen or by_number.get(call.number) is not call:
            place = next((i for i, other in enumerate(ordered) if other.seq > call.seq), len(ordered))
            ordered.insert(place, call)
    return ordered
