"""A log that the tracees wrote into, too (`2>&1`): notices and output between any two bytes, missing prefixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.sources.strace.logs import events_of

if TYPE_CHECKING:
    from pathlib import Path


def test_first_child_names_the_parent_without_prefix(tmp_path: Path) -> None:
    log = (
        'execve("./a", ["a"], 0x7 /* 1 var */) = 0\n'
        "clone(child_stack=NULL, flags=SIGCHLDstrace: Process 101 attached\n"
        ", child_tidptr=0x7f) = 101\n"
        "[pid   100] wait4(-1,  <unfinished ...>\n"
        "[pid   101] exit_group(0) = ?\n"
        "[pid   101] +++ exited with 0 +++\n"
        "<... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 101\n"
        "exit_group(0) = ?\n"
        "+++ exited with 0 +++\n"
    )
    assert events_of(tmp_path, log) == [
        "Attach(100)",
        "Exec(100, old_tid=100, filename='./a', argv=('a',))",
        "Clone(100, 101, exit_signal=17)",
        "ExitBegin(101, group=True)",
        "Exit(101)",
        "Reap(100, 101)",
        "ExitBegin(100, group=True)",
        "Exit(100)",
    ]


def test_an_unannounced_prefix_may_be_a_new_childs(tmp_path: Path) -> None:
    """With -q no notice announces 103, which writes before its creator's call returns, and before 100 has a prefix."""
    log = (
        'execve("./a", ["a"], 0x7 /* 1 var */) = 0\n'
        "fork() = 102\n"
        "[pid   102] vfork( <unfinished ...>\n"
        "[pid   103] exit_group(0) = ?\n"
        "[pid   100] wait4(102,  <unfinished ...>\n"
        "[pid   103] +++ exited with 0 +++\n"
        "[pid   102] <... vfork resumed>) = 103\n"
        "[pid   102] exit_group(0) = ?\n"
        "[pid   102] +++ exited with 0 +++\n"
        "<... wait4 resumed>NULL, 0, NULL) = 102\n"
    )
    assert events_of(tmp_path, log) == [
        "Attach(100)",
        "Exec(100, old_tid=100, filename='./a', argv=('a',))",
        "Clone(100, 102, exit_signal=17)",
        "Clone(102, 103, flags=16640, exit_signal=17)",
        "ExitBegin(103, group=True)",
        "Exit(103)",
        "ExitBegin(102, group=True)",
        "Exit(102)",
        "Reap(100, 102)",
    ]


def test_an_unannounced_prefix_is_the_first_tasks_where_children_are_announced(tmp_path: Path) -> None:
    log = (
        'execve("./a", ["a"], 0x7 /* 1 var */) = 0\n'
        "fork(strace: Process 102 attached\n"
        ") = 102\n"
        "[pid   102] fork( <unfinished ...>\n"
        "[pid   100] kill(100, SIGKILLstrace: Process 103 attached\n"
        ") = ?\n"
        "[pid   100] +++ killed by SIGKILL +++\n"
        "[pid   102] <... fork resumed>) = 103\n"
    )
    assert events_of(tmp_path, log)[:4] == [
        "Attach(100)",
        "Exec(100, old_tid=100, filename='./a', argv=('a',))",
        "Clone(100, 102, exit_signal=17)",
        "Clone(102, 103, exit_signal=17)",
    ]


def test_behind_output_of_the_tracee_that_has_no_newline(tmp_path: Path) -> None:
    """2>&1. What names a task that does not live is output, too."""
    log = (
        '[pid 100] execve("./a", ["a"], 0x7 /* 1 var */) = 0\n'
        "[pid 100] fork() = 101\n"
        "[pid 100] wait4(101,  <unfinished ...>\n"
        "working 50%[pid 555] +++ exited with 1 +++\n"
        "working 50%\r[pid   101] +++ killed by SIGTERM +++\n"
        "<... wait4 resumed>NULL, 0, NULL) = 101\n"
        "exit_group(0) = ?\n"
        "done+++ exited with 0 +++\n"
    )
    assert events_of(tmp_path, log)[-4:] == [
        "Exit(101, status=15)",
        "Reap(100, 101)",
        "ExitBegin(100, group=True)",
        "Exit(100)",
    ]


