"""What an exec runs, out of its record. A machine runs few programs often: each is put into text once."""

from __future__ import annotations

from tracer.sources.ebpf import wire

COMM_MAX = 15
"""TASK_COMM_LEN without its NUL: bytes of the program's name that are kept."""
KEPT = 1024
"""Programs that are remembered; then the table begins anew ..."""
RECORD_MAX = 1024
"""... and the longest record, in bytes, whose program is."""

_LENGTHS = slice(44, 52)
"""Of a CT_EXEC record: args_total, filename_len, args_len."""
_NAMES = slice(64, None)
"""comm and data[]."""

Ran = tuple[str, tuple[str, ...], bool, str | None]
"""filename, argv, whether that is cut, and comm where it is not what the filename gives."""


class Programs:
    """Programs by the bytes that tell them."""

    def __init__(self) -> None:
        self._known: dict[bytes, Ran] = {}

    def of(self, record: bytes) -> Ran:
        """What this CT_EXEC record says was run."""
        key = record[_LENGTHS] + record[_NAMES]
        found = self._known.get(key)
        if found is None:
            found = _read(record)
            if len(record) <= RECORD_MAX:
                if len(self._known) >= KEPT:
                    self._known.clear()
                self._known[key] = found
        return found


def _read(record: bytes) -> Ran:
    *_, args_total, name_len, args_len, _, _, _, raw = wire.EXEC.unpack_from(record)
    filename, argv, cut = wire.exec_data(record, name_len, args_len, args_total)
    name = filename.rpartition("/")[2]
    comm = wire.comm(raw)
    return filename, argv, cut, None if name.isascii() and name[:COMM_MAX] == comm else comm
