"""Logs that were written for two different trees (tests.fuzz.undecidable found them): ctrace must not claim to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tracer
from tests.fuzz import undecidable

if TYPE_CHECKING:
    from pathlib import Path

KILLED = "{}     --- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid={}, si_uid=0, si_status=SIGKILL}} ---\n"
LOGS = {
    "killed_inside": (
        '6     execve("./killed_inside", ["./killed_inside"], 0x7fffffffedb8 /* 1 var */) = 0\n'
        "6     fork()                            = 7\n"
        "7     prctl(PR_SET_CHILD_SUBREAPER, 1)  = 0\n"
        "7     fork()                            = 8\n"
        "6     fork()                            = 9\n"
        "9     prctl(PR_SET_CHILD_SUBREAPER, 1)  = 0\n"
        "9     fork()                            = 10\n"
        "10    vfork( <unfinished ...>\n"
        "8     vfork( <unfinished ...>\n"
        '11    prctl(PR_SET_NAME, "child" <unfinished ...>\n'
        '12    prctl(PR_SET_NAME, "child" <unfinished ...>\n'
        "11    <... prctl resumed>)              = 0\n"
        "12    <... prctl resumed>)              = 0\n"
        "10    <... vfork resumed>)              = ?\n"
        "8     <... vfork resumed>)              = ?\n"
        "10    +++ killed by SIGKILL +++\n"
        "8     +++ killed by SIGKILL +++\n" + KILLED.format(9, 10) + KILLED.format(7, 8),
        {11: {7, 9}, 12: {7, 9}},
    ),
    "flag_in_flight": (
        '6     execve("./flag_in_flight", ["./flag_in_flight"], 0x7fffffffed88 /* 1 var */) = 0\n'
        "6     prctl(PR_SET_CHILD_SUBREAPER, 1)  = 0\n"
        "6     fork()                            = 7\n"
        "6     fork()                            = 8\n"
        "6     fork()                            = 9\n"
        "6     fork()                            = 10\n"
        "10    fork()                            = 11\n"
        "11    fork()                            = 12\n"
        "10    prctl(PR_SET_CHILD_SUBREAPER, 1 <unfinished ...>\n"
        "11    +++ killed by SIGKILL +++\n"
        "10    <... prctl resumed>)              = 0\n" + KILLED.format(10, 11),
        {12: {6, 10}},
    ),
    "flag_and_death": (
        '6     execve("./flag_and_death", ["./flag_and_death"], 0x7fffffffed88 /* 1 var */) = 0\n'
        "6     prctl(PR_SET_CHILD_SUBREAPER, 1)  = 0\n"
        "6     fork()                            = 7\n"
        "7     fork()                            = 8\n"
        "8     fork()                            = 9\n"
        "7     clone(child_stack=0x55555556a170, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_SYSVSEM"
        "|CLONE_THREAD) = 10\n"
        "10    prctl(PR_SET_CHILD_SUBREAPER, 1)  = 0\n"
        "8     +++ killed by SIGKILL +++\n" + KILLED.format(7, 8),
        {9: {6, 7}},
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_was_seen_with_two_parents_is_not_called_known(name: str, tmp_path: Path) -> None:
    log, parents = LOGS[name]
    path = tmp_path / "log"
    path.write_text(log)
    assert undecidable.is_honest(tracer.replay(str(path)), parents)


def test_every_race_has_its_log() -> None:
    assert LOGS.keys() == undecidable.CASES.keys()


def test_a_proof_is_one_log_with_two_trees() -> None:
    case = undecidable.Case("killed_inside")
    one, other = ((1, 0), (2, 1), (3, 1)), ((1, 0), (2, 1), (3, 2))
    case.add(b"a", one)
    case.add(b"b", other)
    assert case.proof is None
    case.add(b"a", other)
    assert case.proof == (b"a", {one: 1, other: 1})
    assert undecidable.differing(case.proof[1]) == {3: {1, 2}}


@pytest.mark.skipif(bool(undecidable.cannot_run()), reason=undecidable.cannot_run() or "it can run")
@pytest.mark.parametrize("name", undecidable.CASES)
def test_a_race_runs_and_comes_to_rest(name: str, tmp_path: Path) -> None:
    program = undecidable.build(name, tmp_path)
    tree = undecidable.record(program, tmp_path / "log", 1000)
    assert tree is not None
    root = min(pid for pid, _ in tree)
    assert (tmp_path / "log").read_text().startswith(f"{root}  ")
    assert all(ppid == 0 if pid == root else ppid in dict(tree) for pid, ppid in tree)
