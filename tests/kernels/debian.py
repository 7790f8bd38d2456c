"""Packages of any Debian suite, by the mirrors that this machine's apt uses, without touching its setup."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kernels.arch import Arch

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
IMAGES = ("linux-image-", "linux-binary-")
"""Up to 6.x the image has the kernel; from 7.x on the package named binary."""
UPDATE_SECONDS = 300
DOWNLOAD_SECONDS = 300


class Unavailable(Exception):
    """What was asked for cannot be had here; the text says why."""


def cache_folder() -> Path:
    """$CTRACE_KERNELS_CACHE, or ~/.cache/ctrace/kernels."""
    given = os.environ.get("CTRACE_KERNELS_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "ctrace" / "kernels"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else builds in this folder; the lock goes with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(slots=True, frozen=True)
class Mirrors:
    """Where this machine gets Debian from."""

    main: str
    security: str | None

    @staticmethod
    def of_this_machine() -> Mirrors:
        """Raises Unavailable where apt has no Debian mirror."""
        command = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)", "Created-By: Packages"]
        try:
            said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(f"apt does not tell its mirrors: {error}") from None
        main = security = None
        for line in said.splitlines():
            origin, codename, uri = line.split(" ", 2)
            if origin == "Debian" and codename.endswith("-security"):
                security = security or uri
            elif origin == "Debian":
                main = main or uri
        if main is None:
            raise Unavailable("apt has no Debian mirror here (or apt-get update never ran)")
        return Mirrors(main, security)


class Suite:
    """One suite, with lists of its own."""

    def __init__(self, name: str, architecture: str, mirrors: Mirrors, folder: Path) -> None:
        self.name = name
        self._architecture = architecture
        self._folder = folder / f"{name}-{architecture}"
        for part in ("lists/partial", "cache/archives/partial", "downloads"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        sources = [f"deb [signed-by={KEYRING}] {mirrors.main} {name} main"]
        if mirrors.security and name != "sid":
            sources.append(f"deb [signed-by={KEYRING}] {mirrors.security} {name}-security main")
        (self._folder / "sources.list").write_text("\n".join(sources) + "\n")

    def _apt(self, tool: str, *arguments: str, seconds: float = 60, cwd: Path | None = None) -> str:
        settings = {
            "Dir::Etc::sourcelist": self._folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": self._folder / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": self._folder / "cache",
            "APT::Architecture": self._architecture,
            "APT::Architectures": self._architecture,
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "APT::Sandbox::User": "root",
        }
        options = [f"-o{key}={value}" for key, value in settings.items()]
        command = [tool, *options, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=cwd, check=False)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{self.name}: {tool} {arguments[0]} took over {seconds:.0f} s") from None
        if done.returncode:
            last = (done.stderr.strip() or "no reason given").splitlines()[-1]
            raise Unavailable(f"{self.name}: {tool} {arguments[0]}: {last}")
        return done.stdout

    def update(self) -> None:
        """Fetch the lists. Raises Unavailable where the suite cannot be reached."""
        self._apt("apt-get", "update", "-qq", "--error-on=any", seconds=UPDATE_SECONDS)

    def _fields(self, package: str) -> dict[str, str]:
        shown = self._apt("apt-cache", "show", "--no-all-versions", package)
        return dict(line.split(": ", 1) for line in shown.splitlines() if ": " in line)

    def holders(self, package: str, prefixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """(package, version) of what a metapackage stands for: its dependencies of these names, and theirs."""
        fields = self._fields(package)
        for dependency in fields.get("Depends", "").split(","):
            name = dependency.strip().partition(" ")[0]
            if name.startswith(prefixes):
                yield name, self._fields(name)["Version"]
                yield from self.holders(name, prefixes)

    def unpacked(self, package: str, version: str) -> Path:
        """The files of a package, in a folder that stays."""
        target = self._folder / f"{package}_{version}"
        if not target.is_dir():
            downloads = self._folder / "downloads"
            shutil.rmtree(downloads)
            downloads.mkdir()
            self._apt("apt-get", "download", f"{package}={version}", seconds=DOWNLOAD_SECONDS, cwd=downloads)
            (archive,) = downloads.glob("*.deb")
            partial = target.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            subprocess.run(["dpkg-deb", "-x", archive, partial], check=True, timeout=120)
            partial.rename(target)
            archive.unlink()
        return target


@dataclass(slots=True, frozen=True)
class Kernel:
    """A kernel to boot."""

    image: Path
    release: str
    version: str
    """The package's."""


def kernel(suite: str, arch: Arch, mirrors: Mirrors) -> Kernel:
    """The suite's newest; fetched if it is not here yet. Raises Unavailable."""
    folder = cache_folder() / "debian"
    with locked(folder):
        source = Suite(suite, arch.debian, mirrors, folder)
        source.update()
        for real, version in source.holders(arch.kernel, IMAGES):
            files = source.unpacked(real, version)
            for image in [*files.glob("boot/vmlinuz-*"), *files.glob("usr/lib/modules/*/vmlinuz")]:
                release = image.parent.name if image.name == "vmlinuz" else image.name.removeprefix("vmlinuz-")
                return Kernel(image, release, version)
    raise Unavailable(f"{suite}: {arch.kernel} leads to no vmlinuz")