@pytest.mark.parametrize("output", ["50%", "working", "5 of 7 files"])
def test_a_call_of_the_only_task_behind_output_that_has_no_newline(tmp_path: Path, output: str) -> None:
    log = (
        'execve("./a", ["a"], 0x7 /* 1 var */) = 0\n'
        f"{output}prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n"
        f"{output}arch_prctl(ARCH_SET_FS, 0x7f) = 0\n"
        f"{output}clone(child_stack=NULL, flags=SIGCHLDstrace: Process 101 attached\n <unfinished ...>\n"
        "[pid   101] exit_group(0) = ?\n"
        "[pid   100] <... clone resumed>) = 101\n"
        "[pid   101] +++ exited with 0 +++\n"
        f"{output}wait4(101, NULL, 0, NULL) = 101\n"
        f"{output}vfork(strace: Process 102 attached\n) = 102\n"
        "the child calls fork()\n"
    )
    got = events_of(tmp_path, log)
    assert got[2:4] == ["SetSubreaper(100, on=True, returned=True)", "Clone(100, 101, exit_signal=17)"]
    assert got[-2:] == ["Reap(100, 101)", "Clone(100, 102, flags=16640, exit_signal=17)"]


@pytest.mark.parametrize("output", ["50%", "working", "5 of 7 files"])
def test_output_behind_what_strace_writes_when_a_call_begins(tmp_path: Path, output: str) -> None:
    log = (
        'execve("./a", ["a"], 0x7 /* 1 var */) = 0\n'
        f"prctl(PR_SET_CHILD_SUBREAPER, 1{output}) = 0\n"
        f"prctl(PR_SET_CHILD_SUBREAPER, 0{output}) = 0\n"
        f"prctl(PR_SET_PDEATHSIG, SIGKILL{output}) = 0\n"
        f"unshare(CLONE_NEWPID{output}) = 0\n"
        f"setns(3, CLONE_NEWPID{output}) = 0\n"
        f"clone(child_stack=NULL, flags=CLONE_PARENT|SIGCHLD{output}) = 101\n"
        f"clone(child_stack=NULL, flags=0{output}) = 102\n"
        f"exit_group(0{output}) = ?\n"
    )
    told = [event for event in events_of(tmp_path, log) if not event.startswith("SubreaperSettled")]
    assert told[2:] == [
        "SetSubreaper(0, on=True, returned=True)",
        "SetSubreaper(0, returned=True)",
        "SetPdeathsig(0, signal=9)",
        "NewPidNs(0)",
        "JoinPidNs(0)",
        "Clone(0, 101, flags=32768, exit_signal=17)",
        "Clone(0, 102)",
        "ExitBegin(0, group=True)",
    ]


@pytest.mark.parametrize("output", ["", "working"])
def test_output_before_a_notice_and_the_line_after_it(tmp_path: Path, output: str) -> None:
    """Also twice in a row."""
    log = (
        '[pid   100] execve("/a", ["a"], 0x1) = 0\n[pid   100] fork() = 101\n[pid   101] fork( <unfinished ...>\n'
        f"workingstrace: Process 102 attached\n{output}[pid   101] <... fork resumed>) = 102\n"
        "[pid   102] exit_group(0) = ?\n"
    )
    assert events_of(tmp_path, log)[-2:] == ["Clone(101, 102, exit_signal=17)", "ExitBegin(102, group=True)"]


def test_the_first_prefix_of_the_first_task_behind_output(tmp_path: Path) -> None:
    """No line has named it so far; whoever else is named was announced."""
    log = (
        'execve("./a", ["a"], 0x7 /* 1 var */) = 0\n'
        "fork(strace: Process 101 attached\n"
        ") = 101\n"
        "working 50%[pid   100] prctl(PR_SET_CHILD_SUBREAPER, 1) = 0\n"
        "[pid   101] exit_group(0) = ?\n"
    )
    assert events_of(tmp_path, log)[-3:] == [
        "Clone(100, 101, exit_signal=17)",
        "SetSubreaper(100, on=True, returned=True)",
        "ExitBegin(101, group=True)",
    ]


