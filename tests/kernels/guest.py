"""What runs on each kernel: steps, each bounded, each a line of JSON. `--output` is a serial port in the guest.

Every step is a process of its own, so that one which hangs or crashes is one failed line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tracer.sources.ebpf.core import object_path

PATIENCE = float(os.environ.get("CTRACE_TEST_PATIENCE", "1"))
"""How many times slower than a usual machine."""
SEEDS = {"live": 8, "both": 2, "both-ns": 2}
"""Random trees per option set."""
TESTS = ("tests/live/test_events.py", "tests/live/test_fixture_programs.py", "tests/live/test_statuses.py")
SAID_MAX = 6000
CTRACE = [sys.executable, "-m", "tracer"]

Step = dict[str, Any]


def run(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """A command with a time limit (times PATIENCE); code 124 where it was over."""
    began = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        out, err = began.communicate(timeout=seconds * PATIENCE)
        code = began.returncode
    except subprocess.TimeoutExpired:
        began.kill()
        out, err = began.communicate()
        code = 124
    return subprocess.CompletedProcess(
        command, code, out.decode("utf-8", "backslashreplace"), err.decode("utf-8", "backslashreplace")
    )


def failed(done: subprocess.CompletedProcess[str], why: str = "") -> Step:
    """What is told of a command that did not do what it should."""
    code = "time over" if done.returncode == 124 else f"exit code {done.returncode}"
    return {"ok": False, "why": why or code, "said": (done.stdout + done.stderr)[-SAID_MAX:]}


def facts() -> Step:
    """The kernel and what is installed."""
    done = run([*CTRACE, "--version"], 20)
    told = {
        "release": platform.release(),
        "python": platform.python_version(),
        "btf": Path("/sys/kernel/btf/vmlinux").exists(),
        "wheel": "site-packages" in run([sys.executable, "-c", "import tracer; print(tracer.__file__)"], 20).stdout,
        "compiler": bool(shutil.which("cc") or shutil.which("gcc")),
    }
    return {**told, "ok": True, "version": done.stdout.strip()} if not done.returncode else {**failed(done), **told}


def doctor() -> Step:
    """`ctrace doctor`: does it say that live tracing works?"""
    done = run([*CTRACE, "doctor", "--format", "json"], 60)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return failed(done)
    return {"ok": done.returncode in (0, 1), "code": done.returncode, "document": document}


def tree() -> Step:
    """`ctrace tree` has this process, with its parent."""
    done = run([*CTRACE, "tree", "--format", "json"], 30)
    try:
        processes = {p["pid"]: p for p in json.loads(done.stdout)["processes"]}
    except (ValueError, KeyError):
        return failed(done)
    right = processes.get(os.getpid(), {}).get("parent") == os.getppid()
    return {"ok": right, "processes": len(processes)} if right else failed(done, "this process has another parent")


def replay() -> Step:
    """A recorded log gives the known answer."""
    done = run([*CTRACE, "replay", "fixtures/logs/containerd-pod/strace.log"], 30)
    return {"ok": True} if "└─ containerd-shim-runc-v2 (103)" in done.stdout else failed(done)


def load(loader: str) -> Callable[[], Step]:
    """Load the probes, attach, trace one fork."""

    def step() -> Step:
        done = run([sys.executable, "-m", "tests.kernels.one_fork", loader], 30)
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            return failed(done)

    return step


def watch(loader: str) -> Callable[[], Step]:
    """`ctrace watch` as a user starts it: seconds and CPU until the first tree is there."""

    def step() -> Step:
        done = run([sys.executable, "-m", "tests.kernels.first_tree", loader], 30)
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            return failed(done)

    return step


def tests(loader: str) -> Callable[[], Step]:
    """The probes' tests: each event of a program in order, each kernel rule against /proc."""

    def step() -> Step:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            options = ["-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}", "--rootdir=."]
            done = run([*only(loader), sys.executable, "-m", "pytest", *options, *TESTS], 150)
            if not report.exists():
                return failed(done)
            cases = list(ET.parse(report).getroot().iter("testcase"))
        bad = {}
        for case in cases:
            for problem in (*case.iter("failure"), *case.iter("error"), *case.iter("skipped")):
                bad[f"{case.get('name')}"] = f"{problem.tag}: {problem.get('message')}\n{problem.text}"[-1500:]
        told = {"total": len(cases), "passed": len(cases) - len(bad), "bad": bad}
        return {"ok": bool(cases) and not bad and done.returncode == 0, **told}

    return step


def trees(loader: str, name: str) -> Callable[[], Step]:
    """Random trees of one option set against the kernel."""

    def step() -> Step:
        count = max(1, round(SEEDS[name] * float(os.environ.get("CTRACE_TEST_TREES", "1"))))
        done = run([*only(loader), sys.executable, "-m", "tests.kernels.trees", name, str(count)], 100)
        try:
            return dict(json.loads(done.stdout.splitlines()[-1]))
        except (ValueError, IndexError):
            return failed(done)

    return step


def only(loader: str) -> list[str]:
    """A prefix for commands: whatever chooses by itself finds nothing but this loader."""
    hide = 'mount -t tmpfs none "$0" && exec "$@"' if loader == "core" else 'mount --bind /dev/null "$0" && exec "$@"'
    found = bcc_folder() if loader == "core" else str(object_path())
    return ["unshare", "--mount", "sh", "-c", hide, found] if found else []


def bcc_folder() -> str:
    """Where the distribution's bcc is, or ''."""
    return next((str(p) for p in Path("/usr/lib").glob("python3*/*-packages/bcc") if p.is_dir()), "")


def steps(loaders: list[str]) -> Iterator[tuple[str, Callable[[], Step]]]:
    """Everything, in order; the tests and the trees with the first loader."""
    yield "facts", facts
    yield "tree", tree
    yield "replay", replay
    for loader in loaders:
        yield f"load {loader}", load(loader)
    yield f"watch {loaders[0]}", watch(loaders[0])
    yield "doctor", doctor
    yield "tests", tests(loaders[0])
    for name in SEEDS:
        yield f"trees {name}", trees(loaders[0], name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("/dev/stdout"))
    parser.add_argument("--only", default=os.environ.get("CTRACE_TEST_ONLY", ""), help="steps, with commas")
    parser.add_argument("--loaders", default=os.environ.get("CTRACE_TEST_LOADERS", "core,bcc"))
    arguments = parser.parse_args()
    wanted = [name for name in arguments.only.split(",") if name]
    with arguments.output.open("w") as output:
        for name, step in steps(arguments.loaders.split(",")):
            if wanted and name.split()[0] not in wanted:
                continue
            began = time.monotonic()
            try:
                told = step()
            except Exception as error:  # the other steps still have something to say
                told = {"ok": False, "why": repr(error)}
            line = {"step": name, "seconds": round(time.monotonic() - began, 2), **told}
            output.write(json.dumps(line) + "\n")
            output.flush()
        output.write(json.dumps({"step": "done"}) + "\n")


if __name__ == "__main__":
    main()
