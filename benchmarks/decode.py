"""CPU per live event in user space: `sudo python -m benchmarks.decode [FORKS] [--loader core|bcc]`.

A program forks and reaps (3 events each: Clone, Exit, Reap) while nobody reads; then what lies in the ring buffer is
read, decoded and reconstructed, and the CPU time of that (time.process_time) is divided by the number of events. First
event by event, as `record` has it; then with short lives as one, as `watch` has it; then what no reader can do without.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from tracer.event import Event
from tracer.live.lives import Untold
from tracer.live.session import Session
from tracer.reconstruct.engine import Engine
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.source import BATCH, EbpfSource, Selection

PROGRAM = Path(__file__).parents[1] / "tests" / "live" / "programs" / "forks.c"


UNPACK = {
    wire.T_CLONE: wire.CLONE_BRIEF.unpack,
    wire.T_EXIT: wire.EXIT_BRIEF.unpack,
    wire.T_FREE: wire.FREE_BRIEF.unpack,
    wire.T_WAIT: wire.WAIT_BRIEF.unpack,
}


def flood(binary: str, forks: int) -> None:
    """Returns when the ring buffer has it all, the kernel's delayed frees too."""
    with subprocess.Popen([binary, str(forks)], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.read(1)
        program.kill()
    time.sleep(0.2)


def single(source: EbpfSource, binary: str, forks: int) -> None:
    engine = Engine()
    engine.feed(source.start(lambda _: Selection({os.getpid()})))
    while events := source.poll(0.2):
        engine.feed(events)
    flood(binary, forks)
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
    print(f"per event, ring buffer and decoding  {(decoded - began) / count * 1e6:.2f}")
    print(f"per event, reconstruction  {(applied - decoded) / count * 1e6:.2f}")


def as_one(source: EbpfSource, binary: str, forks: int) -> None:
    session = Session(source, lives=Untold())
    session.feed(source.start(lambda _: Selection({os.getpid()})))
    while session.step(0.2):
        pass
    session.settle()
    before = source.stats.events
    flood(binary, forks)
    began = time.process_time()
    while session.step(0):
        pass
    count = source.stats.events - before
    print(f"per event, all of it, short lives as one  {(time.process_time() - began) / count * 1e6:.2f}")


def floor(source: EbpfSource, binary: str, forks: int) -> None:
    """The least that any reader in Python does: copy each record out of the ring buffer, and unpack its fields."""
    source.start(lambda _: Selection({os.getpid()}))
    flood(binary, forks)
    began = time.process_time()
    records: list[bytes] = []
    while got := source._ring.drain(BATCH):
        records += got
    copied = time.process_time()
    for record in records:
        unpack = UNPACK.get(record[wire.TYPE_AT])
        if unpack is not None:
            unpack(record)
    unpacked = time.process_time()
    print(f"per event, only copying records  {(copied - began) / forks / 3 * 1e6:.2f}")
    print(f"per event, only unpacking them  {(unpacked - copied) / forks / 3 * 1e6:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("forks", type=int, nargs="?", default=20_000)
    parser.add_argument("--loader", choices=["auto", "core", "bcc"], default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binary = f"{folder}/forks"
        subprocess.run(["gcc", "-O1", "-o", binary, str(PROGRAM)], check=True)
        for measure in (single, as_one, floor):
            with EbpfSource(loader=arguments.loader, ring_size=1 << 27) as source:
                measure(source, binary, arguments.forks)


if __name__ == "__main__":
    main()
