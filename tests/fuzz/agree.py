"""Two tracers, one story: the graph of a complete strace log against that of the probes, over the whole history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.explain import Step, tell
from tracer.graph import RULE_SEEN, PidNs, Process, ProcessGraph, Reparenting
from tracer.identity import Evidence
from tracer.live.journal import CREATED
from tracer.sources.detect import open_source

if TYPE_CHECKING:
    from .truth import Truth

Facts = dict[str, object]


def differences(
    log: Path, live: ProcessGraph, truth: Truth, named: Container[int]
) -> tuple[int, Counter[str], list[str]]:
    """Processes compared, differing facts by name, and each difference in words.

    A process is the n-th one with its number. Not compared is what one side says with a reason for doubt, and of what
    a pid namespace's end does only that they are dead: the init is killed or exits, kills and reaps all others, and is
    the first to end for the probes and the last for strace. What happens in between, neither sees in full. `named` are
    the numbers that occur in the log: the child of a task that was killed inside clone may show in no line.
    """
    strace, stories = tell(open_source([str(log)]), lambda _: True)
    guessed = {story.process for story in stories if any(map(_is_guessed_birth, story.steps))}
    names = {truth.keeper: 1, **dict.fromkeys(truth.tracers, 0)}
    ours = _by_number([p for p in strace.processes if p.tgid > 1])
    theirs = _by_number([p for p in live.processes if p.tgid not in names and _of_run(p, truth)])
    compared, kinds, words = 0, Counter[str](), list[str]()
    for key in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(key), theirs.get(key)
        if one is None and key[0] not in named:
            continue
        if one is None or other is None:
            kinds["only live" if one is None else "only strace"] += 1
            words.append(f"{key}: only {'live' if one is None else 'in the log'}")
            continue
        compared += 1
        left, right = _facts(one, names), _facts(other, names)
        if one in guessed:  # an adoption does not keep what was said of the birth
            left.pop("birth parent", None)
            left.pop("moves", None)
        if _namespace_ends(one, truth) or _namespace_ends(other, truth):
            left = {name: left[name] for name in ("creator", "birth parent") if name in left}
        elif left["parent"] != right["parent"] or left["parent"] in (0, 1):
            del left["state"]  # a zombie whose parent is outside is reaped there, which strace does not see
        left.pop("parent", None)
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


def _namespace_ends(process: Process, truth: Truth) -> bool:
    """The init of its pid namespace, or of one around it, has ended or is about to (zap_pid_ns_processes())."""
    ns: PidNs | None = process.ns
    while ns is not None and ns.level > 0:
        init = ns.init
        true = truth.processes.get(init.tgid) if init is not None else None
        if init is not None and (init.exited_at is not None or (true is not None and true.exiting)):
            return True
        ns = ns.parent
    return False


def _number(process: Process | None, names: dict[int, int]) -> int:
    return 0 if process is None else names.get(process.tgid, process.tgid)


def _facts(process: Process, names: dict[int, int]) -> Facts:
    facts: Facts = {"status": process.status, "state": process.state, "parent": _number(process.parent, names)}
    steps = process.reparentings or []
    if process.creator is not None:
        facts["creator"] = _number(process.creator, names)
        if not (steps and _is_doubtful(steps[0])):
            facts["birth parent"] = _number(process.birth_parent, names)
    if not any(map(_is_doubtful, steps)):
        # The keeper is a subreaper, which the log cannot know.
        moved = [(_number(s.old, names), _number(s.new, names), s.rule) for s in steps]
        facts["moves"] = [(old, new, rule if new != 1 else "") for old, new, rule in moved]
    return facts


def _is_guessed_birth(step: Step) -> bool:
    return step.kind == CREATED and step.evidence is Evidence.INFERRED


def _is_doubtful(step: Reparenting) -> bool:
    if step.rule == RULE_SEEN or step.evidence is Evidence.INFERRED:
        return True
    return step.evidence is Evidence.ASSUMED and not step.reason.startswith("no living subreaper")
