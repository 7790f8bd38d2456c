"""Short lives as one stand for just the events that the decoder makes of the same records."""

from __future__ import annotations

import random

import pytest

from tests.unit.sources.random_records import PROGRAMS, ROOT, Machine, with_losses
from tracer.event import Event
from tracer.life import ShortLife
from tracer.sources.ebpf.decode import Decoder
from tracer.sources.ebpf.lives import Condenser


def made(kind: type[Decoder]) -> Decoder:
    return Machine.know(kind(lambda _tgid, _start: None, lambda _tgid, _start: False))


def in_batches(records: list[bytes], seed: int) -> list[list[bytes]]:
    rng, batches = random.Random(seed), []
    while records:
        size = rng.choice([1, 3, 10, 100, 1000])
        batches.append(records[:size])
        records = records[size:]
    return batches


def unfolded(items: list[Event | ShortLife]) -> list[Event]:
    events: list[Event] = []
    for item in items:
        events += item.events() if isinstance(item, ShortLife) else [item]
    return sorted(events, key=lambda event: event.at)


@pytest.mark.parametrize("losses", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_the_same_events(seed: int, losses: bool) -> None:
    decoder, condenser = made(Decoder), made(Condenser)
    assert isinstance(condenser, Condenser)
    lives = 0
    records = Machine(seed).run(900)
    for batch in in_batches(with_losses(records, seed) if losses else records, seed):
        events, items = decoder.decode(batch), condenser.condense(batch)
        assert unfolded(items) == events
        assert [item.at for item in items] == sorted(item.at for item in items)
        assert condenser.at == decoder.at
        assert condenser.tasks.keys() == decoder.tasks.keys()
        lives += sum(isinstance(item, ShortLife) for item in items)
    assert lives > 20


def test_a_loss_is_told_where_it_was() -> None:
    machine = Machine(1)
    machine.run(10)
    lost = [record[:4] + (17).to_bytes(4, "little") + record[8:] for record in machine.records]
    (first, *_) = made(Condenser).condense(lost)  # type: ignore[attr-defined]
    assert (type(first).__name__, first.count) == ("Lost", 17)


def test_two_at_a_time_are_two_lives() -> None:
    machine = Machine(3)
    one, other = machine.fork(machine.root), machine.fork(machine.root)
    machine.execs(other, PROGRAMS[0])
    machine.execs(one, PROGRAMS[1])
    for child in (one, other):
        machine.exit(child, usual=True)
    for child in (other, one):
        machine.wait(machine.root, child)
    lives = made(Condenser).condense(machine.records)  # type: ignore[attr-defined]
    assert [(type(life), life.tid, life.child) for life in lives] == [
        (ShortLife, ROOT, one.tid),
        (ShortLife, ROOT, other.tid),
    ]
