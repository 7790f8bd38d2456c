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

from tests.kernels.arch import Arch
from tests.kernels.debian import Mirrors, Unavailable, cache_folder, locked

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
PYTHON = "3.11"
"""That suite's."""
GLIBC_MINOR = 36
PACKAGES = ("python3", "strace", "libbpf1")
"""No bcc, no kernel headers."""
VERSION = 3
"""Raise it when what `_build_base` makes changes."""
INIT = Path(__file__).with_name("init.sh")
RUBBISH = (
    *("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/locale", "usr/share/man"),
    *("usr/share/i18n", "usr/share/info", "usr/share/zoneinfo", "usr/lib/*-linux-gnu/gconv", "debootstrap"),
)
TESTED = (
    *("tests/__init__.py", "tests/compiler.py", "tests/live", "tests/fuzz", "tests/kernels"),
    *("fixtures/programs", "fixtures/record"),
)
LOG = "fixtures/logs/containerd-pod/strace.log"
BUILT_FROM = ("tracer", "probes", "docs", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")


def base(mirrors: Mirrors, arch: Arch) -> Path:
    """The base's archive; builds it where it is missing (about a minute)."""
    folder = cache_folder() / f"base-{SUITE}-{arch.debian}-{VERSION}"
    archive = folder.with_suffix(".cpio")
    with locked(folder.parent):
        if not folder.is_dir():
            _build_base(folder, mirrors, arch)
        if not archive.exists():
            pack(folder, archive)
    return archive


def _build_base(final: Path, mirrors: Mirrors, arch: Arch) -> None:
    """Packages are unpacked and not set up: that would take running them, and the guest can do without."""
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    options = ["--foreign", f"--arch={arch.debian}", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command = ["debootstrap", *options, SUITE, str(partial), mirrors.main]
    log = final.with_suffix(".log")
    with log.open("wb") as output:
        # debootstrap and what it starts end with us.
        bounded = ["setpriv", "--pdeathsig", "TERM", *command]
        if subprocess.run(bounded, stdout=output, stderr=output, timeout=900, check=False).returncode:
            raise Unavailable(f"debootstrap failed, see {log}")
    for package in (partial / "var/cache/apt/archives").glob("*.deb"):
        _unpack(package, partial)
    for rubbish in RUBBISH:
        for path in partial.glob(rubbish):
            shutil.rmtree(path)
    (partial / "proc").unlink()  # debootstrap's link to this machine's
    (partial / "proc").mkdir()
    for name in ("passwd", "group"):
        shutil.copy(partial / f"usr/share/base-passwd/{name}.master", partial / "etc" / name)
    (partial / "etc/hostname").write_text("guest\n")
    # Where debootstrap got its packages is nobody's business.
    (partial / "etc/apt/sources.list").write_text("")
    (partial / "etc/resolv.conf").write_text("")
    partial.rename(final)


def _unpack(package: Path, target: Path) -> None:
    """As dpkg does it: /bin and the like stay links."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as files:
        command = ["tar", "--extract", "--keep-directory-symlink", "--directory", str(target)]
        subprocess.run(command, stdin=files.stdout, check=True, timeout=120)
    if files.returncode:
        raise Unavailable(f"{package.name} cannot be unpacked")


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


def payload(work: Path, arch: Arch, wheel_file: Path) -> Path:
    """Build the payload's archive in `work`, with this wheel."""
    top = work / f"payload-{arch.debian}"
    source = top / "opt" / "src"
    source.mkdir(parents=True)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *TESTED, LOG]
    _copy(subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout, source)
    compile_programs(top / "opt" / "programs", arch.compiler)
    _install(top / "opt" / "ctrace", arch, wheel_file)
    shutil.copy(INIT, top / "init")
    (top / "init").chmod(0o755)
    archive = top.with_suffix(".cpio")
    pack(top, archive)
    return archive


def _copy(listed: bytes, target: Path) -> None:
    """Copy these files (ended by NULs) of the source tree, those that are there."""
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def compile_programs(folder: Path, compiler: str = "gcc") -> Path:
    """Every C program of the tests, static: the guest needs no matching libc."""
    folder.mkdir(parents=True, exist_ok=True)
    fixtures = ROOT / "fixtures" / "programs"
    sources = [*fixtures.glob("*.c"), *(ROOT / "tests/live/programs").glob("*.c"), *(ROOT / "tests/fuzz").glob("*.c")]
    for source in sources:
        target = folder / source.stem
        command = [compiler, "-O1", "-w", "-static", "-pthread", f"-I{fixtures}", "-o", str(target), str(source)]
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


def _install(folder: Path, arch: Arch, wheel_file: Path) -> None:
    """A virtual environment for the guest's Python, with wheels for its processor."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(f"/usr/bin/python{PYTHON}")
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    target = ("--target", str(folder / "lib" / f"python{PYTHON}" / "site-packages"))
    platforms = [f"--platform=manylinux_2_{minor}_{arch.machine}" for minor in range(GLIBC_MINOR, 4, -1)]
    only = ("--only-binary", ":all:", "--python-version", PYTHON, "--implementation", "cp", *platforms)
    _pip("install", *target, *only, str(wheel_file), "pytest")
