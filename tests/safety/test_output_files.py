"""What root writes with -o, in a folder where anybody may have been first. The attacker is the user `nobody`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.command import ARGV, environment
from tracer.errors import OutputError
from tracer.live.newfile import open_new

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led astray by another user's links")

COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "replay": lambda log: ["replay", str(log)],
    "replay-json": lambda log: ["replay", str(log), "--format", "json"],
    "tree": lambda log: ["tree", "--pid", str(os.getpid())],
    "explain": lambda log: ["explain", "103", str(log)],
    "whatif": lambda log: ["whatif", "exit", "101", str(log)],
    "diff": lambda log: ["diff", str(log), str(log)],
}
every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A folder like /tmp."""
    folder = tmp_path / "public"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of root's that the attacker wants to have overwritten."""
    path = tmp_path / "secret"
    path.write_text("precious")
    return path


def run(args: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*ARGV, *args], capture_output=True, text=True, env=environment(**env), timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done


def of_nobody(path: Path) -> None:
    os.lchown(path, NOBODY, NOBODY)


def refused(done: subprocess.CompletedProcess[str], why: str) -> None:
    assert done.returncode == 1, done.stdout
    assert why in done.stderr
    assert "another file with -o" in done.stderr


@every_command
def test_a_new_file_is_made_and_an_old_one_of_ours_emptied(
    command: Callable[[Path], list[str]], log: Path, public: Path
) -> None:
    out = public / "out"
    assert run([*command(log), "-o", str(out)]).returncode == 0
    first = out.read_bytes()
    assert first
    out.write_bytes(b"x" * 1_000_000)
    assert run([*command(log), "-o", str(out)]).returncode == 0
    assert 0 < out.stat().st_size < 100_000


@every_command
@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_not_followed(
    command: Callable[[Path], list[str]], there: bool, log: Path, public: Path, secret: Path
) -> None:
    target = secret if there else secret.with_name("new")
    link = public / "out"
    link.symlink_to(target)
    of_nobody(link)
    refused(run([*command(log), "-o", str(link)]), "is a symbolic link, which is not followed")
    assert secret.read_text() == "precious"
    assert target.exists() == there


def test_links_on_the_way(log: Path, public: Path, tmp_path: Path) -> None:
    """A folder that is another user's link is not entered, also by what `record` uses; root's own is."""
    target = tmp_path / "etc"
    target.mkdir()
    way = public / "way"
    way.symlink_to(target)
    out = str(way / "out")
    of_nobody(way)
    refused(run(["replay", str(log), "-o", out]), "symbolic link of another user")
    with pytest.raises(OutputError, match="symbolic link of another user"):
        open_new(out)
    assert not list(target.iterdir())
    os.lchown(way, 0, 0)
    assert run(["replay", str(log), "-o", out]).returncode == 0
    open_new(out, force=True).close()
    assert [path.name for path in target.iterdir()] == ["out"]


def test_a_hard_link_to_another_file_is_not_written_into(log: Path, public: Path, secret: Path) -> None:
    """Where fs.protected_hardlinks is off, anybody can put a second name of root's file into /tmp."""
    os.link(secret, public / "out")
    refused(run(["replay", str(log), "-o", str(public / "out")]), "root does not write into it")
    assert secret.read_text() == "precious"


def test_a_file_of_another_user_is_not_written_into(log: Path, public: Path) -> None:
    """Its owner could change what root believes to have written, or read it."""
    out = public / "out"
    out.write_text("bait")
    of_nobody(out)
    refused(run(["replay", str(log), "-o", str(out)]), "root does not write into it")
    assert out.read_text() == "bait"


def test_a_pipe_of_another_user_blocks_nobody(log: Path, public: Path) -> None:
    out = public / "out"
    os.mkfifo(out)
    of_nobody(out)
    refused(run(["replay", str(log), "-o", str(out)]), "cannot write")
    reader = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
    try:
        refused(run(["replay", str(log), "-o", str(out)]), "root does not write into it")
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_devices_and_open_files_are_written_to(log: Path) -> None:
    assert run(["replay", str(log), "-o", "/dev/null"]).returncode == 0
    done = run(["replay", str(log), "-o", "/dev/stdout"])
    assert (done.returncode, "daemon" in done.stdout) == (0, True)
    full = run(["replay", str(log), "-o", "/dev/full"])
    assert (full.returncode, full.stdout) == (1, "")
    assert "No space left on device" in full.stderr


@every_command
def test_under_sudo_the_file_belongs_to_who_called(
    command: Callable[[Path], list[str]], log: Path, public: Path
) -> None:
    out = public / "out"
    done = run([*command(log), "-o", str(out)], SUDO_UID="12345", SUDO_GID="23456")
    assert done.returncode == 0, done.stderr
    assert (out.stat().st_uid, out.stat().st_gid) == (12345, 23456)
    done = run([*command(log), "-o", str(out)], SUDO_UID="12345", SUDO_GID="23456")
    assert done.returncode == 0, "a file of the caller's own is emptied and written again"
