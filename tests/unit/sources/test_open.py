"""What the user may name, and what is said where it cannot be read."""

from __future__ import annotations

import gzip
import io
import sys
from typing import TYPE_CHECKING

import pytest
import zstandard

from tracer.errors import EmptyInput, NotATrace, UnreadableInput
from tracer.sources.detect import open_source

if TYPE_CHECKING:
    from pathlib import Path

LOG = b"100 fork() = 101\n" + b"".join(b'101 prctl(PR_SET_NAME, "n%d") = 0\n' % n for n in range(20_000))


def count(*paths: Path | str) -> int:
    return sum(len(batch) for batch in open_source([str(path) for path in paths]).batches())


def test_compressed_and_plain_are_the_same(tmp_path: Path) -> None:
    plain, gz, zst = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    plain.write_bytes(LOG)
    gz.write_bytes(gzip.compress(LOG[:1000]) + gzip.compress(LOG[1000:]))
    zst.write_bytes(zstandard.compress(LOG))
    assert count(plain) == count(gz) == count(zst) == 20_002


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_damaged_compression_is_read_up_to_the_damage(tmp_path: Path, kind: str) -> None:
    data = gzip.compress(LOG) if kind == "gzip" else zstandard.compress(LOG, level=1)
    path = tmp_path / "a"
    path.write_bytes(data[: len(data) // 2])
    source = open_source([str(path)])
    try:
        events = sum(len(batch) for batch in source.batches())
    except UnreadableInput:
        assert kind == "zstd"  # one block, and that was cut
        return
    assert 0 < events < 20_002
    assert "damaged" in source.stats.unreadable_lines[-1][1]


def test_stdin_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG)))
    source = open_source(["-"])
    assert sum(len(b) for b in source.batches()) == sum(len(b) for b in source.batches()) == 20_002
    assert source.info.size is None


def test_progress_is_told_and_ends_at_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(LOG)
    told: list[int] = []
    list(open_source([str(path)]).batches(told.append))
    assert told == sorted(told)
    assert told[-1] == len(LOG)


def test_a_set_by_folder_glob_and_file(tmp_path: Path) -> None:
    (tmp_path / "x.100").write_text("fork() = 101\nexit_group(0) = ?\n+++ exited with 0 +++\n")
    (tmp_path / "x.101").write_text("exit_group(1) = ?\n+++ exited with 1 +++\n")
    assert count(tmp_path) == count(f"{tmp_path}/x.*") == count(tmp_path / "x.100") == 6
    assert count(tmp_path / "x.100", tmp_path / "x.101") == 6


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (b"", EmptyInput, "empty"),
        (b"hello \x1b[31mworld\nx\n", NotATrace, "hello"),
        (b"\x7fELF\x02\x01\x01\x00\x00", NotATrace, "binary"),
        (b"BZh91AY", UnreadableInput, "bzip2"),
        (gzip.compress(b"no trace"), NotATrace, "no trace"),
    ],
)
def test_no_trace(tmp_path: Path, content: bytes, error: type[Exception], says: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(error, match=says) as caught:
        count(path)
    assert "\x1b" not in str(caught.value)


def test_missing_and_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="cannot read"):
        open_source([str(tmp_path / "nothing")])
    (tmp_path / "note").write_text("x")
    with pytest.raises(UnreadableInput, match="no files of"):
        open_source([str(tmp_path)])
    (tmp_path / "a.1").write_text("exit(0) = ?\n")
    (tmp_path / "b.2").write_text("exit(0) = ?\n")
    with pytest.raises(UnreadableInput, match="2 traces"):
        open_source([str(tmp_path)])
