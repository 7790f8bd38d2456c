"""Could the tree be another one? `python -m tests.fuzz.alternatives CASE...` asks that of a kept case's log.

A caller that is killed inside clone does not say whom it created. Of every task that no call returned, each such call
may be the creator: all ways to give the tasks to the calls are forced forward (`forward`). What the log refutes is left
out, and so is what needs the counter of numbers to be set back once more than the rest of the log does
(idr_alloc_cyclic() in alloc_pid(); a write to ns_last_pid is in no log). Where more than one parent is left, no reader
can tell; where one is left, ctrace should have known. Only complete logs, and nothing of tracer.reconstruct or of the
reader's births: a judge must not ask the accused.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tracer
from tracer.event import CLONE_THREAD

from . import facts
from .facts import DOUBTFUL, NEVER, OPEN, Call, Log, Task
from .forward import Forward, Proc, Refuted
from .judge import Problem, Verdict
from .truth import Truth

MAX_WAYS = 3000
"""So many ways are tried; of more, as many at random."""
MAX_RUNS = 10_000
"""So many outcomes of all these ways."""
GONE, THREAD = "gone", "a thread"
DECIDABLE, UNDECIDABLE, MISJUDGED = "decidable", "undecidable", "misjudged"
Way = dict[Call, Task]
Answer = int | str
"""A parent's number, GONE, or THREAD."""


@dataclass(slots=True)
class Found:
    """What the log allows for one process."""

    pid: int
    true: Answer
    answers: dict[Answer, Call | None] = field(default_factory=dict)
    """Each possible answer, with the creator in one way that leads there."""
    rare: dict[Answer, Call | None] = field(default_factory=dict)
    """Those that need one more write to ns_last_pid."""
    killed: bool = False
    """Some call of the log did not say whom it created."""
    tried: int = 0
    refuted: list[str] = field(default_factory=list)
    """Which ways were refuted, and why."""

    @property
    def verdict(self) -> str:
        """DECIDABLE: one answer is left. MISJUDGED: /proc's is refuted, so something here is wrong."""
        if self.true not in self.answers and self.true not in self.rare:
            return MISJUDGED
        return DECIDABLE if len({*self.answers, self.true}) == 1 else UNDECIDABLE

    def __str__(self) -> str:
        told = "; ".join(f"{answer} ({_where(call)})" for answer, call in self.answers.items())
        rare = f"; with one more write to ns_last_pid: {', '.join(map(str, self.rare))}" if self.rare else ""
        return f"{self.pid}: {self.verdict}, /proc: {self.true}, log: {told}{rare}"


def _where(call: Call | None) -> str:
    if call is None:
        return "created as the log says"
    end = "the end" if call.end == NEVER else call.end
    return f"created by {call.name} of {call.task}, {call.start} to {end}"


def unexplained(log: Log) -> dict[Task, list[Call]]:
    """The tasks that no call returned, and the calls that can have created each."""
    children = {call.child for call in log.calls}
    silent = [call for call in log.calls if call.state in (OPEN, DOUBTFUL)]
    return {t: [c for c in silent if _able(c, t)] for t in log.tasks[1:] if t not in children}


def _able(call: Call, task: Task) -> bool:
    if is_thread(task) and not call.may_make(thread=True):
        return False
    if call.start > task.first or call.task is task or (call.chosen and call.chosen != task.tid):
        return False
    if call.flags & CLONE_THREAD and call.task.death <= call.end:  # whoever killed the caller killed all threads
        return not any(act > call.end for act in task.acts)
    return True


def is_thread(task: Task) -> bool:
    """It ends like one that has called exit, and has not: another thread's exit_group or exec has killed it."""
    return task.how.startswith(b"exited") and not task.acts and task.left == NEVER


def ways(able: dict[Task, list[Call]]) -> Iterator[Way]:
    """All ways to give each task a call of its own."""
    tasks = [task for task in able if able[task]]

    def go(i: int, used: Way) -> Iterator[Way]:
        if i == len(tasks):
            yield dict(used)
            return
        for call in able[tasks[i]]:
            if call not in used:
                used[call] = tasks[i]
                yield from go(i + 1, used)
                del used[call]

    return go(0, {})


