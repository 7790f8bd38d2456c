"""What is read of files that anyone may have prepared, and what is not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tracer.runtime import files

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: needs root")
NOBODY = 65534


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder that only its owner can write to."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)
    (folder / "config.json").write_text('{"a": 1}')
    return folder


def test_a_plain_file(home: Path) -> None:
    assert files.read_object(f"{home}/config.json") == {"a": 1}
    assert files.read_object(f"{home}/./../run/config.json") == {"a": 1}
    assert files.read_object("config.json", str(home)) == {"a": 1}


def test_no_way_leads_out_of_a_root(home: Path) -> None:
    assert files.read_object("/../../config.json", str(home)) == {"a": 1}
    (home / "up").symlink_to("../../../../../../etc/passwd")
    assert files.read_bytes("/up", str(home)) is None
    (home / "absolute").symlink_to("/config.json")
    assert files.read_object("/absolute", str(home)) == {"a": 1}


def test_links_of_the_owner_are_followed_and_endless_ones_are_not(home: Path) -> None:
    (home / "link").symlink_to("config.json")
    assert files.read_object(f"{home}/link") == {"a": 1}
    (home / "loop").symlink_to("loop")
    assert files.read_bytes(f"{home}/loop") is None


@needs_root
def test_nothing_of_another_user(home: Path) -> None:
    (home / "theirs").symlink_to("config.json")
    os.chown(home / "theirs", NOBODY, NOBODY, follow_symlinks=False)
    assert files.read_bytes(f"{home}/theirs") is None
    os.chown(home / "config.json", NOBODY, NOBODY)
    assert files.read_bytes(f"{home}/config.json") is None
    os.chown(home, NOBODY, NOBODY)
    (home / "ours").write_text("{}")
    assert files.read_bytes(f"{home}/ours") is None


def test_nothing_that_others_can_change(home: Path) -> None:
    (home / "config.json").chmod(0o666)
    assert files.read_bytes(f"{home}/config.json") is None
    (home / "config.json").chmod(0o644)
    home.chmod(0o777)
    assert files.read_bytes(f"{home}/config.json") is None
    assert files.list_folder(str(home)) == []
    home.chmod(0o1777)  # in a sticky folder nobody can take our file away
    assert files.read_object(f"{home}/config.json") == {"a": 1}


@needs_root
def test_nothing_that_a_group_can_change(home: Path) -> None:
    file = home / "config.json"
    file.chmod(0o664)
    assert files.read_object(str(file)) == {"a": 1}, "root's own group"
    os.chown(file, 0, NOBODY)
    assert files.read_bytes(str(file)) is None
    file.chmod(0o644)
    assert files.read_object(str(file)) == {"a": 1}
    os.chown(home, 0, NOBODY)
    home.chmod(0o775)
    assert files.read_bytes(str(file)) is None


def test_only_plain_files_are_opened(home: Path) -> None:
    os.mkfifo(home / "pipe")  # opening it would wait for a writer
    assert files.read_bytes(f"{home}/pipe") is None
    assert files.read_bytes(str(home)) is None
    assert files.read_bytes("/dev/zero") is None
    assert files.read_bytes(f"{home}/config.json/x") is None
    assert files.read_bytes(f"{home}/absent") is None
    assert files.read_bytes(f"{home}/\0") is None


def test_size_is_bounded(home: Path) -> None:
    with (home / "big").open("wb") as file:
        file.truncate(files.MAX_BYTES)
    assert len(files.read_bytes(f"{home}/big") or b"") == files.MAX_BYTES
    with (home / "big").open("ab") as file:
        file.write(b"x")
    assert files.read_bytes(f"{home}/big") is None


@pytest.mark.parametrize("text", ["", "{", "[1]", '"a"', "[" * 100_000, "{\xff", "null"])
def test_what_is_no_object_is_empty(home: Path, text: str) -> None:
    (home / "odd").write_text(text, encoding="latin-1")
    assert files.read_object(f"{home}/odd") == {}


def test_a_list_keeps_its_objects(home: Path) -> None:
    (home / "list").write_text(json.dumps([{"id": "a"}, 1, None]))
    assert files.read_list(f"{home}/list") == [{"id": "a"}]
    assert files.read_list(f"{home}/config.json") == []


def test_a_folder_is_listed_up_to_a_limit(home: Path) -> None:
    for number in range(10):
        (home / f"{number}").touch()
    assert len(files.list_folder(str(home))) == 11
    assert len(files.list_folder(str(home), limit=4)) == 4
    assert files.list_folder(f"{home}/config.json") == []
