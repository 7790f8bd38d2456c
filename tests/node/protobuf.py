"""Protocol buffers' wire format, as much as the CRI's messages need: no code generation, no compiler.

https://protobuf.dev/programming-guides/encoding/ : a message is a row of (field number, wire type, value).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Value = int | str | bytes | Mapping[str, str] | Sequence[str]
"""int: varint · str, bytes: length-delimited (an encoded message is bytes) · Mapping: map<string, string> · Sequence:
repeated string."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def encode(fields: Mapping[int, Value]) -> bytes:
    """A message from {field number: value}. Zero and empty values are left out, as proto3 does."""
    return b"".join(_field(number, value) for number, value in fields.items())


def decode(message: bytes) -> dict[int, list[int | bytes]]:
    """{field number: values in order}. Raises ValueError for what is no message."""
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        wire_type = key & 7
        value: int | bytes
        if wire_type == _VARINT:
            value, at = _read_varint(message, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire_type)
            if wire_type == _BYTES:
                size, at = _read_varint(message, at)
            if size is None or at + size > len(message):
                raise ValueError(f"no protobuf message: wire type {wire_type} at byte {at}")
            value, at = message[at : at + size], at + size
        fields.setdefault(key >> 3, []).append(value)
    return fields


def text(fields: Mapping[int, list[int | bytes]], number: int) -> str:
    """A string field; '' where absent."""
    value = fields.get(number, [b""])[-1]
    return value.decode() if isinstance(value, bytes) else ""


def number(fields: Mapping[int, list[int | bytes]], field: int) -> int:
    """An int32, int64 or enum field; 0 where absent."""
    value = fields.get(field, [0])[-1]
    if not isinstance(value, int):
        return 0
    return value - (1 << 64) if value >> 63 else value


def messages(fields: Mapping[int, list[int | bytes]], number: int) -> list[dict[int, list[int | bytes]]]:
    """A (repeated) message field, decoded."""
    return [decode(value) for value in fields.get(number, []) if isinstance(value, bytes)]


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value) if value else b""
    if isinstance(value, Mapping):
        return b"".join(_delimited(number, encode({1: k, 2: v})) for k, v in value.items())
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return _delimited(number, value) if value else b""
    return b"".join(_delimited(number, item.encode()) for item in value)


def _delimited(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are sent as 64-bit two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(f"no protobuf message: number cut at byte {at}")