def descents(given: list[tuple[int, int, int]]) -> int:
    """How often the counter went down at least. `given`: after what, before what (in half lines), number."""
    left = sorted(given)
    count = cursor = 0
    while left:
        first_end = min(high for _, high, _ in left)
        able = [one for one in left if one[0] < first_end]
        above = [one for one in able if one[2] > cursor]
        if not above:
            count += 1
        chosen = min(above or able, key=lambda one: (one[2], one[1]))
        cursor = chosen[2]
        left.remove(chosen)
    return count


def _given(call: Call, child: Task | None) -> tuple[int, int, int]:
    number = child.tid if child is not None else call.number
    low, high = 2 * call.start, 2 * call.end + 1
    return low, (high if child is None else max(low + 1, min(high, 2 * child.first))), number


def _numbers(log: Log, way: Way) -> int:
    told = [(c, c.child) for c in log.calls if c.state == "child"]
    return descents([_given(c, t) for c, t in [*told, *way.items()] if not c.chosen])


def _outcomes(log: Log, way: Way) -> Iterator[Forward | Refuted]:
    """One for each outcome of the races of flags and deaths."""
    waiting: list[tuple[int, ...]] = [()]
    tried = 0
    while waiting and tried < 64:
        tried += 1
        given = waiting.pop()
        taken: dict[object, int] = {}

        def choose(key: object, count: int, given: tuple[int, ...] = given, taken: dict[object, int] = taken) -> int:
            if key not in taken:
                place = len(taken)
                taken[key] = given[place] if place < len(given) else 0
                if place >= len(given):
                    before = tuple(taken.values())[:-1]
                    waiting.extend((*before, other) for other in range(1, count))
            return taken[key]

        run = Forward(log, way, choose)
        try:
            run.run()
        except Refuted as reason:
            yield reason
        else:
            yield run


def _answer(run: Forward, pid: int) -> Answer:
    """Of the last one that had the number."""
    proc = run.named.get(pid, [None])[-1]
    last = next((task for task in reversed(run.log.tasks) if task.tid == pid), None)
    if last is not None and (proc is None or proc.born < last.first) and run.of[last].leader is not last:
        return THREAD if last.death == NEVER else GONE
    return GONE if proc is None or proc.reaped else _number(run, proc.parent)


def _number(run: Forward, proc: Proc | None) -> Answer:
    if proc is run.init:
        return 1
    return 0 if proc is None or proc.leader is None else proc.leader.tid


def asked_of(verdict: Verdict) -> dict[int, Problem]:
    """The differences that a parent is behind, by process: also of a zombie that somebody has reaped."""
    return {p.pid: p for p in verdict.problems if p.kind in ("parent", "unknown", "missing", "ghost")}


def judge(log: Log, truth: Truth, pids: list[int]) -> list[Found]:
    """What the log allows for these."""
    if not pids:
        return []
    if not log.tasks[0].tid:  # no line names it
        roots = [pid for pid, process in truth.processes.items() if process.ppid in truth.tracers]
        log.tasks[0].tid = roots[0] if roots else 0
    able = unexplained(log)
    found = [Found(pid, _true(truth, pid)) for pid in pids]
    all_ways = list(itertools.islice(ways(able), 100 * MAX_WAYS))
    if len(all_ways) > MAX_WAYS:
        all_ways = random.Random(0).sample(all_ways, MAX_WAYS)
    refuted: list[str] = []
    reached = list(_reached(log, all_ways, found, refuted))
    cheapest = min((cost for cost, _, _ in reached), default=0)
    for f in found:
        f.tried = len(all_ways)
        f.killed = any(able.values())
        if _judge_ghost(log, f):
            continue
        for cost, way, run in reached:
            creator = next((c for c, t in way.items() if t.tid == f.pid), None)
            answers = f.answers if cost == cheapest else f.rare
            answers.setdefault(_answer(run, f.pid), creator)
            spare = _may_be_there_unseen(run, f.pid) if f.true not in (GONE, THREAD) else None
            if spare is not None:
                answers.setdefault(f.true, spare)
        f.rare = {answer: call for answer, call in f.rare.items() if answer not in f.answers}
        f.refuted = list(dict.fromkeys(refuted))
    return found


