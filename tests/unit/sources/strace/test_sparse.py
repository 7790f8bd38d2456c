"""Stretches of a full log: wherever they are cut, each line is in one of them, with its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tracer.sources.strace import sparse

if TYPE_CHECKING:
    from pathlib import Path

OTHER = b'%d openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3\n'
MATTERS = b"%d +++ exited with 0 +++\n"


def stretches(path: Path) -> tuple[list[tuple[int, bytes]], int, bytes]:
    """All lines picked with their numbers, the number of lines, and what is behind the last newline."""
    size = path.stat().st_size
    found: list[tuple[int, bytes]] = []
    at = 1
    rest = b""
    with sparse._File(str(path)) as file:
        for number in range(sparse._stretches(size)):
            lines, places, count, behind = file.pick(number, size)
            assert not (rest and (count or behind))  # the stretches behind the beginning of a last line are empty
            rest += behind
            found += [(at + place, line) for place, line in zip(places, lines.splitlines(), strict=True)]
            at += count
    return found, at - 1, rest


@pytest.mark.parametrize(("stretch", "block"), [(100, 60), (101, 100), (500, 77), (997, 300), (100_000, 60)])
@pytest.mark.parametrize("end", [b"", b"12 exit_gro"])
def test_each_line_is_picked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: int, block: int, end: bytes
) -> None:
    monkeypatch.setattr(sparse, "STRETCH", stretch)
    monkeypatch.setattr(sparse, "BLOCK", block)
    lines = [(MATTERS if tid % 7 == 0 else OTHER) % tid for tid in range(1, 400)]
    log = tmp_path / "log"
    log.write_bytes(b"".join(lines) + end)
    expected = [(at, line.rstrip()) for at, line in enumerate(lines, 1) if b"+++" in line]
    assert stretches(log) == (expected, len(lines), end)


def test_of_a_line_longer_than_a_block_the_beginning_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse, "STRETCH", 300)
    monkeypatch.setattr(sparse, "BLOCK", 100)
    log = tmp_path / "log"
    log.write_bytes(MATTERS % 1 + b"2 write(1, " + b"x" * 1000 + b"\n" + MATTERS % 3)
    found, count, rest = stretches(log)
    assert (found, count, rest) == ([(1, (MATTERS % 1).rstrip()), (3, (MATTERS % 3).rstrip())], 3, b"")
