"""Real kernels, one after the other, with ctrace's wheel: `sudo make test-kernels`.

Needs root, Debian's apt and some 2 GB of disk; qemu emulates, so no /dev/kvm is needed. What is not here yet (qemu,
cpio, kernels, a small Debian) is fetched from the mirrors that this machine uses and kept in ~/.cache/ctrace/kernels.
A run of everything writes the table of docs/limits.md.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.kernels import rootfs, table
from tests.kernels.arch import ARM64, X86_64, Arch
from tests.kernels.debian import Kernel, Mirrors, Unavailable, cache_folder, kernel
from tests.kernels.machine import Boot, boot

KERNELS = ("bullseye", "bookworm", "trixie", "sid", "bookworm-arm64")
"""Debian's suites; x86_64 where it is not said."""
HERE = "here"
TOOLS = {"cpio": "cpio", "debootstrap": "debootstrap"}
PATIENCE = "2"
"""Time limits inside are this many times those of a usual machine."""


def install_tools(tools: dict[str, str]) -> None:
    """By apt, and only what is missing. Raises Unavailable."""
    missing = " ".join(package for tool, package in tools.items() if not shutil.which(tool, path=search_path())).split()
    if missing:
        print(f"installing {' '.join(missing)}", file=sys.stderr)
        command = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *missing]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise Unavailable(f"apt install {' '.join(missing)} failed: {done.stderr.strip()[-300:]}")


def search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def say(step: dict[str, Any]) -> None:
    """One line for each step as it ends."""
    name = step.get("step", "?")
    if name == "done":
        return
    rest = {k: v for k, v in step.items() if k not in ("step", "seconds", "ok", "said", "document", "bad", "problems")}
    print(f"  {'ok    ' if step.get('ok') else 'FAILED'} {step.get('seconds', 0):6.1f} s  {name}: {rest}", flush=True)
    for key in ("said", "bad", "problems"):
        if not step.get("ok") and step.get(key):
            value = step[key]
            print("    " + (value if isinstance(value, str) else json.dumps(value, indent=1)).replace("\n", "\n    "))


def split(name: str) -> tuple[str, Arch]:
    """(suite, processor) of one of KERNELS."""
    suite, _, debian = name.partition("-")
    return suite, ARM64 if debian == ARM64.debian else X86_64


def built(arches: Sequence[Arch], mirrors: Mirrors, work: Path) -> dict[Arch, list[Path]]:
    """The guests' archives. Raises Unavailable."""
    archives: dict[Arch, list[Path]] = {}
    if arches:
        wheel = rootfs.wheel(work)
        for arch in dict.fromkeys(arches):
            install_tools({**TOOLS, **arch.tools})
            archives[arch] = [rootfs.base(mirrors, arch), rootfs.payload(work, arch, wheel)]
    return archives


def emulated(arch: Arch, found: Kernel, archives: list[Path], work: Path, arguments: argparse.Namespace) -> Boot:
    """Boot and run everything."""
    settings = {"patience": arguments.patience, "trees": str(arguments.trees), "loaders": "core"}
    if arguments.only:
        settings["only"] = arguments.only
    return boot(arch, found.image, archives, work, arguments.seconds, settings, say)


