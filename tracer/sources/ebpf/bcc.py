"""Loads the probes with bcc, and says what is missing where that fails.

bcc is the distribution's package (Debian `python3-bpfcc`, Fedora `python3-bcc`): pure Python over libbcc, which a
virtual environment does not see, so it is looked for where distributions put it. bcc insists on kernel headers to
compile; only constants and integer types come from them, every struct offset comes from the running kernel's BTF.
So any kernel's headers do, and those of /usr/src are taken where none match the running kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import platform
import re
import sys
import tempfile
import warnings
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.errors import CapabilityError
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.btf import Btf, field_macros
from tracer.sources.ebpf.misses import Misses, preemptible
from tracer.sources.ebpf.needs import (
    RING_SIZE,
    SYSTEM_CALLS,
    TRACEPOINTS,
    TRACKED_MAX,
    check_privileges,
    package_command,
    probe_folder,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class BccProbes:
    """The loaded programs and their maps. Raises CapabilityError where they cannot be loaded."""

    def __init__(self, ring_size: int = RING_SIZE, tracked_max: int = TRACKED_MAX) -> None:
        check_privileges()
        macros = field_macros(Btf.of_kernel(), (probe_folder() / "fields.h").read_text(), platform.machine())
        macros[f"CT_{platform.machine().upper()}"] = 1
        macros["CT_RING_PAGES"] = ring_size // os.sysconf("SC_PAGESIZE")
        macros["CT_TRACKED_MAX"] = tracked_max
        bcc = import_bcc()
        flags = [f"-D{name}={value}" for name, value in macros.items()] + [f"-I{probe_folder()}"]
        source, include = kernel_headers()
        with _environment("BCC_KERNEL_SOURCE", source), _captured_stderr() as noise:
            try:
                self._bpf = bcc.BPF(text=program_text().encode(), cflags=flags + include)
                loaded = {n: self._bpf.load_func(n.encode(), bcc.BPF.RAW_TRACEPOINT) for n in TRACEPOINTS.values()}
            except Exception as error:  # bcc raises plain Exception
                raise _load_failure(str(error), noise()) from None
        # What can be preempted is attached once only: bcc keeps one program of each tracepoint.
        counted = {name: int(function.fd) for name, function in loaded.items()} if preemptible() else {}
        self._calls = Misses([fd for name, fd in counted.items() if name == SYSTEM_CALLS])
        self._others = Misses([fd for name, fd in counted.items() if name != SYSTEM_CALLS])
        self.ring_size = ring_size
        self.ring_fd = int(self._bpf[b"events"].map_fd)
        self._tracked = self._bpf[b"tracked"]
        self._followed = self._bpf[b"followed"]
        self._counters = self._bpf[b"counters"]

    def attach(self) -> None:
        """Let events flow. Raises CapabilityError."""
        with _captured_stderr() as noise:
            for tracepoint, program in TRACEPOINTS.items():
                try:
                    self._bpf.attach_raw_tracepoint(tp=tracepoint.encode(), fn_name=program.encode())
                except Exception as error:
                    raise _load_failure(f"tracepoint {tracepoint}: {error}", noise()) from None

    def track(self, tgid: int, start: int, mode: int, *, replace: bool = True) -> None:
        """Record this process, and with wire.MEMBER all that it creates. `start` 0: not known.

        `replace`: also where the number is tracked already.
        """
        key = ctypes.c_uint32(tgid)
        if not replace and key in self._tracked:
            return
        leaf = self._tracked.Leaf()
        leaf.start, leaf.mode = start, mode
        self._tracked[key] = leaf

    def tracked(self) -> dict[int, tuple[int, int]]:
        """tgid -> (start, mode), as the kernel has it now."""
        return {key.value: (leaf.start, leaf.mode) for key, leaf in self._tracked.items()}

    def follow(self, comm: str) -> None:
        """Record each process from the moment that it execs a program of this name, whoever starts it."""
        key = self._followed.Key()
        key.comm = comm.encode("utf-8", "surrogateescape")[:15]
        self._followed[key] = ctypes.c_uint32(1)
        self.set_counter(wire.COUNTER_FOLLOWING, self.counter(wire.COUNTER_FOLLOWING) + 1)

    def counter(self, slot: int) -> int:
        """A slot of the counters map (wire.COUNTER_*)."""
        return int(self._counters[ctypes.c_int(slot)].value)

    def set_counter(self, slot: int, value: int) -> None:
        """Write a slot of the counters map."""
        self._counters[ctypes.c_int(slot)] = ctypes.c_uint64(value)

    def events_left_out(self) -> int:
        """Events so far that the kernel ran no program for."""
        return self._others.count()

    def calls_left_out(self) -> int:
        """System calls of this machine so far that the kernel ran no program for."""
        return self._calls.count()

    def close(self) -> None:
        """Detach and unload."""
        self._calls.close()
        self._others.close()
        self._bpf.cleanup()


def program_text() -> str:
    """The program as one file: bcc rewrites map accesses in the main file only."""
    folder = probe_folder()
    text = (folder / "ctrace.bpf.c").read_text()
    return re.sub('#include "(?!compat_core)(.*)"', lambda included: (folder / included[1]).read_text(), text)


# ---- bcc ----

_PACKAGE_FOLDERS = (
    "/usr/lib/python3/dist-packages",  # Debian, Ubuntu
    "/usr/lib/python3*/site-packages",  # Fedora, Rocky, Arch, openSUSE
    "/usr/lib64/python3*/site-packages",
)

_INSTALL = {
    "debian": "apt install python3-bpfcc linux-headers-$(uname -r)",
    "fedora": "dnf install python3-bcc kernel-devel-$(uname -r)",
    "arch": "pacman -S python-bcc linux-headers",
    "suse": "zypper install python3-bcc kernel-default-devel",
}


def install_command() -> str:
    """What installs bcc and kernel headers on this distribution."""
    return package_command(_INSTALL)


def import_bcc() -> Any:
    """The bcc module, the distribution's first. Raises CapabilityError where there is none, or only its namesake."""
    root = Path("/")
    folders = [str(found) for pattern in _PACKAGE_FOLDERS for found in sorted(root.glob(pattern[1:]))]
    spec = PathFinder.find_spec("bcc", folders)
    if spec is not None and spec.loader is not None:
        loaded = sys.modules.get("bcc")
        if loaded is not None and hasattr(loaded, "BPF"):
            return loaded
        module = module_from_spec(spec)
        sys.modules["bcc"] = module
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # bcc 0.26 has escapes that Python 3.12 warns of
                spec.loader.exec_module(module)
        except (ImportError, OSError, SyntaxError) as error:
            sys.modules.pop("bcc", None)
            raise CapabilityError(
                f"bcc is there ({spec.origin}) but cannot be loaded: {error}", install_command()
            ) from None
        return module
    try:
        module = importlib.import_module("bcc")
    except ImportError:
        raise CapabilityError("live tracing needs bcc, which is not installed", install_command()) from None
    if not hasattr(module, "BPF"):
        raise CapabilityError(
            "the Python package `bcc` that is installed here is another project (crystallography), not the BPF "
            "compiler collection",
            install_command(),
        )
    return module


