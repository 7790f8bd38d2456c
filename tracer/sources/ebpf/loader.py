"""Chooses who loads the probes: libbpf (CO-RE) or bcc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from tracer.errors import CapabilityError
from tracer.sources.ebpf.needs import RING_SIZE, TRACKED_MAX, check_namespace, check_privileges

if TYPE_CHECKING:
    from tracer.sources.ebpf.bcc import BccProbes
    from tracer.sources.ebpf.core import CoreProbes

Loader = Literal["auto", "core", "bcc"]


class Probes(Protocol):
    """What a loader offers."""

    ring_fd: int
    ring_size: int

    def attach(self) -> None: ...
    def track(self, tgid: int, start: int, mode: int, *, replace: bool = True) -> None: ...
    def tracked(self) -> dict[int, tuple[int, int]]: ...
    def follow(self, comm: str) -> None: ...
    def counter(self, slot: int) -> int: ...
    def set_counter(self, slot: int, value: int) -> None: ...
    def events_left_out(self) -> int: ...
    def calls_left_out(self) -> int: ...
    def close(self) -> None: ...


def load_probes(
    loader: Loader = "auto", ring_size: int = RING_SIZE, tracked_max: int = TRACKED_MAX
) -> CoreProbes | BccProbes:
    """The probes, loaded and not yet attached. `ring_size` in bytes, a power of two.

    "auto" takes CO-RE, and bcc where that does not work. Raises CapabilityError where neither does, with CO-RE's
    reason and remedy: it is the one that takes less.
    """
    check_privileges()
    check_namespace()
    if loader == "bcc":
        return _bcc(ring_size, tracked_max)
    try:
        return _core(ring_size, tracked_max)
    except CapabilityError as error:
        if loader == "core":
            raise
        first = error
    try:
        return _bcc(ring_size, tracked_max)
    except CapabilityError as second:
        if second.message == first.message:
            raise first from None
        raise CapabilityError(
            f"{first.message}; nor does bcc work: {second.message}", first.hint or second.hint
        ) from None


def _core(ring_size: int, tracked_max: int) -> CoreProbes:
    from tracer.sources.ebpf.core import CoreProbes

    return CoreProbes(ring_size, tracked_max)


def _bcc(ring_size: int, tracked_max: int) -> BccProbes:
    from tracer.sources.ebpf.bcc import BccProbes

    return BccProbes(ring_size, tracked_max)
