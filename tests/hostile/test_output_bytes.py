"""Every output format, byte by byte: nothing that a terminal would obey, whatever traced processes call themselves."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given

from tests.hostile.examples import many
from tests.hostile.invariants import check_tame
from tests.hostile.strange_logs import NASTY, logs
from tracer.cli import main

FORMATS = (
    ["--format", "tree"],
    ["--format", "tree", "--threads", "--reasons", "--ascii"],
    ["--view", "lineage"],
    ["--format", "timeline"],
    ["--format", "json"],
    ["--format", "jsonl"],
    ["--format", "dot"],
    ["--unreadable"],
)
CODES = (0, 1)


def run_ctrace(arguments: list[str]) -> tuple[int, bytes]:
    """In this process, as the shell would call it; standard error is part of what a terminal gets."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(arguments)
        out.flush()
    return code, raw.getvalue()


@pytest.mark.parametrize("options", FORMATS, ids=" ".join)
@many(60)
@given(raw=logs())
def test_strange_logs_print_tame(options: list[str], raw: bytes) -> None:
    with tempfile.NamedTemporaryFile(prefix="ctrace-hostile-") as file:
        file.write(raw)
        file.flush()
        code, output = run_ctrace(["replay", file.name, *options])
    assert code in CODES
    check_tame(output)
    if code == 0 and options[-1] == "json":
        json.loads(output)
    if code == 0 and options[-1] == "jsonl":
        for line in output.splitlines():
            json.loads(line)


@pytest.mark.parametrize("options", FORMATS, ids=" ".join)
def test_each_nasty_name_everywhere(options: list[str], tmp_path: Path) -> None:
    lines = []
    for i, text in enumerate(NASTY):
        name = text.replace('"', '\\"').replace("\n", "\\n").encode("utf-8", "surrogatepass")
        tid = b"%d" % (1000 + i)
        lines += [
            b"5     fork() = " + tid,
            tid + b'  execve("/bin/%s", ["%s", "%s"], 0x7ff /* 1 var */) = 0' % (name, name, name),
            tid + b'  prctl(PR_SET_NAME, "%s") = 0' % name,
            tid + b"  " + name,
        ]
    log = tmp_path / "log"
    log.write_bytes(b'5     execve("/bin/t", ["t"], 0x7ff /* 1 var */) = 0\n' + b"\n".join(lines) + b"\n")
    code, output = run_ctrace(["replay", str(log), *options])
    assert code == 0
    check_tame(output)
    assert b"\\" in output, "the names were shown, escaped"


@pytest.mark.parametrize("name", ["\x1b[2J", "\u202ex", "a\nb", "[bold]x[red]", "\x9b1m", "-"])
def test_file_names_are_traced_text_too(name: str, tmp_path: Path) -> None:
    for content in (b"", b"hello\n", b'5     execve("/bin/t", ["t"], 0x7ff /* 1 var */) = 0\n'):
        path = tmp_path / ("x" + name)
        path.write_bytes(content)
        code, output = run_ctrace(["replay", str(path)])
        assert code in CODES
        check_tame(output)
    code, output = run_ctrace(["replay", str(tmp_path / "gone") + name])
    assert code == 1
    check_tame(output)


def test_an_error_quotes_its_line_tamely(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_bytes(b"\x1b]0;owned\x07 \xc2\x9b31m \xe2\x80\xae [bold] hello\n")
    code, output = run_ctrace(["replay", str(path)])
    assert code == 1
    check_tame(output)
    assert b"hello" in output
