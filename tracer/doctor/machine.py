"""The machine that is looked at: files below a root, and what they say of the system as a whole."""

from __future__ import annotations

import os
import re
import shlex
from functools import cached_property
from pathlib import Path

from tracer.sources.ebpf.needs import INITIAL_PID_NS

MAX_BYTES = 1 << 20

_CAPABILITIES = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_KILL": 5,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
"""include/uapi/linux/capability.h: those that matter to us."""

_MANAGERS = ("apt ", "dnf ", "pacman ", "zypper ")

_INITIAL_USER_NS = 0xEFFFFFFD
"""As INITIAL_PID_NS."""


def version_of(text: str) -> tuple[int, int]:
    """The first `6.1` in it; (0, 0) where there is none."""
    found = re.search(r"(\d{1,5})\.(\d{1,5})", text, re.ASCII)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class Machine:
    """Reads below `root`, which is `/` but for tests. What is not there is None or empty, never an error."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """`name` is absolute."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str | None:
        """The beginning of a file, None where it cannot be read."""
        try:
            # Not blocking: a file may be a pipe, where somebody put one.
            file = os.open(self.path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            parts: list[bytes] = []
            while sum(map(len, parts)) < MAX_BYTES and (part := os.read(file, MAX_BYTES)):
                parts.append(part)
            return b"".join(parts).decode("utf-8", "surrogateescape")
        except OSError:
            return None
        finally:
            os.close(file)

    def lines(self, name: str) -> list[str]:
        """Those of a text file; none where it cannot be read. Only a newline ends one: mount points are named by
        strangers, and str.splitlines() ends lines at a dozen other characters, too."""
        text = self.text(name)
        return text.removesuffix("\n").split("\n") if text else []

    def names(self, folder: str) -> list[str]:
        """What is in a folder; empty where it cannot be read."""
        try:
            return sorted(entry.name for entry in self.path(folder).iterdir())
        except OSError:
            return []

    def status(self, key: str) -> str:
        """A line of this process's /proc/self/status; '' where it is not there."""
        text = self.text("/proc/self/status") or ""
        return ("\n" + text).partition(f"\n{key}:")[2].partition("\n")[0].strip()

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """The effective ones among those that matter; none where /proc does not tell."""
        try:
            bits = int(self.status("CapEff") or "0", 16)
        except ValueError:
            bits = 0
        return frozenset(name for name, bit in _CAPABILITIES.items() if bits >> bit & 1)

    @cached_property
    def is_root(self) -> bool:
        """The effective user is root."""
        uids = self.status("Uid").split()
        return uids[1] == "0" if len(uids) > 1 else os.geteuid() == 0

    @property
    def lacks_for_reading(self) -> list[str]:
        """Capabilities without which something of others cannot be read. The runtimes' files are root's own."""
        needed = ["CAP_SYS_PTRACE"] if self.is_root else ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"]
        return [capability for capability in needed if capability not in self.capabilities]

    def initial_namespace(self, kind: str) -> bool | None:
        """Whether our `pid` or `user` namespace is the machine's first; None where /proc does not tell."""
        try:
            target = self.path(f"/proc/self/ns/{kind}").readlink()  # pid:[4026531836]
            number = int(target.name.partition("[")[2].rstrip("]"))
        except (OSError, ValueError):
            return None
        return number == (INITIAL_PID_NS if kind == "pid" else _INITIAL_USER_NS)

    @cached_property
    def release(self) -> str:
        """As uname -r says."""
        return (self.text("/proc/sys/kernel/osrelease") or os.uname().release).strip()

    @property
    def version(self) -> tuple[int, int]:
        """(6, 18); (0, 0) where the release begins in no such way."""
        return version_of(self.release)

    @cached_property
    def distribution(self) -> dict[str, str]:
        """os-release(5)."""
        found = {}
        for line in self.lines("/etc/os-release") or self.lines("/usr/lib/os-release"):
            key, equals, value = line.partition("=")
            if equals and key.isidentifier():
                try:
                    found[key] = " ".join(shlex.split(value))
                except ValueError:
                    continue  # an open quote
        return found

    @cached_property
    def system(self) -> str:
        """`Linux 6.1.0-13-amd64 x86_64 · Debian GNU/Linux 12 (bookworm)`."""
        kernel = f"Linux {self.release} {os.uname().machine}"
        return " · ".join(filter(None, [kernel, self.distribution.get("PRETTY_NAME") or self.distribution.get("NAME")]))

    def as_root(self, command: str) -> str:
        """The command, with sudo where we are not root."""
        return command if self.is_root else f"sudo {command}"

    def mending(self, hint: str) -> tuple[str, str]:
        """A hint of ours as Check's `mend` and `advice`: the one if it is a command for here, else the other."""
        if hint.startswith("sudo "):
            return hint, ""
        # Where the distribution is not known there are several commands, each with a name in parentheses.
        if hint.startswith(_MANAGERS) and not re.search(r"\([A-Z][a-z]+, ", hint):
            return self.as_root(hint), ""
        return "", hint
