"""What a log does not have is said under its tree, where something could not be known for it, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.command import LOG, ctrace
from tracer.reconstruct import reconstruct
from tracer.render.lacking import lacking
from tracer.sources.detect import COMPLETE_LOG, open_source

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"


@pytest.mark.parametrize(
    ("log", "lacks"),
    [
        ("clone_parent_chain/tt.log", []),  # prctl was traced, and everything is known
        ("exec_chain/f.log", []),  # nothing calls prctl, and nothing needs it
        ("containerd-pod/strace.log", []),  # what is assumed there lies above the trace
        ("deep_chain/no-prctl.log", ["prctl", "wait4"]),  # nobody waits in it, and there are zombies
        ("clone_parent/no-clone3.log", ["clone3", "wait4"]),
        ("containerd-pod/no-clone3.log", ["clone3", "wait4"]),
    ],
)
def test_recorded_logs(log: str, lacks: list[str]) -> None:
    source = open_source([str(LOGS / log)])
    said = lacking(reconstruct(source).processes, source.stats.calls)
    assert [call for call in ("clone,", "clone3", "prctl", "wait4") if call in said] == lacks


def test_it_is_said_under_the_tree(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    log.write_text("".join(line for line in LOG.splitlines(keepends=True) if "prctl" not in line))
    shown = ctrace("replay", log).stdout.decode()
    said = "Not in this log: prctl (who is a subreaper). If strace was not asked for that, trace it again:"
    assert shown.endswith(f"\n{said}\n  {COMPLETE_LOG}\n")
    assert "Not in this log" not in ctrace("replay", log, "--pid", "101").stdout.decode()


def test_only_execve_was_traced(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    log.write_text('10 execve("/bin/a", ["a"], 0x7) = 0\n11 execve("/bin/b", ["b"], 0x7) = 0\n')
    assert b"clone, clone3, fork, vfork (who created whom)" in ctrace("replay", log).stdout
