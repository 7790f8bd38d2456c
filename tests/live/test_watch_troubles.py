"""What a machine or a user can lack: one clear message, the command that mends it, exit code 1, no traceback."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.watching import ARGV

WATCH = [*ARGV, "watch", "--all", "--duration", "1", "--format", "lines"]

NO_BPF = """
import ctypes, os, struct, sys
# linux/filter.h: load the system call's number; bpf (321 on x86_64, 280 on arm64) is EPERM, all else is allowed.
code = [(0x20, 0, 0, 0), (0x15, 0, 1, int(sys.argv[1])), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(program)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, header, 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[2], sys.argv[2:])
"""


def hidden(folder: str) -> list[str]:
    """The command in a mount namespace where that folder is empty."""
    return ["unshare", "-m", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "sh"]


def run(prefix: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*prefix, *WATCH, *options], capture_output=True, text=True, timeout=90, check=False)


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("ctrace: ")
    return done.stderr.splitlines()


def test_not_root() -> None:
    done = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    if "Permission denied" in done.stderr or "can't open" in done.stderr:
        pytest.skip("another user may not read this checkout")
    message, hint = said(done)
    assert "needs root" in message
    assert hint == "sudo ctrace watch --all --duration 1 --format lines"


def test_in_a_pid_namespace_of_its_own() -> None:
    """The events' numbers are the machine's: a graph of other processes would come out, without a word."""
    message, hint = said(run(["unshare", "--pid", "--fork", "--mount-proc"]))
    assert "pid namespace" in message
    assert "--pid=host" in hint


def test_root_without_the_capabilities() -> None:
    message, hint = said(run(["setpriv", "--bounding-set=-sys_admin,-bpf,-perfmon"]))
    assert "CAP_BPF" in message
    assert "CAP_PERFMON" in hint


@pytest.mark.parametrize("folder", ["/usr/lib/python3/dist-packages", "/lib/modules"])
def test_neither_bcc_nor_headers_are_needed(folder: str) -> None:
    done = run(hidden(folder))
    assert done.returncode == 0, done.stderr


def test_no_bcc() -> None:
    message, hint = said(run(hidden("/usr/lib/python3/dist-packages"), "--loader", "bcc"))
    assert "bcc" in message
    assert "install" in hint


def test_no_kernel_headers() -> None:
    message, hint = said(run(hidden("/lib/modules"), "--loader", "bcc"))
    assert "headers" in message
    assert "install" in hint


def test_no_btf() -> None:
    lines = said(run(hidden("/sys/kernel/btf")))
    assert "BTF" in "\n".join(lines)


@pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="the filter knows two machines")
def test_no_bpf() -> None:
    number = "321" if platform.machine() == "x86_64" else "280"
    message, hint = said(run([sys.executable, "-c", NO_BPF, number]))
    assert "refuses the bpf system call" in message
    assert "--privileged" in hint


def test_tracefs_is_not_needed() -> None:
    if not Path("/sys/kernel/tracing").is_dir():
        pytest.skip("no /sys/kernel/tracing to hide")
    done = run(hidden("/sys/kernel/tracing"))
    assert done.returncode == 0, done.stderr


def test_another_instance_is_no_trouble() -> None:
    with subprocess.Popen([*WATCH[:-4], "--duration", "4", "--format", "lines"], stdout=subprocess.DEVNULL) as other:
        assert run([]).returncode == 0
        assert other.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no-such-program", "no process is called no-such-program"),
        ("999999999", "no process 999999999"),
        ("no-such.service", "no process in the unit no-such.service"),
        ("/no/such/cgroup", "no process in the cgroup /no/such/cgroup"),
        ("x\x1b[31m", r"no process is called x\x1b[31m"),
    ],
)
def test_target_not_found(target: str, message: str) -> None:
    done = subprocess.run([*ARGV, "watch", target], capture_output=True, text=True, timeout=90, check=False)
    lines = said(done)
    assert lines[0] == f"ctrace: {message}"
    assert len(lines) >= 2, "nothing is said about what to do"


def test_target_ambiguous(tmp_path: Path) -> None:
    # A name that only these have: of many processes not all are listed.
    program = shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / "two-of-us")
    sleeps = [subprocess.Popen([program, "31.7"], start_new_session=True) for _ in range(2)]
    try:
        done = subprocess.run([*ARGV, "watch", "two-of-us"], capture_output=True, text=True, timeout=90, check=False)
    finally:
        for sleep in sleeps:
            sleep.kill()
            sleep.wait()
    lines = said(done)
    assert "2 processes are called two-of-us" in lines[0]
    for sleep in sleeps:
        assert any(f"{sleep.pid}  {program} 31.7" in line for line in lines)


def test_all_and_a_target_is_wrong_usage() -> None:
    done = subprocess.run([*ARGV, "watch", "--all", "sshd"], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 2
    assert "not both" in done.stderr
