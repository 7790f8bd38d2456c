"""Logs with more in front of each line, as people and tools copy them; and what is no log of strace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.sources.strace.logs import read
from tracer.errors import NotATrace

if TYPE_CHECKING:
    from pathlib import Path

LOG = [
    'execve("/bin/sh", ["sh"], 0x7ffd /* 9 vars */) = 0',
    "clone(child_stack=NULL, flags=SIGCHLDstrace: Process 101 attached",
    ", child_tidptr=0x7f01) = 101",
    "[pid   101] exit_group(3) = ?",
    "[pid   100] wait4(-1 <unfinished ...>",
    "[pid   101] +++ exited with 3 +++",
    "<... wait4 resumed>, NULL, 0, NULL) = 101",
    "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=101, si_uid=0, si_status=3} ---",
]
FRONTS = {
    "docker logs -t": "2026-11-23T10:00:{n:02}.123456789Z ",
    "kubectl logs --prefix": "[pod/nginx-7d/app] ",
    "kubectl logs --prefix --timestamps": "[pod/nginx-7d/app] 2026-11-23T10:00:{n:02}.123456789Z ",
    "a container runtime's file": "2026-11-23T10:00:{n:02}.123456789+01:00 stderr F ",
    "docker compose logs": "app-1  | ",
    "journalctl": "Nov 23 10:00:{n:02} node-1 strace[12]: ",
    "journalctl -o short-iso": "2026-11-23T10:00:{n:02}+0000 node-1 strace[12]: ",
    "journalctl -o short-precise": "Nov 23 10:00:{n:02}.123456 node-1 strace[12]: ",
    "journalctl -o short-full": "Mon 2026-11-23 10:00:{n:02} UTC node-1 strace[12]: ",
    "journalctl -o short-monotonic": "[ 1234.5678{n:02}] node-1 strace[12]: ",
    "journalctl -o short-unix": "1763892000.1234{n:02} node-1 strace[12]: ",
    "rsyslog": "2026-11-23T10:00:{n:02}.123456+01:00 node-1 strace: ",
    "ts": "Nov 23 10:00:{n:02} ",
    "a mail": "> ",
    "an answer to a mail": "> > ",
    "Markdown": "    ",
    "cat -n": "{n:6d}\t",
    "grep -n": "{n}:",
    "a byte order mark": "",
    "sed": "node-1 ",
    "a logger": "INFO 2026-11-23 10:00:{n:02},123 strace: ",
    "syslog, as it is sent": "<14>1 2026-11-23T10:00:{n:02}Z node-1 app - - - ",
    "a time in brackets": "[10:00:{n:02}] ",
    "a time and a line": "2026-11-23 10:00:{n:02}.123 | ",
    "awk NR": "{n}: ",
    "grep -Hn": "strace.log:{n}:",
    "colours": "\x1b[32mnode-1\x1b[0m | ",
}


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS.keys())
def test_what_is_in_front_is_taken_off(tmp_path: Path, front: str) -> None:
    path = tmp_path / "log"
    path.write_text("\n".join(LOG) + "\n")
    plain, _ = read(path)
    text = "".join(front.format(n=n) + line + "\n" for n, line in enumerate(LOG, 1))
    path.write_text(text if front else "\N{BOM}" + text, encoding="utf-8")
    events, stats = read(path)
    assert stats.unreadable_lines == []
    assert events == plain
    assert len(plain) == 7


@pytest.mark.parametrize("front", ["t.{task}:", "web-{task} ", '{{"log":"'])
def test_what_may_be_several_logs_or_another_format_is_none(tmp_path: Path, front: str) -> None:
    """`grep '' t.*` of a -ff set has the tasks in front; so have the logs of several hosts."""
    path = tmp_path / "log"
    lines = ['execve("/bin/sh", ["sh"], 0x7ffd /* 9 vars */) = 0', "fork() = 101", "+++ exited with 0 +++"]
    path.write_text("".join(front.format(task=task) + line + "\n" for task in (100, 101, 102) for line in lines))
    with pytest.raises(NotATrace):
        read(path)


def test_times_of_strace_stay(tmp_path: Path) -> None:
    """-r alone puts spaces in front, and -ttt numbers like a journal's."""
    for front, at in (("     0.000101 ", 1), ("1763892000.123456 ", None)):
        path = tmp_path / "log"
        path.write_text("".join(f"{front}{line}\n" for line in LOG[:1]) * 3)
        events, stats = read(path)
        assert stats.unreadable == 0
        assert events[-1].time is not None
        assert at is None or events[-1].time < 10**9


OTHERS = {
    "UTF-16": "\N{BOM}execve(".encode("utf-16-le"),
    "perf trace": b"     0.000 ( 0.003 ms): sh/12345 clone(clone_flags: CHILD_CLEARTID|0x11) = 12346 (sh)\n",
    "ltrace": b"20216 execve(0x55df, 0x55e0, 0x55f0 <no return ...>\n20215 <... vfork resumed> ) = 20216\n",
    "strace -c": b"% time     seconds  usecs/call     calls    errors syscall\n",
    "strace -f -c": b"strace: Process 12 attached\n% time     seconds  usecs/call     calls    errors syscall\n",
    "docker's own file": b'{"log":"fork() = 7\\n","stream":"stderr","time":"2026-11-23T10:00:00.1Z"}\n',
}


@pytest.mark.parametrize(("name", "content"), OTHERS.items(), ids=OTHERS.keys())
def test_what_is_no_log_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(NotATrace) as caught:
        read(path)
    assert caught.value.hint.startswith(f"This is {'of ' if 'trace' in name and '-c' not in name else ''}")
    assert name.split(" -")[0] in caught.value.hint
