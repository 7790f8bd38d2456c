"""The recording format: what is written is read back, and nothing in a file can hurt the reader."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tracer import event
from tracer.errors import InputError, NotATrace, OutputError, UnreadableInput
from tracer.event import Clone, Event, Exec, Exit, Lost, Snapshot
from tracer.reconstruct import reconstruct
from tracer.sources.detect import open_source
from tracer.sources.recording import (
    MAGIC,
    RecordingSource,
    RecordingWriter,
    decode_event,
    encode_event,
    header_here,
)

CLONE = Clone(1, 1000, 100, 101, 0, 17, 0, "", 5_000_000_123, (7, 1), 42, 100)
EXEC = Exec(2, 2000, 101, 101, "/bin/sh", ("sh", "-c", "echo '\x1b[31m'\udcff"), False)
EXIT = Exit(3, 3000, 101, 9)


def write(path: Path, events: list[Event]) -> None:
    with path.open("wb") as file:
        writer = RecordingWriter(file, header_here("containerd"))
        writer.write(events)
        writer.close()


def read(path: Path) -> tuple[list[Event], RecordingSource]:
    source = RecordingSource(str(path))
    return [e for batch in source.batches() for e in batch], source


def make(path: Path, *lines: bytes) -> Path:
    """A recording with these lines after a good header."""
    header = json.dumps(header_here("x")._asdict(), separators=(",", ":")).encode()
    path.write_bytes(zstandard.compress(b"\n".join([header, *lines, b""])))
    return path


def value_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value that a field of this type can have; texts include lone surrogates."""
    if hint is int:
        return st.integers(-(1 << 63), (1 << 64) - 1)
    if hint is str:
        return st.text(st.characters(), max_size=40)
    if hint is bool:
        return st.booleans()
    if get_origin(hint) in (Union, UnionType):
        return st.none() | value_of(get_args(hint)[0])
    return st.lists(value_of(get_args(hint)[0]), max_size=5).map(tuple)


def any_event() -> st.SearchStrategy[Event]:
    return st.one_of(
        [st.builds(kind, *[value_of(get_type_hints(kind)[f]) for f in kind._fields]) for kind in event.KINDS]
    )


@given(any_event())
def test_every_event_survives_a_line(one: Event) -> None:
    line = encode_event(one)
    assert line.isascii()
    assert "\n" not in line
    back = decode_event(json.loads(line))
    assert back == one
    assert type(back) is type(one)


def test_a_recording_reads_back_any_number_of_times_and_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "r.ctrace"
    write(path, [CLONE, EXEC, EXIT, Lost(4, None, 0, 12)])
    events, source = read(path)
    assert events == [CLONE, EXEC, EXIT, Lost(4, None, 0, 12)]
    assert [e for batch in source.batches() for e in batch] == events
    assert (source.stats.events, source.stats.lost, source.stats.unreadable) == (4, 12, 0)
    assert source.header.target == "containerd"
    assert source.info.clock == "boot"
    assert isinstance(open_source([str(path)]), RecordingSource)


def test_the_graph_of_a_recording_is_the_graph_of_its_events(tmp_path: Path) -> None:
    root = Snapshot(1, 1, 100, 100, 1, "sh", "/bin/sh", ("sh",), 4_000_000_000, False, (), "/x", True)
    write(tmp_path / "r", [root, CLONE._replace(at=2), EXEC._replace(at=3), EXIT._replace(at=4)])
    graph = reconstruct(RecordingSource(str(tmp_path / "r")))
    (child,) = graph.find(101)
    assert child.program is not None
    assert child.program.argv == EXEC.argv
    assert str(child.exit) == "killed by SIGKILL"
    assert child.birth_parent is graph.find(100)[0]


def test_long_arguments_are_cut_and_said_to_be(tmp_path: Path) -> None:
    write(tmp_path / "r", [EXEC._replace(argv=("x" * 10_000_000,) * 3), EXIT])
    (first, second), _ = read(tmp_path / "r")
    assert isinstance(first, Exec)
    assert first.argv_cut
    assert all(len(a) == 512 for a in first.argv)
    assert second == EXIT


