"""Each form of line that strace writes, literal text in, literal events out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.sources.strace.logs import events_of, read
from tracer import replay
from tracer.event import CLONE_PARENT, CLONE_VM, Attach, Clone, Exec, Exit, SetSubreaper

if TYPE_CHECKING:
    from pathlib import Path


BODY = [
    ('{p}execve("/bin/sh", ["sh", "-c", "a b"], 0x7ffd /* 9 vars */) = 0', 100),
    ("{p}clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x7f01) = 101", 100),
    ("{p}exit_group(3) = ?", 101),
    ("{p}+++ exited with 3 +++", 101),
    ("{p}wait4(-1, [{{WIFEXITED(s) && WEXITSTATUS(s) == 3}}], 0, NULL) = 101", 100),
    ("{p}--- SIGCHLD {{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=101, si_uid=0, si_status=3}} ---", 100),
    ("{p}+++ killed by SIGKILL (core dumped) +++", 100),
]


EXPECTED = [
    "Attach(100)",
    "Exec(100, old_tid=100, filename='/bin/sh', argv=('sh', '-c', 'a b'))",
    "Clone(100, 101, flags=2097152, exit_signal=17)",
    "ExitBegin(101, code=3, group=True)",
    "Exit(101, status=768)",
    "Reap(100, 101, status=768)",
    "ChildSignal(100, 101)",
    "Exit(100, status=137)",
]


@pytest.mark.parametrize(
    "prefix",
    [
        "{t} ",
        "{t}   ",
        "[pid {t}] ",
        "[pid   {t}] ",
        "{t}<a b> ",
        "{t}<x<y> ",
        "[pid {t}<sh>] ",
        "{t} 05:17:35 ",
        "{t} 05:17:35.033443 ",
        "{t} 05:17:35.033443012 ",
        "{t} 1130322148.939977 ",
        "[pid {t}] 1130322148 ",
        "{t}      0.000101 ",
        "{t} 05:17:35.033443 (+     0.000101) ",
        "{t} [  59] ",
        "{t} [00007f12aabbccdd] ",
        "{t} 05:17:35 [ 231] [????????????????] ",
        "[pid {t}<sh>]      0.020633 [ 231] [00007f2012e09409] ",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_prefix(tmp_path: Path, prefix: str, end: str) -> None:
    log = "".join(line.format(p=prefix.format(t=tid)) + end for line, tid in BODY)
    assert events_of(tmp_path, log) == EXPECTED


def test_pasted_with_line_numbers(tmp_path: Path) -> None:
    log = "".join(f"{n:6d}\t" + line.format(p=f"{tid}  ") + "\n" for n, (line, tid) in enumerate(BODY, 1))
    assert events_of(tmp_path, log) == EXPECTED


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_pasted_from_a_terminal_that_fills_its_lines(tmp_path: Path, end: str) -> None:
    lines = [line.format(p=f"{tid} ") for line, tid in BODY]
    lines[4:5] = ["100 wait4(-1,  <unfinished ...>", lines[4].replace("wait4(-1, ", "<... wait4 resumed>")]
    assert events_of(tmp_path, "".join(f"{line:<120}{end}" for line in lines)) == EXPECTED


def test_pasted_from_a_journal(tmp_path: Path) -> None:
    log = "".join("Nov 23 06:28:32 node strace[7]: " + line.format(p=f"[pid {tid}] ") + "\n" for line, tid in BODY)
    assert events_of(tmp_path, log) == EXPECTED


def test_colours_and_durations(tmp_path: Path) -> None:
    log = "".join("\x1b[1;32m" + line.format(p=f"{tid} ") + " <0.000353>\x1b[0m\n" for line, tid in BODY[1:2])
    assert events_of(tmp_path, log) == ["Attach(100)", EXPECTED[2]]


def test_a_last_line_without_newline_may_be_cut_in_its_number(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('100 execve("/bin/sh", ["sh"], 0x1 /* 1 var */) = 0\n100 fork() = 10')
    events, stats = read(path)
    assert [type(e) for e in events][1:] == [Exec]
    assert stats.unreadable == 1


@pytest.mark.parametrize(
    "begun",
    [
        "wait4(-1, ",
        "clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=27, tv_nsec=0}, ",
        "pause(",
        'execve("/bin/sh", ["sh"], 0x1 /* 1 var */',
    ],
)
def test_a_call_that_lasts_where_the_log_was_copied_is_no_unreadable_line(tmp_path: Path, begun: str) -> None:
    path = tmp_path / "log"
    path.write_text(f"100 fork() = 101\n101 {begun}")
    events, stats = read(path)
    assert [type(e) for e in events] == [Attach, Clone]
    assert stats.unreadable == 0


def test_a_flag_that_is_being_set_where_the_log_was_copied(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("100 fork() = 101\n100 prctl(PR_SET_CHILD_SUBREAPER, 1")
    event = read(path)[0][-1]
    assert isinstance(event, SetSubreaper)
    assert not event.sure


def test_a_thread_has_taken_over_though_its_execve_never_returns(tmp_path: Path) -> None:
    """As strace 6.1 writes it under --seccomp-bpf, now and then."""
    log = (
        '100 execve("./a", ["a"], 0x7 /* 1 var */) = 0\n'
        "100 clone(child_stack=0x1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 101\n"
        '101 execve("./b", ["b"], 0x7 /* 1 var */ <unfinished ...>\n'
        "100 +++ superseded by execve in pid 101 +++\n"
    )
    assert events_of(tmp_path, log)[-1] == "Exec(100, old_tid=101, filename='./b', argv=('b',))"


EXECS = {
    "with all lines": (
        '101 execve("/bin/b", ["b"], 0x7 /* 0 vars */ <pid changed to 100 ...>\n'
        "100 +++ superseded by execve in pid 101 +++\n100 <... execve resumed>) = 0\n"
    ),
    "strace 6": (
        '100 pause( <unfinished ...>\n101 execve("/bin/b", ["b"], 0x7 /* 0 vars */ <unfinished ...>\n'
        "100 <... pause resumed>) = ?\n"
        "100 +++ superseded by execve in pid 101 +++\n100 <... execve resumed>) = 0\n"
    ),
    "-qqq": '101 execve("/bin/b", ["b"], 0x7 /* 0 vars */ <unfinished ...>\n100 <... execve resumed>) = 0\n',
}


@pytest.mark.parametrize("log", EXECS.values(), ids=EXECS.keys())
def test_exec_by_a_thread(tmp_path: Path, log: str) -> None:
    start = "100 clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0, stack=0x7f} => {parent_tid=[101]}, 88) = 101\n"
    assert events_of(tmp_path, start + log) == [
        "Attach(100)",
        "Clone(100, 101, flags=65792)",
        "Exec(100, old_tid=101, filename='/bin/b', argv=('b',))",
    ]


@pytest.mark.parametrize(
    "line",
    [
        'execve("/x", ["x"], 0x7 /* 0 vars */) = -1 ENOENT (No such file or directory)',
        "clone(child_stack=NULL, flags=SIGCHLD) = ? ERESTARTNOINTR (To be restarted)",
        "fork() = -1 EAGAIN (Resource temporarily unavailable)",
        "clone(child_stack=NULL, flags=SIGCHLD) = 7 (INJECTED)",
        "prctl(PR_SET_CHILD_SUBREAPER, 1) = -1 EINVAL (Invalid argument)",
        "prctl(PR_SET_CHILD_SUBREAPER, 1) = -1 EPERM (Operation not permitted)",
        "prctl(PR_SET_CHILD_SUBREAPER, 1) = -1 (errno 22)",
        "prctl(PR_SET_CHILD_SUBREAPER, 1) = -1 ENOENT (No such file or directory) (INJECTED)",
        "prctl(PR_GET_PDEATHSIG, [0]) = 0",
        "wait4(-1, 0x7ffe, WNOHANG, NULL) = 0",
        "wait4(-1, [{WIFSTOPPED(s) && WSTOPSIG(s) == SIGTRAP}], WUNTRACED, NULL) = 7",
        "waitid(P_ALL, 0, {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=7, si_status=0}, WNOWAIT|WEXITED, NULL) = 0",
        "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_STOPPED, si_pid=7, si_uid=0, si_status=SIGSTOP} ---",
        "--- SIGCHLD {si_signo=SIGCHLD, si_code=SI_USER, si_pid=7, si_uid=0} ---",
        "unshare(CLONE_NEWNS) = 0",
        "????(",
    ],
)
def test_what_changes_nothing(tmp_path: Path, line: str) -> None:
    log = f"100 {line}\n100 exit(0 <unfinished ...>\n"
    assert events_of(tmp_path, log) == ["Attach(100)", "ExitBegin(100)"]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("prctl(PR_SET_CHILD_SUBREAPER, 1) = 0", "SetSubreaper(100, on=True, returned=True)"),
        ("prctl(0x24, 0x1) = 0", "SetSubreaper(100, on=True, returned=True)"),
        ("prctl(0x24 /* PR_SET_CHILD_SUBREAPER */, 0x1) = 0 <0.0001>", "SetSubreaper(100, on=True, returned=True)"),
        ("prctl(PR_SET_PDEATHSIG, SIGKILL) = 0", "SetPdeathsig(100, signal=9)"),
        ('prctl(PR_SET_NAME, "runc:[0:PARENT]"...) = 0', "Rename(100, comm='runc:[0:PARENT]')"),
        ("unshare(CLONE_NEWNS|CLONE_NEWPID) = 0", "NewPidNs(100)"),
        ("setns(3<pid:[4026532300]>, 0) = 0", "JoinPidNs(100, ns_id=4026532300)"),
        ("setns(5, CLONE_NEWPID) = 0", "JoinPidNs(100)"),
        ('execveat(3</bin/x>, "", ["y"], 0x7 /* 0 vars */, AT_EMPTY_PATH) = 0',
         "Exec(100, old_tid=100, filename='/bin/x', argv=('y',))"),
        ('execve("/a", ["\\303\\251\\n\\x41\\"", "x"..., ...], 0x7 /* 0 vars */) = 0',
         "Exec(100, old_tid=100, filename='/a', argv=('é\\nA\"', 'x'), argv_cut=True)"),
        ('execve("/a", ["<unfinished ...>", ") = -1", "resumed>"], ["E=]"]) = 0',
         "Exec(100, old_tid=100, filename='/a', argv=('<unfinished ...>', ') = -1', 'resumed>'))"),
        ("wait4(-1, NULL, 0, NULL) = 101<sh>", "Reap(100, 101, status=None)".replace(", status=None", "")),
        ("waitid(P_PID, 9, {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=9, si_status=SIGKILL}, WEXITED, NULL) = 0",
         "Reap(100, 9, status=9)"),
        ("vfork() = 101", "Clone(100, 101, flags=16640, exit_signal=17)"),
        ("clone(child_stack=0x1, flags=0x1200000|17) = 101", "Clone(100, 101, flags=18874368, exit_signal=17)"),
        ("clone(child_stack=NULL, flags=SIGCHLD) = 2 /* 101 in strace's PID NS */",
         "Clone(100, 101, exit_signal=17, ns_child=2)"),
    ],
)  # fmt: skip
def test_calls(tmp_path: Path, line: str, event: str) -> None:
    assert event in events_of(tmp_path, f"100 exit(0 <unfinished ...>\n100 {line}\n")


def test_resumed_without_start(tmp_path: Path) -> None:
    log = "100 <... clone resumed>, tls=0x7f) = 101\n101 <... execve resumed>) = 0\n"
    got = events_of(tmp_path, log)
    assert got[0] == "Attach(100)"
    assert got[1].startswith("Clone(100, 101, flags=65536, matched='the beginning of the call")
    assert got[2] == "Exec(101, old_tid=101, argv_cut=True)"


def test_killed_inside_clone_by_an_exec(tmp_path: Path) -> None:
    """de_thread() kills the leader inside its call; the flags of the call are on its first line."""
    log = (
        "5 clone(child_stack=0x7f1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 6\n"
        "5 clone3({flags=CLONE_PARENT, exit_signal=SIGCHLD, stack=NULL, stack_size=0}, 88 <unfinished ...>\n"
        '6 execve("/bin/t", ["t"], 0x7ff /* 1 var */ <unfinished ...>\n'
        "5 <... clone3 resumed>) = ?\n5 +++ superseded by execve in pid 6 +++\n5 <... execve resumed>) = 0\n"
        "7 exit_group(0) = ?\n"
    )
    got = [event for event in events_of(tmp_path, log) if event.startswith("Clone(5, 7")]
    assert len(got) == 1
    assert "flags=32768" in got[0]
    assert "ended inside" in got[0]


@pytest.mark.parametrize(("flags", "parent"), [("SIGCHLD", 5), ("CLONE_PARENT|SIGCHLD", 4)])
def test_a_thread_that_an_exec_killed_inside_clone(tmp_path: Path, flags: str, parent: int) -> None:
    """Its call has no second line, and its child shows when the thread is long gone: the leader's child by now."""
    path = tmp_path / "log"
    path.write_text(
        "4 fork() = 5\n"
        "5 clone(child_stack=0x7f1, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 6\n"
        f"6 clone(child_stack=NULL, flags={flags} <unfinished ...>\n"
        '5 execve("/bin/t", ["t"], 0x7ff /* 1 var */ <unfinished ...>\n'
        "6 +++ exited with 0 +++\n5 <... execve resumed>) = 0\n"
        "7 prctl(PR_SET_PDEATHSIG, SIGTERM) = 0\n"
    )
    graph = replay(str(path))
    assert sorted(p.tgid for p in graph.live()) == [4, 5, 7]
    child = graph.find(7)[0]
    assert (child.parent and child.parent.tgid, str(child.evidence)) == (parent, "inferred")


