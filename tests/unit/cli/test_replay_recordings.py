"""`ctrace replay` of recordings: several nodes one after the other, and names told while a container lived."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.command import ctrace
from tracer.event import Clone, ContainerTold, Event, Exec, Snapshot
from tracer.runtime.oci import Details
from tracer.sources.recording import Header, RecordingWriter

ID = "5e" * 32
HOUR = 3_600_000_000_000


def record(path: Path, host: str, *more: Event) -> Path:
    shim = ("/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", ID, "-address", "/run/c.sock")
    events: list[Event] = [
        Snapshot(1, HOUR, 1, 1, 0, "systemd", "/lib/systemd/systemd", ("systemd",), 1, False, (), "/"),
        Snapshot(2, HOUR, 50, 50, 1, "containerd-shim", shim[0], shim, 2, False, (), "/c", True),
        *more,
    ]
    header = Header("ctrace.recording/1", "boot", 1_800_000_000 * 10**9, host, "6.1.0", "b", "0.1.0", "containerd")
    with path.open("wb") as file:
        writer = RecordingWriter(file, header)
        writer.write(events)
        writer.close()
    return path


def test_several_nodes_one_after_the_other(tmp_path: Path) -> None:
    one, two = record(tmp_path / "a", "node-a"), record(tmp_path / "b", "node-b")
    done = ctrace("replay", one, two)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "recorded on node-a (Linux 6.1.0) at 2027-01-15 09:00:00 UTC: containerd" in text
    assert text.index("node-a") < text.index("node-b")
    assert text.count("containerd-shim-runc-v2 (50)") == 2
    lines = ctrace("replay", one, two, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line).get("schema") for line in lines].count("ctrace.graph/1") == 2
    for wrong in (["--format", "json"], ["--format", "dot"]):
        assert ctrace("replay", one, two, *wrong).returncode == 2


def test_times_of_day(tmp_path: Path) -> None:
    """The machine was booted at 08:00:00 UTC, and this is an hour later; the next process comes after midnight."""
    path = record(tmp_path / "a", "node-a", Clone(3, 16 * HOUR + 1, 50, 60, 0, 17, start_time=9, parent=50))
    shown = ctrace("replay", path, "--format", "timeline").stdout.decode()
    assert "2  09:00:00.000000  " in shown
    assert "+1d 00:00:00.000000  containerd-shim" in shown
    assert "09:00:00.000000" in ctrace("explain", "50", path).stdout.decode()
    for moment, count in (("09:00:01", 2), ("+1d 00:00:01", 3), ("3600.5", 2), ("57600.5", 3)):
        done = ctrace("replay", path, "--at", moment, "--format", "json")
        assert len(json.loads(done.stdout)["processes"]) == count, moment
    assert json.loads(done.stdout)["source"]["boot_epoch"] == 1_800_000_000 * 10**9
    assert b"nothing after +1d 00:00:00.000000: shown" in ctrace("replay", path, "--at", "+2d 00:00:00").stderr
    assert "(60)" in ctrace("diff", path, "--at1", "09:00:01").stdout.decode()


def test_a_header_without_a_wall_clock(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        writer = RecordingWriter(file, Header("ctrace.recording/1", "boot", -(1 << 62), "node", "6.1.0", "b", "0", "x"))
        writer.write([Snapshot(1, HOUR, 1, 1, 0, "systemd", "/init", ("init",), 1, False, (), "/")])
        writer.close()
    assert b"  3600.000000  " in ctrace("replay", path, "--format", "timeline").stdout
    assert ctrace("replay", path, "--at", "09:00:01").returncode == 2


def test_names_told_while_the_container_lived(tmp_path: Path) -> None:
    details = Details("containerd", "web", "shop", "", "", "", ID)
    path = record(
        tmp_path / "a",
        "node-a",
        Clone(3, HOUR, 50, 60, 0, 17, start_time=9, parent=50),
        Exec(4, HOUR, 60, 60, "/pause", ("/pause",), False),
        ContainerTold(5, HOUR, 0, "", ID, tuple(details)),
    )
    assert "pod shop/web" in ctrace("replay", path).stdout.decode()
    document = json.loads(ctrace("replay", path, "--format", "json").stdout)
    shim = next(p for p in document["processes"] if p["pid"] == 50)
    assert (shim["container"]["pod_namespace"], shim["container"]["pod"]) == ("shop", "web")


def test_a_hostile_header_and_hostile_names_are_harmless(tmp_path: Path) -> None:
    path = record(tmp_path / "a", "\x1b[2Jevil", ContainerTold(3, None, 0, "", ID, ("x",)))
    done = ctrace("replay", path)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout
    assert rb"\x1b[2Jevil" in done.stdout
