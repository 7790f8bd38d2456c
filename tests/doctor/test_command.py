"""`ctrace doctor` as people run it: on this machine as it is, and as it would be with less."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.unit.cli.command import ARGV, ctrace, ctrace_on_a_terminal, environment
from tracer.doctor.trial import attempts

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/reference/doctor.schema.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs/reference/doctor.md").read_text(encoding="utf-8")
HERE = [sys.executable, "-m", "tracer", "doctor"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and other users are for root")


def document(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    """The JSON, valid by its schema, and in agreement with itself and the exit code."""
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.stderr == b""
    assert done.stdout.isascii()
    jsonschema.validate(found, SCHEMA)
    assert found["works"] == all(section["works"] for section in found["sections"])
    assert done.returncode == (0 if found["works"] else 1)
    for section in found["sections"]:
        for check in section["checks"]:
            assert check["status"] == "ok" or check["loss"] or check["found"]
            assert f"`{check['name']}`" in PAGE, "each check is described in doctor.md"
    return found


def checks(found: dict[str, Any], purpose: str) -> dict[str, dict[str, Any]]:
    (section,) = [section for section in found["sections"] if section["purpose"] == purpose]
    return {check["name"]: check for check in section["checks"]}


def wrapped(prefix: list[str], *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*prefix, *HERE, "--format", "json", *args],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )


# ---- as it is ----


def test_reading_logs_works_here() -> None:
    found = document(ctrace("doctor", "replay", "--format", "json"))
    assert [section["purpose"] for section in found["sections"]] == ["replay"]
    assert found["works"]
    assert set(checks(found, "replay")) == {"python", "packages", "hyperscan", "terminal", "strace"}


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_recommended_command_works(tmp_path: Path) -> None:
    found = document(ctrace("doctor", "replay", "--format", "json"))
    command = checks(found, "replay")["strace"]["commands"][0]["command"]
    argv = [*shlex.split(command)[:-1], "sh", "-c", "true & wait"]
    subprocess.run(argv, cwd=tmp_path, check=True, timeout=30)
    graph = json.loads(ctrace("replay", tmp_path / "strace.log", "--format", "json").stdout)
    assert [process["exit"] for process in graph["processes"]] == [{"code": 0}] * 2


def test_text_for_people() -> None:
    done = ctrace("doctor", "replay", "tree")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "\x1b" not in text
    assert re.search(r"^replay: .*   works", text, re.MULTILINE)
    assert re.search(r"^  ✓ ok       Python          3\.1", text, re.MULTILINE)
    assert not re.search(r"^watch", text, re.MULTILINE)


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_the_screen_keeps_to_its_width_but_for_commands(columns: int) -> None:
    _, shown = ctrace_on_a_terminal("doctor", "replay", "tree", columns=columns)
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    long = [line for line in plain.splitlines() if len(line) > columns]
    assert all(line.lstrip().startswith(("strace ", "sudo ", "ctrace ", "/", "mount ", "apt ")) for line in long)
    assert "…" not in plain
    assert shutil.which("strace") is None or "-o strace.log COMMAND\n" in plain
    _, without = ctrace_on_a_terminal("doctor", "replay", "tree", columns=columns, NO_COLOR="1")
    assert "\x1b" not in without


def test_ascii() -> None:
    text = ctrace("doctor", "replay", LC_ALL="C").stdout
    assert text.isascii()
    assert b"+ ok" in text
    assert b"export LC_ALL=C.UTF-8" in text
    assert ctrace("doctor", "replay", "--ascii").stdout.isascii()


def test_usage() -> None:
    done = ctrace("doctor", "everything")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"everything" in done.stderr


@pytest.mark.live
@needs_root
def test_both_loaders_trace_a_fork() -> None:
    (auto,) = attempts("auto")
    if not auto.works:
        pytest.skip(f"no loader works here: {auto.error}")
    done = ctrace("doctor", "live", "--loader", "both", "--format", "json")
    found = document(done)
    trials = {trial["loader"]: trial for trial in found["sections"][0]["trials"]}
    assert set(trials) == {"core", "bcc"}
    for trial in trials.values():
        assert trial["works"], trial["error"]
        assert 0 < trial["load_ms"] < 30_000
        assert 0 < trial["event_ms"] < 5_000
    assert [trial["loader"] for trial in trials.values() if trial["automatic"]] == ["core"] == [auto.loader]
    assert found["sections"][0]["verdict"] in {"ok", "limited"}


# ---- with less ----


def python_for_others() -> list[str]:
    """A Python of the same version that other users may run: the tests' own may lie in root's home."""
    python = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    if not Path(python).exists():
        pytest.skip(f"needs {python}")
    folders = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    return [python, "-P", "-c", f"import sys; sys.path += {folders!r}; from tracer.cli import entry; entry()", "doctor"]


@needs_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_not_root() -> None:
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    command = [*prefix, *python_for_others()]

    def run(*args: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*command, *args], cwd="/", env=environment(), capture_output=True, timeout=60, check=False
        )

    found = document(run("--format", "json"))
    assert {section["purpose"]: section["works"] for section in found["sections"]} == {
        "replay": True,
        "tree": True,
        "live": False,
    }
    live = checks(found, "live")
    assert (live["capabilities"]["status"], live["capabilities"]["mend"]) == ("limited", "sudo ctrace doctor")
    assert (live["probes"]["status"], live["probes"]["mend"]) == ("unknown", "sudo ctrace doctor")
    assert checks(found, "tree")["read-all"]["status"] == "limited"
    assert found["sections"][2]["trials"] == []
    assert "could not be checked" not in json.dumps(found)
    assert document(run("tree", "--format", "json"))["works"]


@needs_root
@pytest.mark.live
def test_root_without_the_capabilities() -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    drop = "-sys_admin,-bpf,-perfmon"
    found = document(wrapped(["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}"], "live"))
    live = checks(found, "live")
    assert live["capabilities"]["status"] == live["probes"]["status"] == "missing"
    assert "CAP_BPF" in live["capabilities"]["advice"]
    assert not found["works"]


@needs_root
@pytest.mark.live
def test_in_a_pid_namespace() -> None:
    """A container without the host's pid namespace: loaded perhaps, but the numbers are others."""
    found = document(wrapped(["unshare", "--pid", "--fork", "--mount-proc"], "tree", "live"))
    assert checks(found, "tree")["pid-namespace"]["status"] == "limited"
    live = checks(found, "live")
    assert live["live-pid-namespace"]["status"] == "missing"
    assert live["probes"]["status"] == "missing"
    assert not found["works"]


@needs_root
@pytest.mark.live
def test_without_sys_and_without_proc() -> None:
    hide = "mount -t tmpfs none /sys && mount -t tmpfs none /proc"
    found = document(wrapped(["unshare", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh"]))
    assert checks(found, "replay")["python"]["status"] == "ok"
    assert checks(found, "tree")["proc"]["status"] == "missing"
    live = checks(found, "live")
    assert live["btf"]["status"] == "missing"
    assert live["probes"]["status"] in {"missing", "unknown"}
    assert not found["works"]


@needs_root
@pytest.mark.live
def test_without_type_information() -> None:
    found = document(wrapped(["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys && exec "$@"', "sh"], "live"))
    live = checks(found, "live")
    assert live["btf"]["status"] == live["probes"]["status"] == "missing"
    assert found["sections"][0]["trials"][0]["error"]


def test_help_tells_the_exit_codes() -> None:
    text = subprocess.run([*ARGV, "doctor", "--help"], capture_output=True, text=True, check=True, timeout=30).stdout
    assert "Exit codes: 0" in text