def test_killed_inside_clone(tmp_path: Path) -> None:
    log = "100 fork( <unfinished ...>\n101 exit(0) = ?\n100 <... fork resumed>) = ?\n100 +++ killed by SIGKILL +++\n"
    why = "the creator ended inside the call; this is the only new task since it began"
    assert events_of(tmp_path, log)[1] == f"Clone(100, 101, exit_signal=17, matched={why!r})"


def test_killed_inside_prctl(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("100 prctl(PR_SET_CHILD_SUBREAPER, 1 <unfinished ...>\n100 +++ killed by SIGKILL +++\n")
    event = read(path)[0][1]
    assert isinstance(event, SetSubreaper)
    assert event.on
    assert not event.sure


@pytest.mark.parametrize(
    "anothers", ["57", "-1 ENOENT (No such file or directory)", "-1 (errno 2)", "? ERESTARTSYS (To be restarted)"]
)
def test_what_prctl_cannot_return_is_the_result_of_another(tmp_path: Path, anothers: str) -> None:
    """Its task was killed on the way out: the call was carried out."""
    log = f"100 prctl(PR_SET_CHILD_SUBREAPER, 1) = {anothers}\n100 +++ killed by SIGKILL +++\n"
    assert "SetSubreaper(100, on=True, returned=True)" in events_of(tmp_path, log)
    log = log.replace(", 1)", ", 1 <unfinished ...>\n100 <... prctl resumed>)")
    assert "SetSubreaper(100, on=True, returned=True)" in events_of(tmp_path, log)


def test_times(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("100 23:59:59.5 exit(0 <unfinished ...>\n100 00:00:01.25 +++ exited with 0 +++\n")
    times = [event.time for event in read(path)[0]]
    assert times[-1] is not None
    assert times[1] is not None
    assert times[-1] - times[1] == 1_750_000_000
    path.write_text(
        "100      0.000000 exit(0 <unfinished ...>\n100 1.5 x() = 0\n100      2.500000 +++ exited with 0 +++\n"
    )
    assert read(path)[0][-1].time == 4_000_000_000


def test_place_is_where_the_call_began(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        "100 fork( <unfinished ...>\n101 exit(0) = ?\n101 +++ exited with 0 +++\n100 <... fork resumed>) = 101\n"
    )
    events = read(path)[0]
    assert [(type(e), e.at) for e in events if isinstance(e, Clone | Exit)] == [(Clone, 1), (Exit, 3)]


def test_a_wait_and_a_signal_tell_of_an_end_whose_line_is_lost(tmp_path: Path) -> None:
    """strace -z can break lines."""
    log = (
        "100 fork() = 101\n100 fork() = 102\n102 +++ exited with 0 +++\n100 wait4(102, NULL, 0, NULL) = 102\n"
        "101 fork() = 103\n103 ???(101 +++ exited with 0 +++\n100 wait4(101, NULL, 0, NULL) = 101\n"
        "100 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=101, si_uid=0, si_status=0} ---\n"
        '103 execve("/a", ["a"], 0x1) = 0\n'
    )
    got = events_of(tmp_path, log)
    assert [e for e in got if e.startswith(("Exit(101", "Reap(100, 101"))] == ["Exit(101)", "Reap(100, 101)"]


@pytest.mark.parametrize(("name", "flag"), [("CLONE_PARENT", CLONE_PARENT), ("CLONE_PARENT_SETTID", 0x100000)])
def test_output_that_is_written_behind_a_flag(tmp_path: Path, name: str, flag: int) -> None:
    """The tracee writes `working` while strace is in the middle of the line (2>&1)."""
    path = tmp_path / "log"
    path.write_text(
        "strace: Process 8 attached\n[pid     7] fork()               = 8\n"
        f"[pid     8] clone(child_stack=0x7f1, flags=CLONE_VM|{name}workingstrace: Process 9 attached\n"
        " <unfinished ...>\n[pid     7] getpid() = 7\n[pid     8] <... clone resumed>)  = 9\n"
    )
    births = [event for event in read(path)[0] if isinstance(event, Clone)]
    assert [(birth.child, birth.flags) for birth in births] == [(8, 0), (9, CLONE_VM | flag)]
