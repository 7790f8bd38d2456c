"""Running `ctrace tree`, and C programs whose processes it shows."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.compiler import cannot_compile

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True, slots=True)
class Ran:
    """How it ended and what it said."""

    code: int
    out: str
    err: str


def ctrace(*words: str | int, code: int | None = 0, prefix: tuple[str, ...] = ()) -> Ran:
    """Run it; `code`: the exit code that it must have (None: any)."""
    command = [*prefix, sys.executable, "-m", "tracer", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return Ran(done.returncode, done.stdout, done.stderr)


def run(*command: str | Path) -> str:
    """What a command prints; with everything it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def tree(*words: str | int) -> str:
    """The text of `ctrace tree`, wide enough for anything."""
    return ctrace("tree", "--width", 200, *words).out


def processes(*words: str | int) -> dict[int, dict[str, Any]]:
    """By pid, as JSON has them."""
    document = json.loads(ctrace("tree", "--format", "json", *words).out)
    assert document["schema"] == "ctrace.graph/1"
    return {process["pid"]: process for process in document["processes"]}


def findings(*words: str | int) -> list[dict[str, Any]]:
    """What `--findings` says; the exit code must fit."""
    ran = ctrace("tree", "--findings", "--format", "json", *words, code=None)
    document = json.loads(ran.out)
    assert document["schema"] == "ctrace.findings/1"
    found: list[dict[str, Any]] = document["findings"]
    assert ran.code == (3 if found else 0), ran.err
    return found


def compiled(name: str, folder: Path) -> Path:
    """The program `programs/NAME.c`."""
    if reason := cannot_compile("-static"):
        pytest.skip(reason)
    program = folder / name
    command = ["gcc", "-static", "-O2", "-Wall", "-Werror", "-pthread", "-o", program, PROGRAMS / f"{name}.c"]
    subprocess.run(command, check=True, timeout=60)
    return program