SPLICED = {
    "unfinished": (
        "[pid 100] clone(child_stack=NULL, flags=CLONE_VFORK|SIGCHLDstrace: Process 103 attached\n"
        " <unfinished ...>\n[pid 103] exit_group(0) = ?\n[pid 100] <... clone resumed>, parent_tid=[8]) = 103\n"
    ),
    "in a word": (
        "[pid 100] clone(child_stack=NULL, flags=CLONE_VFstrace: Process 103 attached\n"
        "ORK|SIGCHLD) = 103\n[pid 103] exit_group(0) = ?\n"
    ),
    "before the bracket": (
        "[pid 100] clostrace: Process 103 attached\n"
        "ne(child_stack=NULL, flags=CLONE_VFORK|SIGCHLD) = 103\n[pid 103] exit_group(0) = ?\n"
    ),
    "old words": (
        "[pid 100] clone(child_stack=NULL, flags=CLONE_VFORK|SIGCHLDProcess 103 attached\n"
        ") = 103\n[pid 103] exit_group(0) = ?\n"
    ),
    "output of the tracee": (
        "[pid 100] clone(child_stack=NULL, flags=CLONE_VFORK|SIGCHLD hello\n"
        ", child_tidptr=0x7f) = 103\n[pid 103] exit_group(0) = ?\n"
    ),
    "wrapped": (
        "[pid 100] clone(child_stack=NULL, flags=CLONE_VFORK|SIG\nCHLD, child_tid\nptr=0x7f) = 103\n"
        "[pid 103] exit_group(0) = ?\n"
    ),
    "child first": (
        "[pid 100] clone(child_stack=NULL, flags=CLONE_VFORK|SIGCHLD <unfinished ...>\n[pid 103] exit_group(0) = ?\n"
        "[pid 100] <... clone resumed> ) = 103\n"
    ),
    "notice first": (
        "[pid 100] clone(child_stack=NULL, flags=CLONE_VFORK|SIGCHLD <unfinished ...>\nstrace: Process 103 attached\n"
        "[pid 103] exit_group(0) = ?\n[pid 100] <... clone resumed>) = 103\n"
    ),
    "notice last": (
        "[pid 100] clone(child_stack=NULL, flags=CLONE_VFORK|SIGCHLD) = 103\nstrace: Process 103 attached\n"
        "[pid 103] exit_group(0) = ?\n"
    ),
}


@pytest.mark.parametrize("log", SPLICED.values(), ids=SPLICED.keys())
def test_lines_that_others_wrote_into(tmp_path: Path, log: str) -> None:
    start = "strace: Process 100 attached with 2 threads\n[pid 99] exit(0) = ?\n"
    got = events_of(tmp_path, start + log)
    assert got == [
        "Attach(100, noticed=True, threads=2)",
        "Attach(99)",
        "ExitBegin(99)",
        "Clone(100, 103, flags=16384, exit_signal=17)",
        "ExitBegin(103, group=True)",
    ]


def test_attach_lines_swapped_between_two_calls(tmp_path: Path) -> None:
    log = (
        "[pid 100] clone(flags=SIGCHLD <unfinished ...>\n"
        "[pid 200] clone(flags=SIGCHLDstrace: Process 301 attached\n"
        " <unfinished ...>\n"
        "[pid 100] <... clone resumed>) = 301\n"
        "strace: Process 302 attached\n"
        "[pid 200] <... clone resumed>) = 302\n"
    )
    assert [e for e in events_of(tmp_path, log) if e.startswith("Clone")] == [
        "Clone(100, 301, exit_signal=17)",
        "Clone(200, 302, exit_signal=17)",
    ]
