"""Stories: literal log in, literal text out; each word is one that the trace or the kernel's rules bear out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest

from tests.unit.cli.command import ctrace

SCHEMA = json.loads(Path("docs/reference/story.schema.json").read_text(encoding="utf-8"))
POD = Path("fixtures/logs/containerd-pod/strace.log")

DAEMON = r"""daemon (103)

  1. created by daemonize (102)   line 6                                                   observed
     child of daemonize (102)
  2. runs /usr/sbin/daemon   line 7
     daemon \x1b]0;owned\x07
  3. adopted from daemonize (102), which exited → nearest subreaper, sh (101)   line 9     derived
     passed over: daemonize (102): it has no living thread left

now  below sh (101) → sh (100)
"""

PDEATH = """thread_exit_pdeath (9891)

  1. created by thread_exit_pdeath (9888), thread 9890   line 5                            observed
     child of thread_exit_pdeath (9888)
  2. asks for SIGKILL when the thread that is its parent ends (PR_SET_PDEATHSIG)   line 6
  3. thread 9890 of thread_exit_pdeath (9888), which it was a child of, ended → thread     derived
     9888 of the same process   line 10
     it got SIGKILL for it: its pdeath_signal
  4. killed by SIGKILL   line 11

now  a zombie: it has ended, and its parent has not waited for it; below thread_exit_pdeath (9888)
"""

RUNC = """runc create (148)   subreaper, of 22b2c54f6d38

  1. created by containerd-shim-runc-v2 (103), thread 111, with CLONE_VFORK                observed
     line 326, 07:02:19.112016
     child of containerd-shim-runc-v2 (103)
  2. asks for SIGKILL when the thread that is its parent ends (PR_SET_PDEATHSIG)
     line 329, 07:02:19.117850
  3. runs /usr/sbin/runc: now runc-create   line 332, 07:02:19.118445
     runc --root /run/containerd/runc/k8s.io --log /run/containerd/io.containerd.ru --log-format
       json create --bundle /run/containerd/io.containerd.ru --pid-file
       /run/containerd/io.containerd.ru 22b2c54f6d382a1ab624ea2ab04527f3 …
  4. became a subreaper: orphans below it go to it   line 344, 07:02:19.139819
  5. exited with 0: thread 150 called exit_group   line 502, 07:02:19.292826
  6. reaped by containerd-shim-runc-v2 (103), thread 112   line 504, 07:02:19.293316

now  exited with 0, and gone
"""

WHY_NOT = """Why is nginx (158) not below containerd (57)?
  containerd (57) created shim start (96), and was its parent.
  shim start (96) created containerd-shim-runc-v2 (103); the creator's end (line 41) made init (1)
    the parent.
  containerd-shim-runc-v2 (103) created runc create (148), and was its parent.
  runc create (148) created runc init (156), and was its parent.
  runc init (156) created runc init (157) with CLONE_PARENT, as a child of runc create (148).
  runc init (157) created nginx (158) with CLONE_PARENT, as a child of runc create (148), whose
    end (line 502) made containerd-shim-runc-v2 (103) the parent.
  So the kernel does nothing to nginx (158) when containerd (57) ends: its parent is
    containerd-shim-runc-v2 (103).
