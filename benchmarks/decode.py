"""CPU per live event in user space: `sudo python -m benchmarks.decode [FORKS]`.

A program forks and reaps (3 events each: Clone, Exit, Reap) while nobody reads; then what lies in the ring buffer is
read, decoded and reconstructed, and the CPU time of that (time.process_time) is divided by the number of events.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tracer.event import Event
from tracer.reconstruct.engine import Engine
from tracer.sources.ebpf.source import EbpfSource, Selection

PROGRAM = Path(__file__).parents[1] / "tests" / "live" / "programs" / "forks.c"


def main() -> None:
    forks = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder, EbpfSource(ring_size=1 << 27) as source:
        binary = f"{folder}/forks"
        subprocess.run(["gcc", "-O1", "-o", binary, str(PROGRAM)], check=True)
        engine = Engine()
        engine.feed(source.start(lambda _: Selection({os.getpid()})))
        while events := source.poll(0.2):
            engine.feed(events)
        with subprocess.Popen([binary, str(forks)], stdout=subprocess.PIPE) as program:
            assert program.stdout is not None
            program.stdout.read(1)
            program.kill()
        time.sleep(0.2)  # the kernel's delayed frees
        began = time.process_time()
        batches: list[list[Event]] = []
        while events := source.poll(0):
            batches.append(events)
        decoded = time.process_time()
        for events in batches:
            engine.feed(events)
        applied = time.process_time()
        count = sum(map(len, batches))
        print(f"{count:,} events, {source.stats.lost} lost")
        print(f"ring buffer and decoding  {(decoded - began) / count * 1e6:.2f} µs per event")
        print(f"reconstruction            {(applied - decoded) / count * 1e6:.2f} µs per event")


if __name__ == "__main__":
    main()
