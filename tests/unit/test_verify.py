from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.render.paint import check_snapshot, painted
from tests.script import Script, pod
from tracer.errors import NotATrace, UnreadableInput
from tracer.render.comparison import comparison_lines
from tracer.sources.listing import Listing, parse_processes, read_processes
from tracer.verify import compare

REFERENCE = Path(__file__).parents[3] / "shared/cases/k8s-static-pod"


def parents(listing: Listing) -> dict[int, int | None]:
    return {pid: listed.ppid for pid, listed in listing.processes.items()}


# --- pstree, as text ---

UTF8 = """\
$ pstree -p
systemd(1)─┬─NetworkManager(25)─┬─{NetworkManager}(26)
           │                    └─{NetworkManager}(27)
           ├─agetty(30)
           ├─shim(40)─┬─nginx(41)─┬─nginx(42)
           │          │           └─nginx(43)
           │          ├─pause(44)
           │          └─{shim}(45)
           ├─sshd(50)───sshd-session(51)───bash(52)─┬─grep(53)
           │                                        └─sudo(54)───sudo(55)─+++
           └─(sd-pam)(60)───a(b)-c(61)
"""
PARENTS = {1: None, 25: 1, 30: 1, 40: 1, 41: 40, 42: 41, 43: 41, 44: 40, 50: 1, 51: 50, 52: 51, 53: 52, 54: 52}
PARENTS |= {55: 54, 60: 1, 61: 60}
TO_ASCII = [("─┬─", "-+-"), ("───", "---"), ("├─", "|-"), ("└─", "`-"), ("│", "|"), ("─", "-")]
TO_VT100 = [
    ("─┬─", "\x1b(0\x0fqwq\x1b(B"),
    ("───", "\x1b(0\x0fqqq\x1b(B"),
    ("├─", "\x1b(0\x0ftq\x1b(B"),
    ("└─", "\x1b(0\x0fmq\x1b(B"),
    ("│", "\x1b(0\x0fx\x1b(B"),
    ("─", "\x1b(0\x0fq\x1b(B"),
]


@pytest.mark.parametrize("replacements", [[], TO_ASCII, TO_VT100], ids=["utf8", "ascii", "vt100"])
def test_each_drawing(replacements: list[tuple[str, str]]) -> None:
    text = UTF8
    for old, new in replacements:
        text = text.replace(old, new)
    listing = parse_processes(text)
    assert listing.kind == "pstree"
    assert parents(listing) == PARENTS
    assert listing.threads == {26: 25, 27: 25, 45: 40}
    assert (listing.cut, listing.unread) == (1, 0)
    assert listing.processes[60].name == "(sd-pam)"
    assert listing.processes[61].name == "a(b)-c"


def test_pids_with_users_groups_and_colours() -> None:
    listing = parse_processes("init(1,1)─┬─\x1b[1mcron(5,root)\x1b[0m───sh(6,9,me)\n          └─x(7)\n")
    assert parents(listing) == {1: None, 5: 1, 6: 5, 7: 1}


def test_with_arguments() -> None:
    text = """\
systemd,1 --switched-root
  ├─containerd,10
  │   ├─{containerd},11
  │   └─{containerd},12
  ├─containerd-shim,20 -namespace k8s.io -id a(3)
  │   ├─nginx,21
  │   │   └─nginx,22
  │   └─pause,23
  └─sh,30 -c echo a,b
"""
    listing = parse_processes(text)
    assert parents(listing) == {1: None, 10: 1, 20: 1, 21: 20, 22: 21, 23: 20, 30: 1}
    assert listing.threads == {11: 10, 12: 10}


def test_lines_cut_at_the_screen() -> None:
    listing = parse_processes("init(1)─┬─a(2)───verylongna+\n        ├─b(3)─+++\n        └─c(4)───d(5)─┬─{d}(6+\n")
    assert parents(listing) == {1: None, 2: 1, 3: 1, 4: 1, 5: 4}
    assert listing.cut == 3


# --- ps, as text ---


def test_what_stands_below_a_cut_line_is_not_lost() -> None:
    """psmisc 23.6: a child of a process at the edge is a `+` there, without a branch."""
    text = """\
init(1)-+-sh(2)-+-exe(3)---exe(4)-+
        |       |                 +
        |       `-exe(5)
        |-a line that is none
        | no branch at all
        `-cron(6)
"""
    listing = parse_processes(text)
    assert {p.pid: p.ppid for p in listing.processes.values()} == {1: None, 2: 1, 3: 2, 4: 3, 5: 2, 6: 1}
    assert (listing.cut, listing.unread) == (2, 2)


