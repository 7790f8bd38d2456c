"""The guest's root file system, as two initramfs archives that the kernel unpacks one over the other.

The base (a small Debian) is built once and kept. The payload is made anew each time: a virtual environment with the
wheel of this source tree, the tests, the programs that they start. Nothing of the payload is taken from the tree's own
environment, and there is no compiler in the guest.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.kernels.debian import Mirrors, Unavailable, cache_folder, locked

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
PYTHON = "3.11"
"""That suite's."""
PACKAGES = ("python3", "python3-venv", "strace", "libbpf1")
"""No bcc, no kernel headers."""
VERSION = 2
"""Raise it when what `_build_base` makes changes."""
INIT = Path(__file__).with_name("init.sh")
RUBBISH = (
    *("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/locale", "usr/share/man"),
    *("usr/share/i18n", "usr/share/info", "usr/share/zoneinfo", "usr/lib/x86_64-linux-gnu/gconv"),
)
TESTED = ("tests/__init__.py", "tests/live", "tests/fuzz", "tests/kernels", "fixtures/programs", "fixtures/record")
LOG = "fixtures/logs/containerd-pod/strace.log"
BUILT_FROM = ("tracer", "probes", "docs", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")


def base(mirrors: Mirrors) -> tuple[Path, Path]:
    """(folder, archive) of the base; builds both where they are missing (about a minute)."""
    folder = cache_folder() / f"base-{SUITE}-{VERSION}"
    archive = folder.with_suffix(".cpio")
    with locked(folder.parent):
        if not folder.is_dir():
            _build_base(folder, mirrors)
        if not archive.exists():
            pack(folder, archive)
    return folder, archive


def _build_base(final: Path, mirrors: Mirrors) -> None:
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    include = f"--include={','.join(PACKAGES)}"
    command = ["debootstrap", "--variant=minbase", include, SUITE, str(partial), mirrors.main]
    log = final.with_suffix(".log")
    with log.open("wb") as output:
        # debootstrap and what it starts end with us.
        bounded = ["setpriv", "--pdeathsig", "TERM", *command]
        if subprocess.run(bounded, stdout=output, stderr=output, timeout=900, check=False).returncode:
            raise Unavailable(f"debootstrap failed, see {log}")
    for rubbish in RUBBISH:
        shutil.rmtree(partial / rubbish, ignore_errors=True)
    (partial / "etc/hostname").write_text("guest\n")
    # Where debootstrap got its packages is nobody's business.
    (partial / "etc/apt/sources.list").write_text("")
    (partial / "etc/resolv.conf").write_text("")
    partial.rename(final)


def pack(folder: Path, archive: Path) -> None:
    """An uncompressed initramfs: what takes the least time to unpack under emulation."""
    partial = archive.with_suffix(".partial-cpio")
    with partial.open("wb") as output:
        names = subprocess.Popen(["find", ".", "-xdev", "-print0"], cwd=folder, stdout=subprocess.PIPE)
        command = ["cpio", "--quiet", "--null", "--create", "--format=newc", "--owner=0:0"]
        subprocess.run(command, cwd=folder, stdin=names.stdout, stdout=output, check=True, timeout=300)
        if names.wait(60):
            raise Unavailable(f"find failed in {folder}")
    partial.rename(archive)


def payload(work: Path, base_folder: Path) -> Path:
    """Build the payload's archive in `work`."""
    top = work / "payload"
    source = top / "opt" / "src"
    source.mkdir(parents=True)
    listed = subprocess.run(["git", "ls-files", "-z", "--", *TESTED, LOG], cwd=ROOT, check=True, capture_output=True)
    new = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard", "--", *TESTED],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    _copy(listed.stdout + new.stdout, source)
    compile_programs(top / "opt" / "programs")
    _install(work, top / "opt", base_folder, wheel(work))
    shutil.copy(INIT, top / "init")
    (top / "init").chmod(0o755)
    archive = work / "payload.cpio"
    pack(top, archive)
    return archive


def _copy(listed: bytes, target: Path) -> None:
    """Copy these files (ended by NULs) of the source tree, those that are there."""
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def compile_programs(folder: Path) -> Path:
    """Every C program of the tests, static: the guest needs no matching libc."""
    folder.mkdir(parents=True, exist_ok=True)
    fixtures = ROOT / "fixtures" / "programs"
    sources = [*fixtures.glob("*.c"), *(ROOT / "tests/live/programs").glob("*.c"), *(ROOT / "tests/fuzz").glob("*.c")]
    for source in sources:
        target = folder / source.stem
        command = ["gcc", "-O1", "-w", "-static", "-pthread", "-I", fixtures, "-o", target, source]
        subprocess.run(command, check=True, timeout=120)
    return folder


def wheel(work: Path) -> Path:
    """The wheel of what is committed or about to be."""
    copy = work / "wheel-source"
    copy.mkdir()
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *BUILT_FROM]
    _copy(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout, copy)
    _pip("wheel", "--no-deps", "--wheel-dir", str(work / "wheels"), str(copy))
    (built,) = (work / "wheels").glob("ctrace-*.whl")
    return built


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=300)


def _install(work: Path, opt: Path, base_folder: Path, built: Path) -> None:
    """A virtual environment at /opt/ctrace of the guest, made by the guest's own Python in a mount namespace."""
    only = ("--only-binary", ":all:", "--python-version", PYTHON, "--implementation", "cp")
    _pip("download", "--dest", str(built.parent), *only, str(built), "pytest")
    inside = (
        "python3 -m venv /opt/ctrace && "
        "/opt/ctrace/bin/pip --disable-pip-version-check install -q --no-index --find-links /mnt ctrace pytest"
    )
    script = 'mount --bind "$1" "$3/opt" && mount --bind "$2" "$3/mnt" && exec chroot "$3" /bin/sh -c "$4"'
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(
        [*command, str(opt), str(built.parent), str(base_folder), inside], check=True, timeout=300, env=environment
    )
