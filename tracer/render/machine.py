"""What stands above a tree of this machine."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tracer.render.lines import Line, Span

if TYPE_CHECKING:
    from tracer.graph import Process
    from tracer.runtime.containers import Names


def machine_line(processes: Iterable[Process], names: Names, kernel_threads: int) -> Line:
    """`node-1   123 processes · 2 pods · 4 containers · 96 kernel threads left out`."""
    count = 0
    containers: set[str] = set()
    pods: set[str] = set()
    for process in processes:
        count += 1
        name = names.of(process)
        if name is not None and name.id and not name.sandbox:
            containers.add(name.id)
        if name is not None and name.sandbox_id:
            pods.add(name.sandbox_id)
    said = [f"{count:,} process{'' if count == 1 else 'es'}"]
    if pods:
        said.append(f"{len(pods):,} pod{'' if len(pods) == 1 else 's'}")
    if containers:
        said.append(f"{len(containers):,} container{'' if len(containers) == 1 else 's'}")
    if kernel_threads:
        said.append(f"{kernel_threads:,} kernel thread{'' if kernel_threads == 1 else 's'} left out")
    return Line([Span(platform.node() or "this machine", "name"), Span("   "), Span(" · ".join(said), "dim")])