def _reached(
    log: Log, all_ways: list[Way], found: list[Found], refuted: list[str]
) -> Iterator[tuple[int, Way, Forward]]:
    """The ways that the log does not refute, with what the counter asks for, the cheapest first. Those that need two
    more writes than these are tried only as long as /proc's answers have not been among them; and nothing more once
    each process has two answers."""
    missing = {f.pid: f.true for f in found}
    answers: dict[int, set[Answer]] = {f.pid: {f.true} for f in found}
    cheapest, runs = None, 0
    for cost, place in sorted((_numbers(log, way), place) for place, way in enumerate(all_ways)):
        if cheapest is not None and cost > cheapest + 1 and not missing:
            return
        way = all_ways[place]
        for outcome in _outcomes(log, way):
            runs += 1
            if isinstance(outcome, Refuted):
                refuted.append(", ".join(f"{call.task} created {task}" for call, task in way.items()) + f": {outcome}")
            else:
                cheapest = cost if cheapest is None else cheapest
                for pid in answers:
                    answer = _answer(outcome, pid)
                    if missing.get(pid) == answer:
                        del missing[pid]
                    if cost == cheapest:
                        answers[pid].add(answer)
                yield cost, way, outcome
            if runs == MAX_RUNS or (not missing and all(len(several) > 1 for several in answers.values())):
                return


def _may_be_there_unseen(run: Forward, pid: int) -> Call | None:
    """Who had the number is gone, if anybody had. A call that has not said whom it created, and that has nobody else's
    child, may have created one of which there is no line yet."""
    if _answer(run, pid) != GONE:
        return None
    over = max((task.death for task in run.log.lives(pid)), default=0)
    return next((call for call in run.open if call.end > over and call.may_make(thread=False)), None)


def _judge_ghost(log: Log, found: Found) -> bool:
    """A number that a killed task's call seems to have returned: may there be such a task, of which the log has no
    line? False: it is no such number."""
    call = next((c for c in log.calls if c.state == DOUBTFUL and c.number == found.pid), None)
    if call is None or found.pid in {task.tid for task in log.tasks if task.death > call.end}:
        return False
    found.answers[GONE] = call
    told = [(c, c.child) for c in log.calls if c.state == "child" and not c.chosen]
    before = descents([_given(c, t) for c, t in told])
    in_use = any(t.first <= call.start and t.death >= call.end for t in log.lives(call.number))
    if not in_use and descents([*(_given(c, t) for c, t in told), _given(call, None)]) == before:
        found.answers["there" if found.true == GONE else found.true] = call
    elif found.true != GONE:
        found.rare[found.true] = call
    return True


def _true(truth: Truth, pid: int) -> Answer:
    process = truth.processes.get(pid)
    if process is None:
        return THREAD if any(pid in other.threads for other in truth.processes.values()) else GONE
    if process.ppid == truth.keeper:
        return 1
    return 0 if process.ppid in truth.tracers else process.ppid


def main(argv: list[str] | None = None) -> int:
    """0: a reader can know nothing of what is wrong or unknown."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.alternatives", description=__doc__)
    parser.add_argument("cases", type=Path, nargs="+", help="folders that `tests.fuzz.run` has kept")
    parser.add_argument("--pids", type=int, nargs="*", default=[], help="of these, too")
    parser.add_argument("--why", action="store_true", help="also why other ways were refuted")
    arguments = parser.parse_args(argv)
    bad = 0
    for case in arguments.cases:
        for found in judge_case(case, arguments.pids):
            bad += found.verdict != UNDECIDABLE
            print(f"{case.name} {found} [{found.tried} ways]")
            for reason in found.refuted[:20] if arguments.why else ():
                print(f"    {reason}")
    return 1 if bad else 0


def judge_case(case: Path, pids: list[int]) -> list[Found]:
    """Judge what ctrace has wrong, or does not know, in a kept case; and these."""
    from . import trial

    truth = Truth.load(case / "truth.json")
    verdict = trial.judge_log(case / "log", truth, True, tracer.replay)
    return judge(facts.read(case / "log"), truth, list(dict.fromkeys([*asked_of(verdict), *pids])))


if __name__ == "__main__":
    sys.exit(main())