@pytest.mark.parametrize("keep", [1, 20, 60, 200, 1000, 5000])
def test_a_cut_file_gives_its_beginning_and_says_so(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "r"
    events: list[Event] = [EXIT._replace(at=i, time=i * 7919 % 104729) for i in range(1, 20_001)]
    write(path, events)
    path.write_bytes(path.read_bytes()[:keep])
    try:
        found, source = read(path)
    except InputError:
        assert keep <= 200
        return
    assert found == events[: len(found)]
    assert source.stats.unreadable >= 1


def test_damage_in_the_middle_costs_what_follows_and_is_said(tmp_path: Path) -> None:
    path = tmp_path / "r"
    events: list[Event] = [EXIT._replace(at=i, time=i * 7919 % 104729) for i in range(1, 200_001)]
    write(path, events)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(data)
    found, source = read(path)
    intact = [e for i, e in enumerate(found) if i < len(events) and e == events[i]]
    assert len(intact) > 1000
    assert source.stats.unreadable >= 1


def test_what_was_written_before_a_kill_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "r"
    program = (
        "import sys, time\n"
        "from tracer.event import Exit\n"
        "from tracer.sources.recording import RecordingWriter, header_here\n"
        "w = RecordingWriter(open(sys.argv[1], 'wb'), header_here('x'))\n"
        "i = 0\n"
        "while True:\n"
        "    w.write([Exit(i + j, i, 7, 0) for j in range(100)]); i += 100\n"
        "    print(i, w._flushed_at, flush=True); time.sleep(0.01)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        flushed = written = 0
        last = ""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (flushed and written > flushed + 1000):
            count, stamp = process.stdout.readline().split()
            written = int(count)
            if last and stamp != last:
                flushed = written
            last = stamp
        process.send_signal(signal.SIGKILL)
    found, source = read(path)
    assert 0 < flushed <= len(found)
    assert found == [Exit(i, i // 100 * 100, 7, 0) for i in range(len(found))]
    assert source.stats.unreadable == 1  # the unfinished end


def test_unknown_kinds_and_fields_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    path = make(tmp_path / "r", b'["Teleport",1,2,3]', encode_event(EXIT)[:-1].encode() + b',"more",[1]]')
    found, source = read(path)
    assert found == [EXIT]
    assert (source.unknown, source.stats.unreadable) == (1, 1)
    assert source.stats.unreadable_lines == [(2, '["Teleport",1,2,3]')]


def test_fields_that_an_earlier_version_did_not_have_get_their_default(tmp_path: Path) -> None:
    found, _ = read(make(tmp_path / "r", b'["Clone",1,null,5,6,0,17]'))
    assert found == [Clone(1, None, 5, 6, 0, 17)]


@pytest.mark.parametrize(
    "line",
    [
        b'["Exit",1,2,3]',
        b'["Exit",1,2,"3",0]',
        b'["Exit",1,2,3.5,0]',
        b'["Exit",true,2,3,0]',
        b'["Exit",1,2,3,99999999999999999999999]',
        b'["Exit",1,2,3,' + b"9" * 6000 + b"]",
        b'["Exec",1,2,3,3,"f",[1],false]',
        b'["Exec",1,2,3,3,"f",{},false]',
        b'["Exec",1,2,3,3,"f",["a"],0]',
        b'[["Exit"],1,2,3,0]',
        b'{"Exit":1}',
        b"[]",
        b"null",
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b'["Exit",1,2,3,NaN]',
        b'["Exit",1,2,3,0',
        b'["Exit",1,2,3,0],["Exit",1,2,3,0]',
        b'["Exit",1,2,3,0],',
    ],
)
def test_a_line_that_is_no_event_is_counted_and_the_next_is_read(tmp_path: Path, line: bytes) -> None:
    found, source = read(make(tmp_path / "r", line, encode_event(EXIT).encode()))
    assert found == [EXIT]
    assert source.stats.unreadable == 1
    assert source.unknown == 0


@given(st.binary(max_size=300))
def test_any_bytes_after_the_header_are_harmless(data: bytes) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"ctrace-recording-{os.getpid()}"
    try:
        _, source = read(make(path, data))
    finally:
        path.unlink(missing_ok=True)
    assert source.stats.lines >= 1


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b'{"schema":"ctrace.recording/99","clock":"boot"}\n', "format 99"),
        (b'{"schema":"ctrace.recording/1"\n', "damaged"),
        (b'{"schema":"ctrace.recording/1","x":' + b"[" * 50_000 + b"\n", "damaged"),
    ],
)
def test_headers_that_cannot_be_used(tmp_path: Path, header: bytes, says: str) -> None:
    path = tmp_path / "r"
    path.write_bytes(zstandard.compress(header))
    with pytest.raises(UnreadableInput, match=says):
        RecordingSource(str(path))


def test_a_header_with_values_of_other_kinds_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(zstandard.compress(b'{"schema":"ctrace.recording/1","clock":[1],"host":7,"boot_epoch":"x"}\n'))
    header = RecordingSource(str(path)).header
    assert (header.clock, header.host, header.boot_epoch) == ("", "", 0)


def test_other_zstd_data_is_not_taken_for_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(zstandard.compress(b"hello\n"))
    with pytest.raises(NotATrace):
        open_source([str(path)])


def test_a_decompression_bomb_needs_little_memory(tmp_path: Path) -> None:
    """1 GiB of one line: read in bounded memory, in a process whose address space would not hold it."""
    path = tmp_path / "r"
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    with path.open("wb") as file:
        file.write(compressor.compress(MAGIC + b'1","clock":"boot"}\n'))
        for _ in range(1024):
            file.write(compressor.compress(bytes(1 << 20)))
        file.write(compressor.flush())
    program = (
        "import sys\n"
        "from tracer.sources.recording import RecordingSource\n"
        "s = RecordingSource(sys.argv[1])\n"
        "print(sum(len(b) for b in s.batches()), s.stats.unreadable)\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))

    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, preexec_fn=limit, check=False
    )
    assert done.stderr == ""
    events, unreadable = done.stdout.split()
    assert events == "0"
    assert int(unreadable) >= 1


class FullDisk(io.RawIOBase):
    """Takes a few bytes, then has no room (what a full file system does to write)."""

    room = 100

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        taken = min(len(data), self.room)
        self.room -= taken
        if not taken:
            raise OSError(28, "No space left on device")
        return taken


def test_a_full_disk_is_an_error_with_a_message() -> None:
    with pytest.raises(OutputError, match="No space left on device"):
        RecordingWriter(FullDisk(), header_here("x"))


def test_a_real_full_device_is_an_error_with_a_message() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb", buffering=0) as file, pytest.raises(OutputError, match="No space left on device"):
        RecordingWriter(file, header_here("x"))


def test_frames_are_ended_so_that_damage_stays_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracer.sources.recording.writer.FRAME_BYTES", 1000)
    with (tmp_path / "r").open("wb") as file:
        writer = RecordingWriter(file, header_here("x"))
        for i in range(200):
            writer.write([EXIT._replace(at=i)])
            writer.flush()
        writer.close()
    assert (tmp_path / "r").read_bytes().count(b"\x28\xb5\x2f\xfd") > 3
    found, source = read(tmp_path / "r")
    assert found == [EXIT._replace(at=i) for i in range(200)]
    assert source.stats.unreadable == 0
