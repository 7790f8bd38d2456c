"""From the probes' records to events, with just enough memory of who lives (living.py) to tell whose record it is.

No I/O here. A record of a task that is not known is dropped: see source.py for who that is.
"""

from __future__ import annotations

from collections.abc import Callable

from tracer.event import Event
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.births import Births
from tracer.sources.ebpf.ends import Ends
from tracer.sources.ebpf.settings import Settings

_U32 = 0xFFFFFFFF


class Decoder(Births, Ends, Settings):
    """Records in, events out."""

    def __init__(self, new_member: Callable[[int, int], None], is_gone: Callable[[int, int], bool]) -> None:
        super().__init__(new_member, is_gone)
        self.lost = 0
        """Records lost so far, modulo 2**32, as the last record told."""
        self._handlers: list[Callable[[bytes], None]] = [
            self._unknown,
            self._clone,
            self._exec,
            self._exit,
            self._free,
            self._wait,
            self._prctl,
            self._rename,
            self._pidns,
            self._unknown,  # CT_STATE: read by survey(), and see decode_walk()
            self._cgroup,
        ]

    def decode(self, records: list[bytes]) -> list[Event]:
        """The events that these records tell, with a Lost event where the kernel had to drop some."""
        out: list[Event] = []
        self._out = out
        handlers, type_at, lost_of = self._handlers, wire.TYPE_AT, wire.LOST.unpack_from
        if records and lost_of(records[-1])[0] == self.lost:  # the number only grows: none of them tells of a loss
            for record in records:
                handlers[record[type_at]](record)
            return out
        for record in records:
            out += self.note_lost(lost_of(record)[0])
            handlers[record[type_at]](record)
        return out

    def decode_walk(self, records: list[bytes]) -> list[Event]:
        """The same of a walk made because records may be missing: with Lost where a subreaper's flag is not as told."""
        self._handlers[wire.T_STATE] = self._state
        try:
            return self.decode(records)
        finally:
            self._handlers[wire.T_STATE] = self._unknown

    def note_lost(self, total: int) -> list[Event]:
        """`total` records were lost so far. A smaller number than known comes from a CPU that was slower to tell."""
        more = (total - self.lost) & _U32
        if not 0 < more < 1 << 31:
            return []
        self.lost = total & _U32
        return self.lost_events(more)

    def _unknown(self, record: bytes) -> None:
        """A type that is not for us."""
