"""What ctrace opens and runs as root: nothing from a folder in which anybody can put things, and no shell."""

from __future__ import annotations

import ast
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.command import LOG, environment

ROOT = Path(__file__).parents[2]
CTRACE = Path(sys.executable).with_name("ctrace")
SOURCES = sorted((ROOT / "tracer").rglob("*.py"))
RUNS_A_SHELL = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}
NAMES = ("bcc", "ctypes", "json", "tracer", "rich", "sitecustomize", "usercustomize", "pylibbpf")
_OPENED = re.compile(r"^\d+ +openat\(.*, ([A-Z_|]+)(?:, 0\d+)?\) += \d+<(/.*)>$")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="this is about what root does")


def test_no_shell_is_run() -> None:
    """No call can hand a string to a shell: neither shell=True nor os.system and its kin."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in RUNS_A_SHELL or any(k.arg in ("shell", "executable") for k in node.keywords):
                found.append(f"{path.name}:{node.lineno}: {name}")
    assert found == []


def test_only_these_modules_start_programs() -> None:
    """systemctl and versions, with lists of arguments; this Python for a second reader; a trial's child; COMMAND."""
    found = set()
    for path in SOURCES:
        if re.search(
            r"import (subprocess|multiprocessing|pty)\b|\bos\.(exec|posix_spawn|spawn|fork)", path.read_text()
        ):
            found.add(path.relative_to(ROOT / "tracer").as_posix())
    assert found == {
        "sources/systemd.py",
        "sources/strace/worker.py",
        "live/command.py",
        "doctor/ask.py",
        "doctor/trial.py",
    }


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder like /tmp with modules that tell when they are run."""
    folder = tmp_path / "trap"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    folder.chmod(0o1777)
    return folder


def opened(args: list[str], trap: Path) -> list[tuple[str, str]]:
    """Flags and path of every file that was opened, in a process that runs inside the trap."""
    log = trap.parent / "strace"
    command = ["strace", "-f", "-z", "-y", "-e", "trace=openat", "-o", str(log), str(CTRACE), *args]
    done = subprocess.run(
        command, cwd=trap, env=environment(TMPDIR=str(trap)), capture_output=True, text=True, timeout=120, check=False
    )
    if "needs bcc" in done.stderr or "headers" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    return [found.groups() for line in log.read_text().splitlines() if (found := _OPENED.match(line))]  # type: ignore[misc]


def public(path: Path) -> bool:
    """Could another user put a file there, or one of the folders on the way?"""
    return any(
        folder.exists() and folder.stat().st_mode & stat.S_IWOTH and folder != path for folder in (path, *path.parents)
    )


@needs_root
@pytest.mark.skipif(not CTRACE.exists(), reason="ctrace is not installed beside this Python")
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(
    "args",
    [
        ["tree"],
        ["replay", "../log"],
        pytest.param(["doctor"], marks=pytest.mark.live),
        pytest.param(["record", "--all", "--duration", "1", "-o", "../out"], marks=pytest.mark.live),
    ],
    ids=lambda args: args[0],
)
def test_nothing_is_read_from_where_others_can_write(args: list[str], trap: Path, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG)
    wrong = []
    files = opened(args, trap)
    assert len(files) > 50
    for flags, name in files:
        path = Path(name)
        if path.is_relative_to("/proc") or path.is_relative_to("/dev") or path == tmp_path / "log":
            continue
        made_here = "O_EXCL" in flags or "O_TMPFILE" in flags
        folder = "O_DIRECTORY" in flags or "O_PATH" in flags
        if public(path) and not path.is_relative_to(ROOT) and not made_here and not folder:
            wrong.append(f"{path} {flags}")
    assert wrong == []
    assert not (tmp_path / "sprung").exists()


@needs_root
@pytest.mark.live
def test_kernel_headers_of_a_public_folder_are_not_used() -> None:
    """bcc before 0.30 takes /tmp/kheaders-RELEASE from whoever made it (CVE-2024-2314): it must not get to that."""
    script = (
        "mkdir /run/btf && mount --bind /sys/kernel/btf /run/btf && mount -t tmpfs none /lib/modules && "
        "mount -t tmpfs none /sys/kernel && mkdir /sys/kernel/btf && mount --move /run/btf /sys/kernel/btf && "
        "touch /sys/kernel/kheaders.tar.xz && mkdir -p /tmp/kheaders-$(uname -r)/include && "
        'exec "$@"'
    )
    if any(path.is_relative_to("/tmp") for path in (ROOT, Path(sys.executable))):
        pytest.skip("the checkout lies in /tmp, which this test hides")
    prefix = ["unshare", "-m", "sh", "-c", f"mount -t tmpfs none /run && mount -t tmpfs none /tmp && {script}", "sh"]
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "tracer", "watch", "--all", "--loader", "bcc", "--duration", "1"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs kernel headers" in done.stderr, done.stderr
