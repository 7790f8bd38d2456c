"""A file made by root where someone else may have been first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer.errors import OutputError
from tracer.live.newfile import check_new, open_new


def test_a_new_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with open_new(str(path)) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_existing_file_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"precious")
    for refuse in (lambda: check_new(str(path), force=False), lambda: open_new(str(path))):
        with pytest.raises(OutputError, match="exists already") as caught:
            refuse()
        assert "--force" in caught.value.hint
    assert path.read_bytes() == b"precious"


def test_force_replaces_the_file_and_not_its_other_names(tmp_path: Path) -> None:
    path, other = tmp_path / "old", tmp_path / "other"
    path.write_bytes(b"precious")
    os.link(path, other)
    check_new(str(path), force=True)
    with open_new(str(path), force=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert other.read_bytes() == b"precious"


@pytest.mark.parametrize("force", [False, True])
def test_a_symbolic_link_is_not_followed(tmp_path: Path, force: bool) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"precious")
    link.symlink_to(target)
    for refuse in (lambda: check_new(str(link), force=force), lambda: open_new(str(link), force=force)):
        with pytest.raises(OutputError):
            refuse()
    assert target.read_bytes() == b"precious"
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError):
        open_new(str(dangling), force=force)
    assert not (tmp_path / "elsewhere").exists()


def test_folders_and_devices_are_refused(tmp_path: Path) -> None:
    for path in (str(tmp_path), "/dev/null"):
        for force in (False, True):
            with pytest.raises(OutputError):
                check_new(path, force=force)
            with pytest.raises(OutputError):
                open_new(path, force=force)
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OutputError, match="there is no folder"):
        check_new(str(tmp_path / "no" / "file"), force=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_under_sudo_the_caller_owns_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "23456")
    path = tmp_path / "mine"
    open_new(str(path)).close()
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)
