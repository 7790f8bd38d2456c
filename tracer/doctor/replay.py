"""What reading logs needs, and making good ones."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shlex
import sys

from tracer.doctor.ask import NoAnswer, find_program, in_child, run
from tracer.doctor.machine import Machine, version_of
from tracer.doctor.report import Check, Status
from tracer.sources.ebpf.needs import package_command

TRACED = "trace=process,prctl,unshare,setns"
_PACKAGES = ("click", "rich", "networkx", "psutil", "zstandard")
_SCAN_TIMEOUT = 10.0
_INSTALL = {
    "debian": "apt install strace",
    "fedora": "dnf install strace",
    "arch": "pacman -S strace",
    "suse": "zypper install strace",
}


def python(_machine: Machine) -> Check:
    """The interpreter: this runs, so it is new enough."""
    return Check("python", "Python", Status.OK, platform.python_version())


def packages(_machine: Machine) -> Check:
    """The packages that pyproject.toml names, by their metadata: nothing is imported."""
    wanted = _wanted()
    said, wrong = [], []
    for name in _PACKAGES:
        found = _installed(name)
        if found is None:
            said.append(f"no {name}")
            wrong.append(name)
        else:
            said.append(f"{name} {found}")
            if version_of(found) < version_of(wanted.get(name, "0.0")):
                said[-1] += f" (older than {wanted[name]})"
                wrong.append(name)
    if not wrong:
        return Check("packages", "packages", Status.OK, ", ".join(said))
    return Check(
        "packages",
        "packages",
        Status.MISSING,
        ", ".join(said),
        loss="some commands and inputs fail",
        mend=_pip([f"{name}>={wanted[name]}" if name in wanted else name for name in wrong]),
    )


def hyperscan(_machine: Machine) -> Check:
    """The fast scanner for full logs, tried on one: its library may be built for a newer processor."""
    title = "hyperscan"
    loss = "logs of all system calls are scanned by `re`: slower, same result"
    version = _installed("hyperscan")
    if version is None:
        there = platform.machine() == "x86_64" and platform.python_implementation() == "CPython"
        if there and sys.version_info < (3, 14):
            return Check(title, title, Status.LIMITED, "not installed", loss, mend=_pip(["hyperscan>=0.7.8"]))
        machine = f"Python {sys.version_info[0]}.{sys.version_info[1]} on {platform.machine()}"
        return Check(title, title, Status.LIMITED, f"not made for {machine}", loss)
    try:
        in_child(_scan, _SCAN_TIMEOUT)
    except NoAnswer as error:
        mend = _pip(["--force-reinstall", "hyperscan>=0.7.8"])
        return Check(title, title, Status.LIMITED, f"{version} does not work: {error}", loss, mend=mend)
    return Check(title, title, Status.OK, version)


def _scan() -> bool:
    import hyperscan  # noqa: F401  make_find() would do without

    from tracer.sources.strace.fast.prefilter import make_find

    if not make_find()(b"1 clone3({flags=0}, 88) = 2\n"):
        raise NoAnswer("it finds nothing")
    return True


def strace(machine: Machine) -> Check:
    """The tracer that makes the logs, and how it is best called here."""
    program = find_program("strace")
    if program is None:
        loss = "no logs can be made here; those from elsewhere can be read"
        return Check(
            "strace", "strace", Status.LIMITED, "not installed", loss, *machine.mending(package_command(_INSTALL))
        )
    try:
        version = run(program, "-V")
        options = run(program, "--help")
    except NoAnswer as error:
        return Check("strace", "strace", Status.UNKNOWN, str(error), commands=commands(machine, ""))
    found = re.search(r"version (\S{1,40})", version)
    said = found[1] if found else "of an unknown version"
    if found and version_of(said) < (5, 3):
        loss = "older than 5.3: it does not know clone3, so threads and children come out of nowhere"
        mend, advice = machine.mending(package_command(_INSTALL))
        return Check("strace", "strace", Status.LIMITED, said, loss, mend, advice, commands(machine, options))
    return Check("strace", "strace", Status.OK, said, commands=commands(machine, options))


def commands(machine: Machine, options: str) -> tuple[tuple[str, str], ...]:
    """The calls of strace that leave nothing out, as far as `strace --help` offers it."""
    pidns = next((o for o in ("--decode-pids=pidns", "--pidns-translation") if o in options), "")
    # --seccomp-bpf would be faster, but leaves calls out (strace/joining/untold.py).
    start = shlex.join(["strace", "-f", "-tt", *filter(None, [pidns]), "-e", TRACED, "-o", "strace.log"])
    return (
        ("a good log of a command", start + " COMMAND"),
        ("of what runs", machine.as_root(start + ' -p "$(pidof containerd)"')),
    )


def terminal(_machine: Machine, *, ascii_only: bool) -> Check:
    """`ascii_only` is what the screen was found to be."""
    if not ascii_only:
        return Check("terminal", "terminal", Status.OK, "UTF-8")
    loss = "trees are drawn in ASCII"
    return Check("terminal", "terminal", Status.LIMITED, "no UTF-8", loss, mend="export LC_ALL=C.UTF-8")


def _wanted() -> dict[str, str]:
    """Package -> lowest version, as our own metadata has it; empty where we were not installed."""
    try:
        lines = importlib.metadata.requires("ctrace") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([A-Za-z0-9_.-]+)\s*>=\s*([0-9.]+)", line) for line in lines if "extra ==" not in line)
    return {match[1].lower(): match[2] for match in found if match}


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pip(packages: list[str]) -> str:
    return shlex.join([sys.executable or "python3", "-m", "pip", "install", *packages])
