"""Loads the probes with one loader, attaches, traces one fork of its own: `python -m tests.kernels.one_fork core`."""

from __future__ import annotations

import json
import os
import sys
import time

from tracer.errors import CtraceError
from tracer.event import Clone, Event, Exit
from tracer.sources.ebpf.loader import load_probes
from tracer.sources.ebpf.source import EbpfSource, Selection

PATIENCE = float(os.environ.get("CTRACE_TEST_PATIENCE", "1"))


def main() -> None:
    began, cpu = time.monotonic(), time.process_time()
    try:
        probes = load_probes(sys.argv[1])  # type: ignore[arg-type]
        loaded, loaded_cpu = time.monotonic(), time.process_time()
        with EbpfSource(probes=probes) as source:
            source.start(lambda table: Selection({os.getpid()}))
            first, first_cpu = time.monotonic(), time.process_time()
            traced = one_fork(source)
    except CtraceError as error:
        print(json.dumps({"ok": False, "why": error.message, "hint": error.hint, "said": said(error)}))
        return
    told = {
        "load_ms": round(1000 * (loaded - began)),
        "load_cpu_ms": round(1000 * (loaded_cpu - cpu)),
        "snapshot_ms": round(1000 * (first - loaded)),
        "snapshot_cpu_ms": round(1000 * (first_cpu - loaded_cpu)),
    }
    print(json.dumps({"ok": traced, **told, **({} if traced else {"why": "the fork was not seen"})}))


def said(error: BaseException) -> str:
    """What libbpf or bcc wrote, the verifier's log above all."""
    below = error.__context__
    return str(getattr(below, "said", "") or below or "")[-12000:]


def one_fork(source: EbpfSource) -> bool:
    """Its birth and its end are seen."""
    child = os.fork()
    if not child:
        os._exit(3)
    os.waitpid(child, 0)
    events: list[Event] = []
    end = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < end:
        events += source.poll(0.1)
        born = any(type(e) is Clone and e.child == child and e.tid == os.getpid() for e in events)
        if born and any(type(e) is Exit and e.tid == child and e.status == 3 << 8 for e in events):
            return True
    return False


if __name__ == "__main__":
    main()
