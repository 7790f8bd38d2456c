"""strace -z writes a call when it has succeeded: a child can speak, and end, before the call that created it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tracer
from tests.unit.sources.strace.logs import events_of, read
from tracer.sources.open import BLOCK
from tracer.sources.strace.lines.style import find_style

if TYPE_CHECKING:
    from pathlib import Path

START = '1100 execve("/bin/sh", ["sh"], 0x7ffe /* 9 vars */) = 0\n'
CLONE = "clone(child_stack=NULL, flags=SIGCHLD)"
ENDED = "--- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid={}, si_uid=0, si_status=0}} ---"


def edges(folder: Path, log: str) -> dict[int, tuple[int | None, str, str]]:
    """tgid -> (parent's tgid, evidence, state), the last process with each number."""
    path = folder / "strace.log"
    path.write_text(START + log)
    graph = tracer.replay(str(path))
    return {p.tgid: (p.parent and p.parent.tgid, str(p.evidence), str(p.state)) for p in graph.processes}


def test_a_task_that_spoke_before_its_creators_call(tmp_path: Path) -> None:
    log = (
        f"1101 set_robust_list(0x7f, 24) = 0\n1100 {CLONE} = 1101\n"
        '1101 execve("/bin/sleep", ["sleep"], 0x7 /* 9 vars */) = 0\n1101 +++ exited with 0 +++\n'
        "1100 wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 1101\n1100 +++ exited with 0 +++\n"
    )
    assert events_of(tmp_path, START + log) == [
        "Attach(1100)",
        "Exec(1100, old_tid=1100, filename='/bin/sh', argv=('sh',))",
        "Clone(1100, 1101, exit_signal=17)",
        "Exec(1101, old_tid=1101, filename='/bin/sleep', argv=('sleep',))",
        "Exit(1101)",
        "Reap(1100, 1101)",
        "Exit(1100)",
    ]


def test_and_had_children_before_it(tmp_path: Path) -> None:
    log = f'1102 prctl(PR_SET_NAME, "x") = 0\n1101 {CLONE} = 1102\n1100 {CLONE} = 1101\n1102 {CLONE} = 1103\n'
    found = edges(tmp_path, log)
    assert {tid: edge[:2] for tid, edge in found.items()} == {
        1100: (None, "unknown"),
        1101: (1100, "observed"),
        1102: (1101, "observed"),
        1103: (1102, "observed"),
    }


def test_and_had_ended_before_it(tmp_path: Path) -> None:
    log = f"1101 +++ exited with 3 +++\n1100 vfork() = 1101\n1100 {ENDED.format(1101)}\n1100 wait4(9, NULL, 0, 0) = 9\n"
    assert edges(tmp_path, log)[1101] == (1100, "observed", "zombie")


def test_a_number_whose_end_was_told_is_given_again(tmp_path: Path) -> None:
    """Who created the first one is not in the log."""
    log = (
        f"1100 {CLONE} = 1102\n"
        "1101 +++ exited with 0 +++\n1102 wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 1101\n"
        f"1100 {CLONE} = 1101\n"
    )
    assert edges(tmp_path, log)[1101] == (1100, "observed", "running")


def test_of_two_calls_the_later_one_is_told_first(tmp_path: Path) -> None:
    """A number below the last one is no sign of another pid namespace here."""
    path = tmp_path / "strace.log"
    path.write_text(
        f'5 execve("/bin/sh", ["sh"], 0x7ffe /* 9 vars */) = 0\n5 {CLONE} = 6\n6 prctl(PR_SET_NAME, "a") = 0\n'
        f'9 prctl(PR_SET_NAME, "b") = 0\n5 {CLONE} = 7\n6 {CLONE} = 9\n'
    )
    found = {p.tgid: (p.parent and p.parent.tgid, str(p.evidence)) for p in tracer.replay(str(path)).processes}
    assert (found[7], found[9]) == ((5, "observed"), (6, "observed"))


def test_who_has_no_creator_in_the_log_stays_a_stranger(tmp_path: Path) -> None:
    log = (
        f'1101 execve("/a", ["a"], 0x7 /* 9 vars */) = 0\n1101 {CLONE} = 1103\n'
        f"1100 {CLONE} = 1102\n1103 {CLONE} = 1104\n"
    )
    found = edges(tmp_path, log)
    assert found[1101] == (None, "unknown", "running")
    assert (found[1103][:2], found[1104][:2]) == ((1101, "observed"), (1103, "observed"))


def test_a_line_in_two_halves(tmp_path: Path) -> None:
    """Both are written when the call has returned; the second one names nobody."""
    log = (
        f"1100 {CLONE[:-1]} <unfinished ...>\n)                = 1101\n"
        '1101 execve("/a", ["a"], 0x7 /* 9 vars */ <unfinished ...>\n)       = 0\n'
        "1101 +++ exited with 0 +++\n"
        "1100 wait4(1101,  <unfinished ...>\n[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 1101\n"
    )
    assert events_of(tmp_path, START + log)[2:] == [
        "Clone(1100, 1101, exit_signal=17)",
        "Exec(1101, old_tid=1101, filename='/a', argv=('a',))",
        "Exit(1101)",
        "Reap(1100, 1101)",
    ]
    events, stats = read(tmp_path / "strace.log")
    assert (stats.unreadable, stats.lines) == (0, 8)
    assert [event.at for event in events] == [1, 1, 2, 4, 6, 7]


def test_halves_stay_together_where_blocks_meet(tmp_path: Path) -> None:
    path = tmp_path / "strace.log"
    count = 4000
    pad = ["x" * (i * 7919 % 61) for i in range(count)]
    lines = (
        f'1100 {CLONE[:-1]} <unfinished ...>\n) = {1200 + i}\n1100 prctl(PR_SET_NAME, "{pad[i]}") = 0\n'
        for i in range(count)
    )
    path.write_text(START + "".join(lines))
    assert path.stat().st_size > 3 * BLOCK
    events, stats = read(path)
    assert stats.unreadable == 0
    assert sum(type(event).__name__ == "Clone" for event in events) == count


@pytest.mark.parametrize(
    "line",
    [
        'execve("/b", ["b"], 0x7 /* 9 vars */) = -1 ENOENT (No such file or directory)',
        "exit_group(0) = ?",
        "wait4(-1,  <unfinished ...>",
        "<... clone resumed>) = 1101",
        "wait4(-1, NULL, 0, NULL) = ? ERESTARTSYS (To be restarted)",
    ],
)
def test_what_a_log_of_it_has_not(line: str) -> None:
    kept = START + f'1100 {CLONE} = 1101\n1101 execve("/b", ["<... clone resumed>", "= -1 E", "exit("], 0x7) = 0\n'
    assert find_style(kept.encode()).successful
    assert not find_style((kept + f"1100 {line}\n").encode()).successful


def test_a_line_behind_a_call_that_could_not_be_read(tmp_path: Path) -> None:
    """strace had not ended the line of a task that was killed."""
    path = tmp_path / "log"
    path.write_text(START + f"1100 {CLONE} = 1101\n1100 {CLONE} = 1102\n1102 ???(1101 +++ exited with 0 +++\n")
    events, stats = read(path)
    assert stats.unreadable == 0
    assert [event.tid for event in events if type(event).__name__ == "Exit"] == [1101]
