"""Offsets of struct fields in the running kernel, from its BTF.

Only what that needs: structs, unions, and the types between a member and the next one of a path. The format is
described in the kernel's Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NamedTuple

from tracer.errors import CapabilityError

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")

_PTR, _ARRAY, _STRUCT, _UNION, _TYPEDEF = 2, 3, 4, 5, 8
_VOLATILE, _CONST, _RESTRICT, _TYPE_TAG = 9, 10, 11, 18
_TRANSPARENT = {_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG}

# Bytes that follow the 12 of btf_type, by kind: a fixed part and a part per element of vlen.
_EXTRA = {
    1: (4, 0),  # INT
    3: (12, 0),  # ARRAY
    4: (0, 12),  # STRUCT
    5: (0, 12),  # UNION
    6: (0, 8),  # ENUM
    13: (0, 8),  # FUNC_PROTO
    14: (4, 0),  # VAR
    15: (0, 12),  # DATASEC
    17: (4, 0),  # DECL_TAG
    19: (0, 12),  # ENUM64
}


def no_btf(why: str) -> CapabilityError:
    """That the kernel has no BTF, and what to do."""
    return CapabilityError(
        f"this kernel offers no type information: {VMLINUX}: {why}",
        "Run a kernel built with CONFIG_DEBUG_INFO_BTF=y (all current distributions have it).",
    )


class Field(NamedTuple):
    """Where a field is: bits from the start of the struct, and its width in bits (0: not a bit field)."""

    bit_offset: int
    bit_width: int

    @property
    def offset(self) -> int:
        """Bytes."""
        return self.bit_offset // 8

    @property
    def mask(self) -> int:
        """Of a one-bit field, or a bool, within the byte at `offset` (little endian)."""
        return 1 << (self.bit_offset % 8)


class Btf:
    """The types of a BTF blob. Raises CapabilityError where it is none, KeyError for unknown names."""

    def __init__(self, data: bytes) -> None:
        try:
            magic, _, _, header_len, type_off, type_len, str_off, str_len = _HEADER.unpack_from(data)
        except struct.error:
            magic = 0
        if magic != _MAGIC:
            raise CapabilityError("the kernel's type information (BTF) cannot be read")
        self._types = data[header_len + type_off : header_len + type_off + type_len]
        self._strings = data[header_len + str_off : header_len + str_off + str_len]
        self._at, self._structs = self._index()

    @classmethod
    def of_kernel(cls, path: Path = VMLINUX) -> Btf:
        """The running kernel's. Raises CapabilityError where it has none."""
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise no_btf(str(error.strerror)) from None

    def _index(self) -> tuple[list[int], dict[int, int]]:
        """Offset of each type by id (0 is void), and of each struct by the offset of its name."""
        at = [0]
        structs: dict[int, int] = {}
        types, unpack, extra = self._types, struct.Struct("<II").unpack_from, _EXTRA.get
        pos, end, nothing = 0, len(types), (0, 0)
        while pos < end:
            name, info = unpack(types, pos)
            kind = info >> 24 & 0x1F
            at.append(pos)
            if kind == _STRUCT and name:
                structs.setdefault(name, len(at) - 1)
            fixed, each = extra(kind, nothing)
            pos += 12 + fixed + each * (info & 0xFFFF)
        return at, structs

    def _name(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(b"\0", offset)].decode("ascii", "replace")

    def _struct(self, name: str) -> int:
        """Type id of `struct name`; 0 is none."""
        for found in re.finditer(rb"(?<=\0)" + re.escape(name.encode()) + rb"\0", self._strings):
            type_id = self._structs.get(found.start())
            if type_id is not None:
                return type_id
        raise KeyError(f"struct {name}")

    def size(self, struct_name: str) -> int:
        """sizeof, in bytes."""
        return int(_TYPE.unpack_from(self._types, self._at[self._struct(struct_name)])[2])

    def field(self, struct_name: str, path: str) -> Field:
        """Where `path` ("member" or "member.member") is in the struct.

        Members of anonymous structs count as its own.
        """
        type_id, bits, width = self._struct(struct_name), 0, 0
        for member in path.split("."):
            found = self._member(type_id, member)
            if found is None:
                raise KeyError(f"struct {struct_name} has no {path}")
            type_id, offset, width = found
            bits += offset
        return Field(bits, width)

    def _member(self, type_id: int, wanted: str) -> tuple[int, int, int] | None:
        """(type id, bit offset, bit width) of a member by name."""
        pos = self._at[self._resolve(type_id)]
        _, info, _ = _TYPE.unpack_from(self._types, pos)
        if info >> 24 & 0x1F not in (_STRUCT, _UNION):
            return None
        for i in range(info & 0xFFFF):
            name, member_type, offset = _MEMBER.unpack_from(self._types, pos + 12 + 12 * i)
            width = 0
            if info >> 31:  # kind_flag: bit fields carry their width
                offset, width = offset & 0xFFFFFF, offset >> 24
            if not name:
                inner = self._member(member_type, wanted)
                if inner is not None:
                    return inner[0], offset + inner[1], inner[2]
            elif self._name(name) == wanted:
                return member_type, offset, width
        return None

    def _resolve(self, type_id: int) -> int:
        """The type behind typedefs and qualifiers."""
        while True:
            _, info, target = _TYPE.unpack_from(self._types, self._at[type_id])
            if info >> 24 & 0x1F not in _TRANSPARENT:
                return type_id
            type_id = target


_DECLARATION = re.compile(r"^(FIELD|FLAG|OPTIONAL_FLAG|SIZE)(?:_(\w+))?\((\w+)(?:, (\w+), ([\w.]+))?\)$", re.MULTILINE)


def field_macros(btf: Btf, fields_h: str, machine: str) -> dict[str, int]:
    """Values for the macros of probes/fields.h: OFF_, MASK_ and SIZE_ followed by `struct_name`.

    `machine` is as uname says it; a FIELD_<MACHINE> of another one is left out.

    An OPTIONAL_FLAG that this kernel lacks gets mask 0 (it reads as not set); any other missing field raises
    CapabilityError.
    """
    macros: dict[str, int] = {}
    for kind, only_on, struct_name, name, path in _DECLARATION.findall(fields_h):
        if only_on and only_on != machine.upper():
            continue
        try:
            if kind == "SIZE":
                macros[f"SIZE_{struct_name}"] = btf.size(struct_name)
                continue
            field = btf.field(struct_name, path)
        except KeyError as missing:
            if kind != "OPTIONAL_FLAG":
                raise CapabilityError(f"this kernel's types differ from what the probes know: no {missing}") from None
            field = Field(0, 0)
            macros[f"MASK_{struct_name}_{name}"] = 0
        else:
            if kind.endswith("FLAG"):
                macros[f"MASK_{struct_name}_{name}"] = field.mask
        macros[f"OFF_{struct_name}_{name}"] = field.offset
    return macros
