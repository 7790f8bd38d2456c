"""Loads the compiled probes with libbpf, which fits them to the running kernel by its BTF (CO-RE).

Needs neither headers nor a compiler: probes/ctrace.MACHINE.bpf.o ships with the package. Nothing is pinned: programs
and maps live as long as this process, however it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import platform
import re
import resource
import struct
from ctypes import c_uint32, c_uint64
from typing import TYPE_CHECKING

from tracer.errors import CapabilityError
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.libbpf import BpfError, Libbpf
from tracer.sources.ebpf.misses import Misses, preemptible
from tracer.sources.ebpf.needs import (
    RING_SIZE,
    SYSTEM_CALLS,
    TRACEPOINTS,
    TRACKED_MAX,
    TURNS,
    check_privileges,
    probe_folder,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TRACKED = struct.Struct("=QII")
"""struct ct_tracked."""

_BPF_NOEXIST = 1

_UNRESOLVED = re.compile(r"failed to resolve CO-RE relocation <\w+> \[\d+\] (struct [\w.]+)")


class CoreProbes:
    """The loaded programs and their maps. Raises CapabilityError where they cannot be loaded."""

    def __init__(
        self, ring_size: int = RING_SIZE, tracked_max: int = TRACKED_MAX, *, in_turns: bool | None = None
    ) -> None:
        """`in_turns`: attach three times what can be preempted; None: where it can."""
        check_privileges()
        data = object_path().read_bytes()
        self._in_turns = preemptible() if in_turns is None else in_turns
        self._lib = Libbpf()
        self._links: dict[str, int] = {}
        self._calls = self._others = Misses([])
        self._base = 0
        self._object = 0
        try:
            with _unlimited_memlock():
                self._object = self._lib.pointer("bpf_object__open_mem", data, len(data), None)
                self._lib.number("bpf_map__set_max_entries", self._map("events"), ring_size)
                self._lib.number("bpf_map__set_max_entries", self._map("tracked"), tracked_max)
                if not self._in_turns:
                    for again in itertools.chain(*TURNS.values()):
                        self._lib.number("bpf_program__set_autoload", self._program(again), False)
                    self._lib.number("bpf_map__set_max_entries", self._map("marks"), 1)
                self._lib.number("bpf_object__load", self._object)
        except BpfError as error:
            self.close()
            raise _load_failure(error) from None
        self.ring_size = ring_size
        self.ring_fd = self._fd("events")
        self._tracked, self._followed, self._counters = map(self._fd, ("tracked", "followed", "counters"))
        if self._in_turns:
            last = {name: self._program(TURNS.get(name, (name,))[-1]) for name in TRACEPOINTS.values()}
            fds = {name: self._lib.number("bpf_program__fd", program) for name, program in last.items()}
            self._calls = Misses([fds.pop(SYSTEM_CALLS)])
            self._others = Misses(list(fds.values()))

    def _program(self, name: str) -> int:
        return self._lib.pointer("bpf_object__find_program_by_name", self._object, name.encode())

    def _map(self, name: str) -> int:
        return self._lib.pointer("bpf_object__find_map_by_name", self._object, name.encode())

    def _fd(self, name: str) -> int:
        return self._lib.number("bpf_map__fd", self._map(name))

    def attach(self) -> None:
        """Let events flow. Raises CapabilityError."""
        self.set_counter(wire.COUNTER_IN_TURNS, self._in_turns)
        for tracepoint, name in TRACEPOINTS.items():
            # Programs of a tracepoint run in the order in which they were attached.
            for again in (name, *(TURNS.get(name, ()) if self._in_turns else ())):
                self._attach(again, tracepoint)
        self._base = self._left_out()  # marks of those who ran meanwhile have nobody to take them away

    def _attach(self, name: str, tracepoint: str) -> None:
        try:
            link = self._lib.pointer("bpf_program__attach_raw_tracepoint", self._program(name), tracepoint.encode())
        except BpfError as error:
            raise CapabilityError(f"this kernel's tracepoint {tracepoint} cannot be used: {error}") from None
        self._links[name] = link

    def detach(self, name: str) -> None:
        """Let one program run no more."""
        self._lib.bpf_link__destroy(self._links.pop(name))

    def track(self, tgid: int, start: int, mode: int, *, replace: bool = True) -> None:
        """Record this process, and with wire.MEMBER all that it creates. `start` 0: not known.

        `replace`: also where the number is tracked already.
        """
        flags = 0 if replace else _BPF_NOEXIST
        self._update(self._tracked, struct.pack("=I", tgid), _TRACKED.pack(start, mode, 0), flags)

    def tracked(self) -> dict[int, tuple[int, int]]:
        """tgid -> (start, mode), as the kernel has it now."""
        found: dict[int, tuple[int, int]] = {}
        key, value = c_uint32(), ctypes.create_string_buffer(_TRACKED.size)
        previous = None
        while self._lib.bpf_map_get_next_key(self._tracked, previous, ctypes.byref(key)) == 0:
            if self._lib.bpf_map_lookup_elem(self._tracked, ctypes.byref(key), value) == 0:
                found[key.value] = _TRACKED.unpack(value.raw)[:2]
            previous = ctypes.byref(c_uint32(key.value))
        return found

    def follow(self, comm: str) -> None:
        """Record each process from the moment that it execs a program of this name, whoever starts it."""
        key = comm.encode("utf-8", "surrogateescape")[:15].ljust(16, b"\0")
        self._update(self._followed, key, struct.pack("=I", 1))
        self.set_counter(wire.COUNTER_FOLLOWING, self.counter(wire.COUNTER_FOLLOWING) + 1)

    def counter(self, slot: int) -> int:
        """A slot of the counters map (wire.COUNTER_*)."""
        value = c_uint64()
        self._lib.number("bpf_map_lookup_elem", self._counters, ctypes.byref(c_uint32(slot)), ctypes.byref(value))
        return value.value

    def set_counter(self, slot: int, value: int) -> None:
        """Write a slot of the counters map."""
        self._update(self._counters, struct.pack("=I", slot), struct.pack("=Q", value))

    def _update(self, fd: int, key: bytes, value: bytes, flags: int = 0) -> None:
        try:
            self._lib.number("bpf_map_update_elem", fd, key, value, flags)
        except BpfError as error:
            if flags and error.errno == errno.EEXIST:
                return
            raise CapabilityError(f"a map of the probes cannot be written: {error}") from None

    def events_left_out(self) -> int:
        """Events so far that the kernel ran no program for. What is under way now may make it too small by as much."""
        return self._left_out() - self._base if self._in_turns else 0

    def _left_out(self) -> int:
        missed = self._others.count()
        return missed - ctypes.c_int64(self.counter(wire.COUNTER_MARKS)).value

    def calls_left_out(self) -> int:
        """System calls of this machine so far that the kernel ran no program for."""
        return self._calls.count()

    def close(self) -> None:
        """Detach and unload."""
        for name in list(self._links):
            self.detach(name)
        self._calls.close()
        self._others.close()
        if self._object:
            self._lib.bpf_object__close(self._object)
            self._object = 0


def object_path() -> Path:
    """The compiled probes for this machine. Raises CapabilityError where there are none."""
    path = probe_folder() / f"ctrace.{platform.machine()}.bpf.o"
    if not path.exists():
        raise CapabilityError(f"there are no compiled probes for this machine ({platform.machine()})")
    return path


@contextlib.contextmanager
def _unlimited_memlock() -> Iterator[None]:
    """Before 5.11 maps count as locked memory. What the limit is for those whom we start is left as it was."""
    old = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, old)


def _load_failure(error: BpfError) -> CapabilityError:
    """The reason why libbpf or the kernel refused."""
    refused = refusal(str(error))
    if refused is not None:
        return refused
    lacking = _UNRESOLVED.search(error.said)
    if lacking is not None:
        return CapabilityError(f"this kernel's types differ from what the probes know: no {lacking[1]}")
    lines = [line.strip() for line in error.said.splitlines() if line.strip()]
    detail = next((line for line in lines if "failed" in line or "error" in line), lines[0] if lines else "")
    return CapabilityError(f"the probes cannot be loaded: {error}" + (f" ({detail})" if detail else ""))
