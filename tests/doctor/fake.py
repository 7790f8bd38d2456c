"""Machines made of literal files, for what cannot be changed on a real one."""

from __future__ import annotations

from pathlib import Path

from tracer.doctor.machine import Machine

ROOT_CAPS = "000001ffffffffff"
"""All 41 of Linux 6.1."""
PLAIN = {
    "/proc/self/status": f"Name:\tctrace\nUid:\t0\t0\t0\t0\nCapEff:\t{ROOT_CAPS}\n",
    "/proc/self/stat": "1 (ctrace) R 0\n",
    "/proc/sys/kernel/osrelease": "6.1.0-13-amd64\n",
    "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
}
"""A plain Debian, root."""
LINKS = {"/proc/self/ns/pid": "pid:[4026531836]", "/proc/self/ns/user": "user:[4026531837]"}
NOT_ROOT = {"/proc/self/status": "Name:\tctrace\nUid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n"}


def machine(root: Path, files: dict[str, str | bytes] | None = None, links: dict[str, str] | None = None) -> Machine:
    """The plain one with these files and links added or replaced."""
    for name, text in {**PLAIN, **(files or {})}.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for name, target in {**LINKS, **(links or {})}.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return Machine(root)