"""


def explain(*args: str | Path) -> str:
    done = ctrace("explain", *args)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_adoption_with_who_was_passed_over(log: Path) -> None:
    assert explain("103", log) == DAEMON


def test_a_reason_is_given_once(log: Path) -> None:
    assert explain("sh", log).count("it was there before the trace, or its creation was not traced") == 1


def test_names_find_the_same_process(log: Path) -> None:
    assert explain("daemon", log) == DAEMON
    assert explain("103#0", log) == DAEMON


def test_a_thread_that_ends_sends_the_pdeath_signal() -> None:
    assert explain("9891", "fixtures/logs/thread_exit_pdeath/f.log") == PDEATH


def test_the_whole_life_of_runc_create() -> None:
    assert explain("148", POD) == RUNC


def test_why_the_container_is_not_below_containerd() -> None:
    assert explain("158", POD).endswith("\n\n" + WHY_NOT)


def test_a_container_by_the_beginning_of_its_id_and_its_pod() -> None:
    assert explain("22b2c54f6d38", POD).startswith("nginx (158)   container")
    pod = explain("5be4949b4c3a", POD)
    titles = [
        line.split("   ")[0]
        for line in pod.splitlines()
        if line[:3] not in {"", "   ", "  1", "now", "Why"} and line[0] != " "
    ]
    assert titles == ["containerd-shim-runc-v2 (103)", "pause (125)", "nginx (158)"]


@pytest.mark.parametrize("width", [40, 72, 100, 200])
def test_nothing_is_cut_and_nothing_is_wider(width: int) -> None:
    text = explain("158", POD, "--width", str(width))
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    words = text.replace("\n", " ").split()
    assert [w for w in words if w not in {"derived"}] == [
        w for w in explain("158", POD, "--width", "1000").replace("\n", " ").split() if w not in {"derived"}
    ]


def test_nobody_of_that_name(log: Path) -> None:
    done = ctrace("explain", "daemn", log)
    assert done.returncode == 1
    assert done.stderr.decode() == "ctrace: there is no process, container or pod daemn\nNear: daemon, daemonize\n"
    assert ctrace("explain", "monize", log).stderr.decode().splitlines()[1] == "Near: daemonize"
    assert ctrace("explain", "104", log).stderr.decode().splitlines()[1] == "Near: 103, 102, 101, 100"


def test_a_program_is_found_by_its_name_whatever_it_calls_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('9 execve("/usr/bin/tmux", ["tmux"], 0x7) = 0\n9 prctl(PR_SET_NAME, "tmux: server") = 0\n')
    for name in ("tmux", "tmux: server"):
        assert ctrace("explain", name, log).stdout.startswith(b"tmux: server (9)")


def test_who_has_no_number_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('execve("/bin/sh", ["sh"], 0x7) = 0\nfork() = 10\n[pid 10] getpid() = 10\n')
    assert explain("sh", log).startswith("sh (?)")


def test_the_serial_tells_apart_those_that_had_a_number(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "9 fork() = 10\n10 +++ exited with 3 +++\n9 wait4(10, NULL, 0, NULL) = 10\n9 fork() = 10\n"
        '10 execve("/bin/b", ["b"], 0x7) = 0\n'
    )
    assert "exited with 3" in explain("10#0", log)
    assert explain("10#1", log).startswith("b (10)")
    assert "exited with 3" not in explain("10#1", log)
    assert explain("10", log).count("created by") == 2
    assert b"there is no process 10#2" in ctrace("explain", "10#2", log).stderr


def test_a_set_of_files_names_the_file_and_its_line(tmp_path: Path) -> None:
    (tmp_path / "t.9").write_text('execve("/bin/sh", ["sh"], 0x7) = 0\nfork() = 10\n')
    (tmp_path / "t.10").write_text('execve("/bin/a", ["a"], 0x7) = 0\nexit_group(3) = ?\n+++ exited with 3 +++\n')
    told = ctrace("explain", "10", tmp_path).stdout.decode()
    assert "1. created by sh (9)   event 2 (t.9 line 2) " in told
    assert "2. runs /bin/a   event 3 (t.10 line 1)\n" in told
    assert ctrace("replay", tmp_path, "--at", "2", "--pid", "10").stdout.decode().endswith("sh (10)\n")
    assert "a (10)   runs /bin/a" in ctrace("diff", tmp_path, tmp_path, "--at1", "2", "--at2", "3").stdout.decode()
    assert (
        f"{tmp_path} at event 2" in ctrace("diff", tmp_path, tmp_path, "--at1", "2", "--width", "400").stdout.decode()
    )


def test_more_of_a_name_than_anybody_reads(tmp_path: Path) -> None:
    path = tmp_path / "many.log"
    path.write_text("".join(f'100 clone(flags=SIGCHLD) = {n}\n{n} execve("/bin/a", ["a"], 0x7) = 0\n'
                            for n in range(200, 300)))  # fmt: skip
    text = explain("a", path)
    assert text.count("\na (") + text.startswith("a (") == 50
    assert text.endswith("50 more of that name were left out; ask for one by its number.\n")


@pytest.mark.parametrize(
    ("who", "path"),
    [
        ("158", POD),
        ("5be4949b4c3a", POD),
        ("9891", "fixtures/logs/thread_exit_pdeath/f.log"),
        ("4456", "fixtures/logs/pidns_init_death/f.log"),
    ],
)
def test_json_keeps_its_contract(who: str, path: str | Path) -> None:
    jsonschema.validate(json.loads(explain(who, path, "--format", "json")), SCHEMA)


def test_json_says_what_the_text_says() -> None:
    story = json.loads(explain("158", POD, "--format", "json"))["stories"][0]
    adopted = next(step for step in story["steps"] if step["kind"] == "adopted")
    assert (adopted["line"], adopted["from"]["pid"], adopted["to"]["pid"]) == (502, 148, 103)
    assert [c["process"]["pid"] for c in adopted["passed_over"]] == [148]
    assert story["why_not"]["expected"]["pid"] == 57
    assert [link["holds"] for link in story["why_not"]["links"]] == [False, False, True, True, False, True]


def test_without_a_file_proc_tells_what_it_can() -> None:
    """A real process of this machine: what /proc says, and that it does not say more."""
    child = subprocess.Popen(["sleep", "60"])
    try:
        text = explain(str(child.pid))
        assert text.startswith(f"sleep ({child.pid})\n\n  1. child of ")
        assert f"({os.getpid()}); started " in text
        assert "not how it got there" in text
        assert "sudo ctrace record" in text
        document = json.loads(explain(str(child.pid), "--format", "json"))
    finally:
        child.kill()
        child.wait()
    jsonschema.validate(document, SCHEMA)
    (story,) = document["stories"]
    assert [step["kind"] for step in story["steps"]] == ["found"]
    assert story["process"]["parent"] == story["above"][0]["pid"] == os.getpid()


def test_what_is_very_deep_is_counted_and_nothing_hostile_gets_through(tmp_path: Path) -> None:
    path = tmp_path / "deep.log"
    lines = ['100 execve("/bin/sh", ["sh"], 0x7) = 0\n']
    lines += [f"{n - 1 if n > 1000 else 100} clone(flags=SIGCHLD) = {n}\n" for n in range(1000, 11_000)]
    lines.append('10999 execve("/bin/\\33[31mx[bold]\\302\\233", ["\\33[2J"], 0x7) = 0\n')
    path.write_text("".join(lines))
    text = explain("10999", path)
    assert "… 9,989 more … → sh (100)" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "\\x1b[31mx[bold]\\x9b" in text
