"""Runs of programs that the kernel left out: handled() in probes/shared.h says when it does, and what helps."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tracer.sources.ebpf.btf import VMLINUX, no_btf

_FIELD = b"recursion_misses:"


def preemptible() -> bool:
    """Tracepoints of this kernel can be preempted: SRCU guards them. Raises CapabilityError where there is no BTF."""
    try:
        return b"\0class_srcu_fast_notrace_t\0" in VMLINUX.read_bytes()
    except OSError as error:
        raise no_btf(str(error.strerror)) from None


class Misses:
    """Counts them for some programs, given by descriptor (bpf_prog_show_fdinfo(), Linux 5.12)."""

    def __init__(self, programs: Sequence[int]) -> None:
        self._files = [os.open(f"/proc/self/fdinfo/{program}", os.O_RDONLY | os.O_CLOEXEC) for program in programs]

    def count(self) -> int:
        """So far, all programs together."""
        texts = [os.pread(file, 4096, 0) for file in self._files]
        return sum(int(text.partition(_FIELD)[2].split(maxsplit=1)[0]) for text in texts)

    def close(self) -> None:
        """Let go of the programs."""
        for file in self._files:
            os.close(file)
        self._files.clear()