def native(work: Path, arguments: argparse.Namespace) -> Boot:
    """The same steps on the running kernel, held by the keeper, which ends whatever is left of them."""
    programs = rootfs.compile_programs(work / "programs")
    output, control = work / "native", work / "control"
    output.touch()
    control.write_bytes(bytes(4096))
    keeper = [str(programs / "keeper"), "plain", "0", str(arguments.seconds), str(control)]
    steps = [sys.executable, "-m", "tests.kernels.guest", "--output", str(output), "--loaders", arguments.loaders]
    environment = {**os.environ, "CTRACE_TEST_PROGRAMS": str(programs), "CTRACE_TEST_TREES": str(arguments.trees)}
    environment |= {"CTRACE_TEST_ONLY": arguments.only, "CTRACE_TEST_PATIENCE": "2"}
    result = Boot()
    began = time.monotonic()
    with subprocess.Popen([*keeper, *steps], env=environment, cwd=rootfs.ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            while not result.finished and time.monotonic() < began + arguments.seconds and process.poll() is None:
                time.sleep(0.3)
                for line in output.read_text().splitlines()[len(result.steps) :]:
                    result.steps.append(json.loads(line))
                    say(result.steps[-1])
                result.finished = any(step["step"] == "done" for step in result.steps)
        finally:
            process.terminate()
            process.wait(30)
    result.seconds = time.monotonic() - began
    result.stopped = "" if result.finished else "the time was over"
    return result


def report(name: str, result: Boot, folder: Path) -> None:
    """Everything that was told, for who has to mend it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}: {'finished' if result.finished else result.stopped}, {result.seconds:.0f} s"]
    lines += [f"console: {line}" for line in result.trouble]
    for step in result.steps:
        said = {k: v for k, v in step.items() if isinstance(v, str) and "\n" in v}
        lines.append(json.dumps({k: v for k, v in step.items() if k not in said}))
        lines += [f"--- {key}\n{value}" for key, value in said.items()]
        lines += [f"--- {test}\n{text}" for test, text in step.get("bad", {}).items()]
    (folder / f"report-{name}.txt").write_text("\n".join(lines) + "\n")
    (folder / f"console-{name}.txt").write_text(result.console)


def main(argv: Sequence[str] | None = None) -> int:
    """0: all kernels are fine; 1: something failed; 77: this machine cannot run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.kernels.run", description=__doc__)
    parser.add_argument("--kernels", default=",".join((*KERNELS, HERE)), help="SUITE or SUITE-arm64, and `here`")
    parser.add_argument("--loaders", default="core,bcc", help="on the running kernel; the first runs tests and trees")
    parser.add_argument("--only", default="", help="steps: facts,tree,replay,load,watch,doctor,tests,trees")
    parser.add_argument("--trees", type=float, default=1.0, help="times the usual number of random trees")
    parser.add_argument("--seconds", type=float, default=900, help="for one kernel")
    parser.add_argument("--patience", default=PATIENCE, help="times the usual time limits, inside")
    parser.add_argument("--reports", type=Path, default=cache_folder() / "reports")
    parser.add_argument("--write", action="store_true", help="write the table though not everything ran")
    arguments = parser.parse_args(argv)
    if os.geteuid() != 0 or platform.machine() != "x86_64" or not shutil.which("apt-get"):
        print("skipped: needs root, x86_64 and apt (sudo make test-kernels)", file=sys.stderr)
        return 77
    os.environ["PATH"] = search_path()
    wanted = arguments.kernels.split(",")
    with tempfile.TemporaryDirectory(prefix="ctrace-kernels-") as folder:
        work = Path(folder)
        try:
            mirrors = Mirrors.of_this_machine()
            archives = built([split(name)[1] for name in wanted if name != HERE], mirrors, work)
        except Unavailable as error:
            print(f"skipped: {error}", file=sys.stderr)
            return 77
        rows = [one(name, mirrors, archives, work, arguments) for name in wanted]
    print(table.text(rows))
    whole = set(wanted) >= {*KERNELS, HERE} and not arguments.only
    if whole or arguments.write:
        table.write(rootfs.ROOT / "docs" / "limits.md", rows)
    return 0 if all(row.fine for row in rows) else 1


def one(
    name: str, mirrors: Mirrors, archives: dict[Arch, list[Path]], work: Path, arguments: argparse.Namespace
) -> table.Row:
    """One kernel's row."""
    print(f"{name}:", flush=True)
    if name == HERE:
        result = native(work, arguments)
        row = table.row(platform.release().partition("-")[0], "the machine itself, not emulated", result)
    else:
        suite, arch = split(name)
        try:
            found = kernel(suite, arch, mirrors)
        except Unavailable as error:
            print(f"  not run: {error}")
            return table.Row(name, f"Debian {suite}", notes=["its packages could not be fetched"])
        result = emulated(arch, found, archives[arch], work, arguments)
        row = table.row(found.release, f"Debian {suite} ({found.version})", result)
    if not result.finished:
        print(f"  FAILED: {result.stopped}\n    " + result.last_lines.replace("\n", "\n    "))
    for line in result.trouble:
        print(f"  console: {line}")
    report(name, result, arguments.reports)
    print(f"  {result.seconds:.0f} s in all", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
