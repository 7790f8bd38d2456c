"""Forms of lines that only some versions of strace write, literal; each is named by the version it was seen with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.sources.strace.logs import events_of, read
from tracer.event import Clone, Reap
from tracer.sources.strace.lines.style import find_style

if TYPE_CHECKING:
    from pathlib import Path

NAMED_ARGUMENTS = [
    ('execve(pathname="/bin/sh", argv=["sh", "-c"], envp=0x7ffd /* 9 vars */) = 0',
     "Exec(100, old_tid=100, filename='/bin/sh', argv=('sh', '-c'))"),
    ('execveat(dirfd=3</bin/x>, pathname="", argv=["y"], envp=0x7 /* 0 vars */, flags=AT_EMPTY_PATH) = 0',
     "Exec(100, old_tid=100, filename='/bin/x', argv=('y',))"),
    ("exit_group(status=4) = ?", "ExitBegin(100, code=4, group=True)"),
    ("exit(status=-1) = ?", "ExitBegin(100, code=255)"),
    ("wait4(pid=-1, status=[{WIFEXITED(s) && WEXITSTATUS(s) == 3}], options=WNOHANG, usage=NULL) = 101",
     "Reap(100, 101, status=768)"),
    ("<... wait4 resumed>, status=NULL, options=0x1 /* WNOHANG */, usage=NULL) = 101", "Reap(100, 101)"),
    ("<... wait4 resumed>, status=NULL, options=0, usage=NULL) = 101", "Reap(100, 101)"),
    ("waitid(idtype=P_ALL, id=0, siginfo={si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=9, si_uid=0, si_status=4}, "
     "options=WEXITED, usage=NULL) = 0", "Reap(100, 9, status=1024)"),
    ("prctl(op=PR_SET_CHILD_SUBREAPER, set=1) = 0", "SetSubreaper(100, on=True, returned=True)"),
    ("prctl(op=0x24 /* PR_SET_CHILD_SUBREAPER */, set=1) = 0", "SetSubreaper(100, on=True, returned=True)"),
    ("prctl(op=PR_SET_PDEATHSIG, sig=SIGTERM) = 0", "SetPdeathsig(100, signal=15)"),
    ('prctl(op=PR_SET_NAME, name="na(me<") = 0', "Rename(100, comm='na(me<')"),
    ("unshare(flags=CLONE_NEWPID) = 0", "NewPidNs(100)"),
    ("setns(fd=3, nstype=CLONE_NEWPID) = 0", "JoinPidNs(100)"),
    ("tgkill(tgid=99, tid=100, sig=SIGURG) = 0", "SameProcess(100, other=99)"),
    ("clone(child_stack=NULL, flags=CLONE_VFORK|SIGCHLD, child_tidptr=0x7faa10) = 101",
     "Clone(100, 101, flags=16384, exit_signal=17)"),
    ("clone3(cl_args={flags=CLONE_PARENT, exit_signal=SIGCHLD, stack=NULL, stack_size=0}, size=88) = 101",
     "Clone(100, 101, flags=32768, exit_signal=17)"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "event"), NAMED_ARGUMENTS)
def test_names_of_arguments(tmp_path: Path, line: str, event: str) -> None:
    """-N: strace 6.16 and later."""
    assert event in events_of(tmp_path, f"99 pause( <unfinished ...>\n100 {line}\n")


def test_a_wait_that_leaves_a_zombie_with_names_of_arguments(tmp_path: Path) -> None:
    """-N: strace 6.16 and later."""
    info = "{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=9, si_uid=0, si_status=4}"
    for options in ("WNOWAIT|WEXITED", "0x1000004", "0x1000004 /* WNOWAIT|WEXITED */"):
        line = f"100 waitid(idtype=0, id=0, siginfo={info}, options={options}, usage=NULL) = 0\n"
        assert not any(event.startswith("Reap") for event in events_of(tmp_path, line))


COLOURED = (
    '100   \x1b[33mexecve\x1b[0m(\x1b[35m"/bin/sh"\x1b[0m, \x1b[35m[\x1b[0m\x1b[35m"sh"\x1b[0m]\x1b[35m\x1b[0m, '
    "\x1b[35m0x7fff5ad488c0\x1b[36m /* 35 vars\x1b[36m */\x1b[35m\x1b[0m\x1b[0m)\x1b[0m \x1b[0m=\x1b[0m\x1b[0m "
    "\x1b[32m0\x1b[0m\x1b[0m\n"
    "100   \x1b[33mclone\x1b[0m(\x1b[35m\x1b[39mchild_stack\x1b[0m=\x1b[35mNULL\x1b[0m, \x1b[35m\x1b[39mflags\x1b[0m="
    "\x1b[35mSIGCHLD\x1b[0m\x1b[0m)\x1b[0m \x1b[0m=\x1b[0m\x1b[0m \x1b[32m101\x1b[0m\x1b[0m\n"
    "101   \x1b[33mexit_group\x1b[0m(\x1b[35m3\x1b[0m)\x1b[0m \x1b[0m=\x1b[0m\x1b[0m \x1b[32m?\x1b[0m\x1b[0m\n"
    "101   +++ exited with 3 +++\x1b[0m\n"
)
COLOURED_EVENTS = [
    "Attach(100)",
    "Exec(100, old_tid=100, filename='/bin/sh', argv=('sh',))",
    "Clone(100, 101, exit_signal=17)",
    "ExitBegin(101, code=3, group=True)",
    "Exit(101, status=768)",
]


def test_colours(tmp_path: Path) -> None:
    """--color=always: strace 7.0 and later."""
    assert events_of(tmp_path, COLOURED) == COLOURED_EVENTS


def test_every_line_of_a_large_coloured_log_is_read(tmp_path: Path) -> None:
    """Lines are left out for the words that they lack, and colours break the words."""
    assert find_style(COLOURED.encode()).every_line
    other = '100   \x1b[33mread\x1b[0m(\x1b[35m3\x1b[0m, \x1b[35m"%s"\x1b[0m, 900)\x1b[0m = \x1b[32m900\x1b[0m\n'
    path = tmp_path / "log"
    lines = COLOURED.splitlines(keepends=True)
    path.write_text(lines[0] + other % ("x" * 900) * 35_000 + "".join(lines[1:]))
    assert path.stat().st_size > 32 << 20
    events, stats = read(path)
    assert (len(events), stats.unreadable) == (len(COLOURED_EVENTS), 0)


@pytest.mark.parametrize(
    "context",
    ["[unconfined_t]", "[system_u:system_r:container_t:s0:c12,c40]", "[unconfined_u:unconfined_r:unconfined_t:s0-s0]"],
)
@pytest.mark.parametrize("prefix", ["{t}  {c} ", "[pid {t}] {c} ", "{t} {c} 05:17:35.033443 "])
def test_security_contexts(tmp_path: Path, prefix: str, context: str) -> None:
    """--secontext: strace 5.12 and later; a task that is gone has none."""
    with_context, without = (prefix.format(t=100, c=c).replace("  ", " ") for c in (context, ""))
    log = f"{with_context}clone(child_stack=NULL, flags=SIGCHLD) = 101\n{without}+++ exited with 0 +++\n"
    assert events_of(tmp_path, log) == ["Attach(100)", "Clone(100, 101, exit_signal=17)", "Exit(100)"]


@pytest.mark.parametrize("name", ["strace", "/usr/bin/strace", "./strace", "../bin/strace", "/opt/x-1.0/strace-static"])
def test_notices_of_a_strace_that_was_called_by_a_path(tmp_path: Path, name: str) -> None:
    """Every version names itself as it was called (error_msg() of error_prints.c)."""
    log = (
        f"{name}: Process 100 attached\n[pid 100] clone(child_stack=NULL, flags=SIGCHLD{name}: Process 101 attached\n"
        f") = 101\n[pid 101] exit_group(4{name}: Process 102 attached\n) = ?\n"
        f"{name}: System call limit has been reached, detaching tracees\n{name}: Process 100 detached\n"
    )
    (tmp_path / "log").write_text(log)
    events, stats = read(tmp_path / "log")
    assert stats.unreadable_lines == []
    assert [type(e).__name__ for e in events] == ["Attach", "Clone", "ExitBegin", "Attach", "Detach"]


def test_the_end_of_tracing_names_the_first_task(tmp_path: Path) -> None:
    """--syscall-limit (strace 6.3) and Ctrl-C, without -o: no line before has the number."""
    log = (
        'execve("/bin/sh", ["sh"], 0x7ffd /* 9 vars */) = 0\n'
        "strace: System call limit has been reached, detaching tracees\nstrace: Process 100 detached\n"
    )
    exec_event = "Exec(100, old_tid=100, filename='/bin/sh', argv=('sh',))"
    assert events_of(tmp_path, log) == ["Attach(100)", exec_event, "Detach(100)"]


def test_namespaces_that_are_entered(tmp_path: Path) -> None:
    """-e namespace=new: strace 6.14 and later."""
    log = "100 unshare(CLONE_NEWPID) = 0 (pid:[4026531836])\n100 setns(3, CLONE_NEWPID) = 0 (pid:[4026531836])\n"
    assert events_of(tmp_path, log)[1:] == ["NewPidNs(100)", "JoinPidNs(100)"]


def test_a_number_that_is_chosen_twice_in_a_row(tmp_path: Path) -> None:
    """clone3 with set_tid: the second child's line comes before its creator's call returns."""
    path = tmp_path / "log"
    path.write_text(
        "100 clone(child_stack=NULL, flags=SIGCHLD) = 101\n101 +++ killed by SIGKILL +++\n"
        "100 wait4(101, NULL, 0, NULL) = 101\n"
        "100 clone3({flags=0, exit_signal=SIGCHLD, stack=NULL, stack_size=0, set_tid=[101], set_tid_size=1}, 88 "
        '<unfinished ...>\n101 execve("/a", ["a"], 0x7 /* 0 vars */) = 0\n100 <... clone3 resumed>) = 101\n'
    )
    events, _ = read(path)
    assert [(type(e), e.at) for e in events if isinstance(e, Clone | Reap)] == [(Clone, 1), (Reap, 3), (Clone, 4)]
