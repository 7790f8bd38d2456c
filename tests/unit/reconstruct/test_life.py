"""Short lives that are applied as one leave the state that their events leave, field by field."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tracer.graph import PidNs, Process, Task
from tracer.life import Life
from tracer.reconstruct import life
from tracer.reconstruct.clues import Hint
from tracer.reconstruct.engine import Engine
from tracer.reconstruct.state import Lacks, State
from tracer.sources.detect import open_source
from tracer.sources.strace.source import StraceSource

if TYPE_CHECKING:
    from pathlib import Path

SHELL = (
    "{p} vfork( <unfinished ...>\n"
    '{c} execve("/bin/{name}", ["{name}"], 0x55d4b0 /* 9 vars */ <unfinished ...>\n'
    "{p} <... vfork resumed>)              = {c}\n"
    "{c} <... execve resumed>)             = 0\n"
    "{p} wait4(-1,  <unfinished ...>\n"
    "{c} exit_group(0)                     = ?\n"
    "{c} +++ exited with 0 +++\n"
    "{p} <... wait4 resumed>[{{WIFEXITED(s) && WEXITSTATUS(s) == 0}}], 0, NULL) = {c}\n"
    "{p} --- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid={c}, si_uid=0, si_status=0}} ---\n"
)
FORK = (
    "{p} clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x7f01) = {c}\n"
    "{p} wait4(-1,  <unfinished ...>\n"
    "{c} exit_group(3) = ?\n"
    "{c} +++ exited with 3 +++\n"
    "{p} <... wait4 resumed>[{{WIFEXITED(s) && WEXITSTATUS(s) == 3}}], 0, NULL) = {c}\n"
)
BESIDE = FORK.replace("flags=", "flags=CLONE_PARENT|")
NOT_REAPED = "".join(line for line in SHELL.splitlines(keepends=True) if "wait4" not in line)
KILLED = (
    "{p} fork( <unfinished ...>\n"
    '{c} execve("/bin/{name}", ["x"], 0x55 /* 9 vars */) = 0\n'
    "{p} <... fork resumed>) = {c}\n"
    "{c} +++ killed by SIGTERM +++\n"
    "{p} wait4(-1, [{{WIFSIGNALED(s) && WTERMSIG(s) == SIGTERM}}], 0, NULL) = {c}\n"
)
SHAPES = (SHELL, FORK, BESIDE, NOT_REAPED, KILLED)


def _log(seed: int) -> str:
    """Two shells that start programs by turns, in stretches that are alike; numbers come back; other things between."""
    rng = random.Random(seed)
    text = '100 execve("/bin/sh", ["sh"], 0x7ffd /* 9 vars */) = 0\n100 clone(child_stack=NULL, flags=SIGCHLD) = 101\n'
    text += '101 execve("/bin/dash", ["dash"], 0x7ffd /* 9 vars */) = 0\n'
    number = 200
    for _ in range(40):
        shape, name, shell = rng.choice(SHAPES), rng.choice(["true", "ls"]), rng.choice([100, 101])
        for _ in range(rng.randrange(2, 8)):
            text += shape.format(p=shell, c=number, name=name)
            number += 1
        stray = f"{number} exit_group(0) = ?\n{number} +++ exited with 0 +++\n"  # nobody saw its birth
        text += rng.choice(
            [
                "",
                stray if seed % 4 == 0 else "",  # from then on every life goes the long way
                f"{shell} prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n",
                f'{shell} execve("/bin/bash", ["bash"], 0x7ffd /* 9 vars */) = 0\n',
                f"{shell} clone(child_stack=0x1, flags=CLONE_VM|CLONE_THREAD) = {number}\n",
                f"{shell} clone(child_stack=NULL, flags=SIGCHLD) = {number}\n{number} exit_group(0) = ?\n",
            ]
        )
        number += 1
        if rng.random() < 0.1:
            number = 400  # the number space has begun again
    return text + rng.choice(["", "101 exit_group(0) = ?\n101 +++ exited with 0 +++\n"])


def _fields(thing: Process | Task) -> dict[str, Any]:
    # Whether there has been a child is nothing that anyone asks for.
    return {name: _named(getattr(thing, name)) or None for name in type(thing).__slots__}


def _named(value: Any) -> Any:
    """Processes and tasks by their numbers, so that those of two engines can be compared."""
    if isinstance(value, Process):
        return value.uid
    if isinstance(value, Task):
        return value.tid, value.process.uid
    if isinstance(value, dict):
        return [(_named(key), _named(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [_named(item) for item in value]
    return ("namespace", value.level) if isinstance(value, PidNs) else repr(value)


def _state(engine: Engine) -> list[Any]:
    state = engine.state
    processes = [(_fields(p), _fields(p.leader)) for p in state.processes]
    rest = (state.exit_begun, state.exits_seen, [*state.early_reuse], state.serials, state.clues.found_count)
    return [*processes, {tid: _fields(task) for tid, task in state.tasks.items()}, rest]


def _source(tmp_path: Path, text: str) -> StraceSource:
    path = tmp_path / "log"
    path.write_text(text)
    source = open_source([str(path)])
    assert isinstance(source, StraceSource)
    return source


def _both(tmp_path: Path, text: str, lacks: Lacks, hints: dict[tuple[int, int], Hint]) -> int:
    """How many lives came as one."""
    source, again = (_source(tmp_path, text) for _ in range(2))  # each learns from its first reading
    plain, quick = (Engine(State(hints=hints, lacks=lacks, ptraced=True)) for _ in range(2))
    for batch in source.batches():
        plain.feed(batch)
    events = source.stats.events
    lives = 0
    for condensed in again.condensed():
        lives += sum(type(event) is Life for event in condensed)
        quick.feed(condensed)
    assert again.stats.events == events
    for one, other in zip(_state(quick), _state(plain), strict=True):
        assert one == other
    return lives


@pytest.mark.parametrize("lacks", [Lacks(), Lacks(waits=True), Lacks(ends=True)])
@pytest.mark.parametrize("seed", range(12))
def test_lives_leave_what_their_events_leave(tmp_path: Path, seed: int, lacks: Lacks) -> None:
    assert _both(tmp_path, _log(seed), lacks, {}) > 10


def test_of_a_shell_that_may_be_a_thread(tmp_path: Path) -> None:
    text = (
        '7 execve("/bin/sh", ["sh"], 0x7ffd /* 9 vars */) = 0\n9 wait4(-1, 0x1, WNOHANG, NULL) = -1 ECHILD (No child)\n'
    )
    text += "".join(SHELL.format(p=9, c=number, name="true") for number in range(20, 40))
    assert _both(tmp_path, text, Lacks(), {(2, 9): Hint(7, "ended in the exit_group of 7")}) > 10
    assert _both(tmp_path, text, Lacks(), {}) > 10


def test_most_are_made_at_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '7 execve("/bin/sh", ["sh"], 0x7ffd /* 9 vars */) = 0\n'
    text += "".join(SHELL.format(p=7, c=number, name="true") for number in range(20, 60))
    made: list[Process] = []

    new_dead = life._new_dead

    def note(*fields: Any) -> Process:
        made.append(new_dead(*fields))
        return made[-1]

    monkeypatch.setattr(life, "_new_dead", note)
    engine = Engine(State(ptraced=True))
    for condensed in _source(tmp_path, text).condensed():
        engine.feed(condensed)
    assert len(engine.state.processes) == 41
    assert set(made) < set(engine.state.processes)
    assert len(made) > 35