def test_ps_with_the_columns_asked_for() -> None:
    text = "    PID    PPID STAT COMMAND\n      1       0 Ss   /sbin/init splash\n     10       1 Z    [sh] <defunct>\n"
    listing = parse_processes(text)
    assert listing.kind == "ps"
    assert parents(listing) == {1: 0, 10: 1}
    assert listing.processes[10].name == "[sh] <defunct>"


def test_a_name_makes_no_row_of_its_own() -> None:
    text = "  PID  PPID COMMAND\r\n    1     0 init\r\n    7     1 a\x85    8     7 b\u2028\r\n"
    assert parents(parse_processes(text)) == {1: 0, 7: 1}


def test_ps_ef_and_its_threads() -> None:
    text = """\
root@node:~# ps -eLf
UID          PID    PPID     LWP  C NLWP STIME TTY          TIME CMD
root           1       0       1  0    1 Oct21 ?        00:00:05 /sbin/init
root         100       1     100  0    2 Oct21 ?        00:01:00 /usr/bin/containerd --config x
root         100       1     101  0    2 Oct21 ?        00:01:00 /usr/bin/containerd --config x
garbage
"""
    listing = parse_processes(text)
    assert parents(listing) == {1: 0, 100: 1}
    assert listing.threads == {101: 100}
    assert listing.unread == 1


@pytest.mark.parametrize(
    "text", ["", "hello\n", "systemd─┬─agetty\n        └─sshd\n", "PID TTY TIME CMD\n1 ? 0 init\n", "\0\x01(two)"]
)
def test_what_cannot_be_compared(text: str) -> None:
    with pytest.raises(NotATrace):
        parse_processes(text)


@pytest.mark.parametrize(
    "header", ["USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND", "  PID TTY          TIME CMD"]
)
def test_a_listing_without_parents(header: str) -> None:
    """`ps aux` has lines in which pstree's `name(123)` can be seen, too."""
    with pytest.raises(NotATrace, match="the column PPID is missing"):
        parse_processes(f"{header}\nroot 1 0.0 0.1 9 9 ? Ss 07:00 0:00 sh -c f(123)\n")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput):
        read_processes(str(tmp_path / "nothing"))


# --- what the tools of this machine print ---


@contextlib.contextmanager
def family() -> Iterator[int]:
    """A process with children, grandchildren, threads and names full of traps; its pid."""
    code = """
import ctypes, os, sys, threading, time
libc = ctypes.CDLL(None)
def child(name, then):
    if os.fork() == 0:
        libc.prctl(15, name)
        then()
        time.sleep(60)
        os._exit(0)
libc.prctl(15, b"top-+-(1)")
child(b"a (b)", lambda: [child(b"x---y(9)", lambda: None) for _ in range(2)])
child(b"\\xff\\x1b[31m", lambda: child("日本(7)─┬─".encode(), lambda: None))
child(b"{brace", lambda: None)
for _ in range(2):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
time.sleep(0.3)
print("ready", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
    finally:
        os.killpg(process.pid, 9)
        process.communicate()


def truth(top: int) -> dict[int, tuple[int, frozenset[int]]]:
    """pid -> (ppid, threads but the leader) of `top` and all below it, from /proc."""
    found: dict[int, tuple[int, frozenset[int]]] = {}
    todo = [top]
    while todo:
        pid = todo.pop()
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        ppid = int(stat[stat.rindex(b")") + 2 :].split()[1])
        tids = frozenset(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
        for tid in tids:
            todo += map(int, Path(f"/proc/{pid}/task/{tid}/children").read_text().split())
        found[pid] = (ppid, tids - {pid})
    return found


@pytest.mark.skipif(shutil.which("pstree") is None, reason="pstree is not installed")
@pytest.mark.parametrize(
    "options", ["-p", "-pA", "-pU", "-pG", "-pT", "-pn", "-pu", "-pg", "-pl", "-pa", "-paA", "-pS"]
)
def test_real_pstree(options: str) -> None:
    with family() as top:
        env = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm"}
        done = subprocess.run(["pstree", options, str(top)], capture_output=True, env=env, check=True)
        real = truth(top)
    listing = parse_processes(done.stdout.decode("utf-8", "surrogateescape"))
    assert parents(listing) == {pid: None if pid == top else ppid for pid, (ppid, _) in real.items()}
    if "T" not in options:
        assert listing.threads == {tid: pid for pid, (_, tids) in real.items() for tid in tids}
    assert (listing.cut, listing.unread) == (0, 0)


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not installed")
@pytest.mark.parametrize(
    "options", ["-eo pid,ppid,comm", "-eo ppid,stat,pid,args", "-ef", "axjf", "-eLf", "-eLo pid,ppid,lwp,comm", "alx"]
)
def test_real_ps(options: str) -> None:
    with family() as top:
        done = subprocess.run(["ps", *options.split()], capture_output=True, check=True)
        real = truth(top)
    listing = parse_processes(done.stdout.decode("utf-8", "surrogateescape"))
    assert {pid: listing.processes[pid].ppid for pid in real} == {pid: ppid for pid, (ppid, _) in real.items()}
    if "L" in options:
        assert {tid: pid for tid, pid in listing.threads.items() if pid in real} == {
            tid: pid for pid, (_, tids) in real.items() for tid in tids
        }


# --- comparison ---

POD = """\
systemd(1)─┬─containerd(100)───{containerd}(101)
           └─containerd-shim(220)─┬─nginx(404)─┬─nginx(410)
                                  │            └─nginx(411)
                                  ├─pause(304)
                                  └─{containerd-shim}(221)
