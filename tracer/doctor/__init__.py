"""What works on this machine, for this user, and what mends what does not.

Each check runs in a child process with a time limit, so that whatever it meets (a hanging mount, a crashing library)
becomes a line of the answer. Files are read below a root, for the tests' sake; nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

from tracer.doctor import live, present, replay, runtimes, trial
from tracer.doctor.ask import NoAnswer, in_child
from tracer.doctor.machine import Machine
from tracer.doctor.report import Check, Purpose, Section, Status

TIMEOUT = 30.0
"""Seconds for one check; those that start programs have shorter limits of their own."""


class Task(NamedTuple):
    """A check to be made, and what its line is called if it cannot be."""

    name: str
    title: str
    look: Callable[[], Check | list[Check]]


def examine(
    purposes: Sequence[Purpose], machine: Machine, *, loader: trial.Choice = "auto", ascii_only: bool = False
) -> Iterator[Section]:
    """One section after the other, each as soon as it is known. `ascii_only`: the screen was found to be so."""
    for purpose in purposes:
        if purpose is Purpose.REPLAY:
            yield Section(purpose, made(replay_tasks(machine, ascii_only)))
        elif purpose is Purpose.TREE:
            yield Section(purpose, made(tree_tasks(machine)))
        else:
            trials = trial.attempts(loader) if live.may_try(machine) else []
            works = [attempt.loader for attempt in trials if attempt.works]
            checks = made(live_tasks(machine, works))
            yield Section(purpose, [*checks, *live.probes(machine, trials)], trials)


def replay_tasks(machine: Machine, ascii_only: bool) -> list[Task]:
    """What reading logs, and making them, needs."""
    return [
        Task("python", "Python", partial(replay.python, machine)),
        Task("packages", "packages", partial(replay.packages, machine)),
        Task("hyperscan", "hyperscan", partial(replay.hyperscan, machine)),
        Task("terminal", "terminal", partial(replay.terminal, machine, ascii_only=ascii_only)),
        Task("strace", "strace", partial(replay.strace, machine)),
    ]


def tree_tasks(machine: Machine) -> list[Task]:
    """What a look at the present needs."""
    return [
        Task("proc", "/proc", partial(present.proc, machine)),
        Task("pid-namespace", "pid namespace", partial(present.namespace, machine)),
        Task("read-all", "rights", partial(present.root, machine)),
        Task("cgroup", "cgroups", partial(present.cgroups, machine)),
        Task("systemd", "systemd", partial(present.systemd, machine)),
        Task("runtimes", "runtimes", partial(runtimes.runtimes, machine)),
    ]


def live_tasks(machine: Machine, works: Sequence[str]) -> list[Task]:
    """What watching needs; `works`: the loaders that were tried and work."""
    return [
        Task("capabilities", "rights", partial(live.rights, machine)),
        Task("live-pid-namespace", "pid namespace", partial(live.namespace, machine)),
        Task("kernel", "kernel", partial(live.kernel, machine, works=bool(works))),
        Task("lockdown", "lockdown", partial(live.lockdown, machine)),
        Task("btf", "BTF", partial(live.btf, machine)),
        Task("memlock", "memlock", partial(live.memlock, machine)),
        Task("tracefs", "tracefs", partial(live.tracefs, machine)),
        Task("core", "CO-RE, libbpf", partial(live.core, machine, works)),
        Task("bcc", "bcc", partial(live.bcc, machine, works)),
        Task("headers", "kernel headers", partial(live.headers, machine, works)),
    ]


def made(tasks: Sequence[Task]) -> list[Check]:
    """The checks, in order. One that fails becomes a check that says so."""
    found: list[Check] = []
    for task in tasks:
        try:
            found += [_check(fields) for fields in in_child(partial(_fields, task), TIMEOUT)]
        except (NoAnswer, OSError) as error:
            found.append(Check(task.name, task.title, Status.UNKNOWN, f"could not be checked: {error}"))
    return found


def _fields(task: Task) -> list[dict[str, Any]]:
    checks = task.look()
    return [asdict(check) for check in (checks if isinstance(checks, list) else [checks])]


def _check(fields: dict[str, Any]) -> Check:
    commands = tuple((what, command) for what, command in fields.pop("commands"))
    return Check(**{**fields, "status": Status(fields["status"])}, commands=commands)