# ---- kernel headers ----


def kernel_headers() -> tuple[str | None, list[str]]:
    """(value for BCC_KERNEL_SOURCE or None for bcc's own choice, further compiler flags).

    Raises CapabilityError where there are no headers at all.
    """
    modules = Path("/lib/modules") / platform.release()
    if "BCC_KERNEL_SOURCE" in os.environ:
        return os.environ["BCC_KERNEL_SOURCE"], []
    # /sys/kernel/kheaders.tar.xz does not count: bcc before 0.30 unpacks it to /tmp/kheaders-RELEASE, and takes that
    # folder as it is where somebody else made it first (CVE-2024-2314).
    if (modules / "build" / "include").is_dir():
        return None, []
    for build in sorted(Path("/lib/modules").glob("*/build"), reverse=True):
        source = build.parent / "source"
        if not (build / "include/generated/autoconf.h").exists():
            continue
        if not (source / "include").is_dir():
            source = build
        arch = {"x86_64": "x86", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        generated = [f"arch/{arch}/include/generated/uapi", f"arch/{arch}/include/generated"]
        return str(source), [f"-I{build}/{folder}" for folder in [*generated, "include", "include/generated/uapi"]]
    raise CapabilityError("bcc needs kernel headers, and none are installed", install_command())


# ---- errors ----


def _load_failure(error: str, noise: str) -> CapabilityError:
    """The reason why the kernel or the compiler refused."""
    refused = refusal(error + noise)
    if refused is not None:
        return refused
    lines = [line.strip() for line in noise.splitlines() if line.strip()]
    detail = next((line for line in lines if "error" in line or "Failed" in line or "Unable" in line), "")
    text = f"the probes cannot be loaded: {error}" + (f" ({detail})" if detail and detail not in error else "")
    return CapabilityError(text, f"Are bcc and the kernel headers whole? {install_command()}")


@contextlib.contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    """Set a variable of the environment for a while; None leaves it alone."""
    old = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if value is not None:
            if old is None:
                del os.environ[name]
            else:
                os.environ[name] = old


@contextlib.contextmanager
def _captured_stderr() -> Iterator[Any]:
    """Catch what libbcc and clang write to file descriptor 2; yields a function that returns it."""
    with tempfile.TemporaryFile() as file:
        saved = os.dup(2)

        def written() -> str:
            file.seek(0)
            return file.read(200_000).decode("utf-8", "replace")

        os.dup2(file.fileno(), 2)
        try:
            yield written
        finally:
            os.dup2(saved, 2)
            os.close(saved)
