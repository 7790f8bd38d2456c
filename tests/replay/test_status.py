"""With what status a process ended whose last threads ended at the same moment: the leader's line, the last, has it."""

from __future__ import annotations

from pathlib import Path

import tracer

LOG = """\
70 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 80
80 clone(child_stack=0x7e, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM) = 81
80 clone(child_stack=0x7d, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM) = 82
82 exit(18 <unfinished ...>
81 exit(17 <unfinished ...>
80 exit(16)                          = ?
82 <... exit resumed>)               = ?
82 +++ exited with 18 +++
81 <... exit resumed>)               = ?
81 +++ exited with 17 +++
80 +++ exited with 17 +++
"""


def test_it_is_what_strace_was_told_of_the_leader(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(LOG)
    (process,) = tracer.replay(path).find(80)
    assert (process.status, process.state) == (17 << 8, "zombie")


def test_an_execve_that_takes_over_has_won_against_an_exit_group(tmp_path: Path) -> None:
    """The leader was killed on its way out (de_thread()), so its code is nobody's."""
    path = tmp_path / "log"
    path.write_text(
        "80 clone(child_stack=0x7e, flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD) = 81\n"
        '81 execve("/b", ["b"], 0x1 <unfinished ...>\n80 exit_group(7 <unfinished ...>\n'
        "80 <... exit_group resumed>) = ?\n80 +++ superseded by execve in pid 81 +++\n80 <... execve resumed>) = 0\n"
    )
    (process,) = tracer.replay(path).find(80)
    assert (process.status, process.state) == (None, "running")