"""


def test_all_agree() -> None:
    result = compare(pod().graph(), parse_processes(POD))
    assert (result.agreeing, result.compared, result.differs) == (5, 5, False)
    assert (result.threads_agreeing, result.threads_compared) == (2, 2)
    assert dict(result.not_compared) == {"parent not known from the trace": 1}


def test_differences_are_named() -> None:
    text = re.sub(r"pause\(304\)", "{x}(411)", POD).replace("nginx(411)", "runc(300)───pause(304)")
    text = text.replace("{containerd-shim}(221)", "other(9)───{other}(221)")
    result = compare(pod().graph(), parse_processes(text))
    assert {(d.what, d.tid, d.ours, d.theirs) for d in result.differences} == {
        ("parent", 304, 220, 300),
        ("kind", 411, 404, 220),
        ("thread of", 221, 220, 9),
    }
    check_snapshot("verify-differences.txt", painted(comparison_lines(result, "strace.log"), width=None))


def test_what_is_left_out_is_counted() -> None:
    result = compare(
        pod().graph(), parse_processes("containerd-shim(220)─┬─pause(304)\n                     └─new(999)\n")
    )
    assert (result.agreeing, result.compared) == (1, 1)
    assert result.not_compared["at the top of the text"] == 1
    assert result.not_compared["not in the text: ended in between, or the text leaves it out"] == 4
    assert result.only_in_text == 1


def test_a_process_without_a_number_is_not_compared() -> None:
    s = Script()
    s.attach(0, "sh")
    s.fork(0, 11)
    s.fork(11, 12)
    result = compare(s.graph(), parse_processes("init(1)───sh(10)───a(11)───b(12)\n"))
    assert (result.agreeing, result.compared, result.differs) == (1, 1, False)
    assert dict(result.not_compared) == {
        "its number is not in the trace": 1,
        "its parent's number is not in the trace": 1,
    }


def test_nothing_in_common_is_an_error_not_an_agreement() -> None:
    with pytest.raises(NotATrace, match="nothing to compare"):
        compare(pod().graph(), parse_processes("init(1)───cron(7000)\n"))
    with pytest.raises(NotATrace):
        compare(Script().graph(), parse_processes(POD))


def test_where_all_have_ended_an_earlier_moment_is_proposed() -> None:
    script = pod()
    for process in list(script.graph().live()):
        script.exit(process.tgid)
    with pytest.raises(NotATrace, match="everything in the trace had ended") as error:
        compare(script.graph(), parse_processes(POD))
    assert "--at" in error.value.hint


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference case is not beside the checkout")
def test_reference_text_is_read_whole() -> None:
    listing = read_processes(str(REFERENCE / "pstree.txt"))
    text = (REFERENCE / "pstree.txt").read_text()
    numbers = set(map(int, re.findall(r"\((\d+)\)", text)))
    assert set(listing.processes) | set(listing.threads) == numbers
    assert (listing.cut, listing.unread) == (1, 0)
    assert [listing.processes[n].ppid for n in (1224703, 1224727, 1224754, 1224789)] == [1, 1224703, 1224703, 1224754]
