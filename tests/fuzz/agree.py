"""Two tracers, one story: the graph of a complete strace log against that of the probes, over the whole history."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tracer.graph import RULE_SEEN, Process, ProcessGraph

if TYPE_CHECKING:
    from .truth import Truth

Facts = dict[str, object]


def differences(strace: ProcessGraph, live: ProcessGraph, truth: Truth) -> tuple[int, Counter[str], list[str]]:
    """Processes compared, differing facts by name, and each difference in words.

    A process is the n-th one with its number. What one side says with a reason for doubt is not compared.
    """
    names = {truth.keeper: 1, **dict.fromkeys(truth.tracers, 0)}
    ours = _by_number([p for p in strace.processes if p.tgid > 1])
    theirs = _by_number([p for p in live.processes if p.tgid not in names and _of_run(p, truth)])
    compared, kinds, words = 0, Counter[str](), list[str]()
    for key in ours.keys() | theirs.keys():
        one, other = ours.get(key), theirs.get(key)
        if one is None or other is None:
            kinds["only live" if one is None else "only strace"] += 1
            words.append(f"{key}: only {'live' if one is None else 'in the log'}")
            continue
        compared += 1
        left, right = _facts(one, names), _facts(other, names)
        for name in left.keys() & right.keys():
            if left[name] != right[name]:
                kinds[name] += 1
                words.append(f"{key} {name}: strace {left[name]}, live {right[name]}")
    return compared, kinds, words


def _by_number(processes: list[Process]) -> dict[tuple[int, int], Process]:
    count: Counter[int] = Counter()
    found = {}
    for process in processes:
        found[process.tgid, count[process.tgid]] = process
        count[process.tgid] += 1
    return found


def _of_run(process: Process, truth: Truth) -> bool:
    """Born below the tracer: strace's own helpers are not."""
    above = process.creator
    while above is not None:
        if above.tgid in truth.tracers:
            return process.exec_at is not None or above is not process.creator
        above = above.creator
    return False


def _number(process: Process | None, names: dict[int, int]) -> int:
    return 0 if process is None else names.get(process.tgid, process.tgid)


def _facts(process: Process, names: dict[int, int]) -> Facts:
    facts: Facts = {"status": process.status, "state": process.state}
    if process.creator is not None:
        facts["creator"] = _number(process.creator, names)
        facts["birth parent"] = _number(process.birth_parent, names)
    steps = process.reparentings or []
    if all(s.rule != RULE_SEEN for s in steps):
        # The keeper is a subreaper, which the log cannot know.
        moved = [(_number(s.old, names), _number(s.new, names), s.rule) for s in steps]
        facts["moves"] = [(old, new, rule if new != 1 else "") for old, new, rule in moved]
    return facts
