"""probes/ctrace.h and tracer/sources/ebpf/wire.py say the same: asked of the C compiler, no root needed."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest

from tests.compiler import cannot_compile
from tracer.sources.ebpf import wire
from tracer.sources.ebpf.needs import probe_folder

HEADER = probe_folder() / "ctrace.h"
LAYOUTS = {
    "ct_clone": wire.CLONE,
    "ct_exec": wire.EXEC,
    "ct_exit": wire.EXIT,
    "ct_free": wire.FREE,
    "ct_wait": wire.WAIT,
    "ct_prctl": wire.PRCTL,
    "ct_rename": wire.RENAME,
    "ct_pidns": wire.PIDNS,
    "ct_state": wire.STATE,
    "ct_cgroup": wire.CGROUP,
}
HEADER_FIELDS = ["type", "len", "lost", "time", "start", "tid", "tgid"]
CONSTANTS = {
    "CT_CLONE": wire.T_CLONE,
    "CT_EXEC": wire.T_EXEC,
    "CT_EXIT": wire.T_EXIT,
    "CT_FREE": wire.T_FREE,
    "CT_WAIT": wire.T_WAIT,
    "CT_PRCTL": wire.T_PRCTL,
    "CT_RENAME": wire.T_RENAME,
    "CT_PIDNS": wire.T_PIDNS,
    "CT_STATE": wire.T_STATE,
    "CT_CGROUP": wire.T_CGROUP,
    "CT_F_SUBREAPER": wire.F_SUBREAPER,
    "CT_F_GROUP_DEAD": wire.F_GROUP_DEAD,
    "CT_F_AUTOREAP": wire.F_AUTOREAP,
    "CT_F_TRACED": wire.F_TRACED,
    "CT_F_FOLLOWED": wire.F_FOLLOWED,
    "CT_F_ZOMBIE": wire.F_ZOMBIE,
    "CT_F_OWN_COMM": wire.F_OWN_COMM,
    "CT_F_MEMBER": wire.F_MEMBER,
    "CT_MEMBER": wire.MEMBER,
    "CT_ANCESTOR": wire.ANCESTOR,
    "CT_LOST": wire.COUNTER_LOST,
    "CT_UNTRACKED": wire.COUNTER_UNTRACKED,
    "CT_ALL": wire.COUNTER_ALL,
    "CT_WALK_NEXT": wire.COUNTER_WALK_NEXT,
    "CT_CALLER": wire.COUNTER_CALLER,
    "CT_FOLLOWING": wire.COUNTER_FOLLOWING,
    "CT_HIERARCHY": wire.COUNTER_HIERARCHY,
    "CT_IN_TURNS": wire.COUNTER_IN_TURNS,
    "CT_MARKS": wire.COUNTER_MARKS,
    "CT_WALK_MAX": wire.WALK_MAX,
    "CT_WALK_PRCTL": wire.WALK_PRCTL,
}


def members(name: str) -> list[str]:
    """Fields of a struct of the header in order, arrays as one, the flexible one at the end left out."""
    body = re.search(rf"^struct {name} {{$(.*?)^}};$", HEADER.read_text(), re.MULTILINE | re.DOTALL)
    assert body is not None
    declared = re.findall(r"^\t(?:struct \w+|\w+) (\w+)(\[\w*\])?;", body[1], re.MULTILINE)
    return [field for field, array in declared if array != "[]"]


def python_offsets(layout: struct.Struct) -> list[int]:
    """Where each field of a layout is; what a repeat count covers is one field."""
    codes = re.findall(r"\d*[a-zA-Z]", layout.format)
    return [struct.calcsize("=" + "".join(codes[:i])) for i in range(len(codes))]


def ask_compiler(folder: Path, expressions: list[str]) -> list[int]:
    lines = "\n".join(f'printf("%llu\\n", (unsigned long long)({e}));' for e in expressions)
    source = folder / "ask.c"
    source.write_text(
        f'#include <linux/types.h>\n#include <stddef.h>\n#include <stdio.h>\n#include "{HEADER}"\n'
        f"int main(void)\n{{\n{lines}\nreturn 0;\n}}\n"
    )
    if reason := cannot_compile():
        pytest.skip(reason)
    subprocess.run(["gcc", "-Wall", "-o", str(folder / "ask"), str(source)], check=True)
    done = subprocess.run([str(folder / "ask")], check=True, capture_output=True, text=True)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout(tmp_path: Path, name: str) -> None:
    fields = members(name)
    assert fields[0] == "h"
    wanted = [f"offsetof(struct {name}, h.{f})" for f in HEADER_FIELDS]
    wanted += [f"offsetof(struct {name}, {f})" for f in fields[1:]]
    *offsets, size = ask_compiler(tmp_path, [*wanted, f"sizeof(struct {name})"])
    assert offsets == python_offsets(LAYOUTS[name])
    assert size == LAYOUTS[name].size


def test_every_struct_of_the_header_is_compared() -> None:
    declared = set(re.findall(r"^struct (ct_\w+) {", HEADER.read_text(), re.MULTILINE))
    assert declared - {"ct_header", "ct_tracked", "ct_comm_key", "ct_text_scratch"} == set(LAYOUTS)
    assert members("ct_header") == HEADER_FIELDS


def test_constants(tmp_path: Path) -> None:
    assert ask_compiler(tmp_path, list(CONSTANTS)) == list(CONSTANTS.values())


def test_every_type_and_flag_of_the_header_is_compared() -> None:
    enums = re.findall(r"^enum (ct_type|ct_flags|ct_mode) {$(.*?)^};$", HEADER.read_text(), re.MULTILINE | re.DOTALL)
    names = {name for _, body in enums for name in re.findall(r"^\t(CT_\w+) =", body, re.MULTILINE)}
    assert len(enums) == 3
    assert names <= CONSTANTS.keys()


def test_the_brief_layouts_are_the_same_records() -> None:
    """Each gives those fields of the whole layout that its text names."""
    for whole, brief, places in (
        (wire.CLONE, wire.CLONE_BRIEF, (3, 4, 5, 7, 8, 9, 10, 13, 14, 15, 17)),
        (wire.CLONE, wire.CLONE_REST, (16, *range(18, 27))),
        (wire.EXEC, wire.EXEC_BRIEF, (3, 4, 5, 7, 9)),
        (wire.EXIT, wire.EXIT_BRIEF, (3, 4, 5, 7, 8, 9)),
        (wire.FREE, wire.FREE_BRIEF, (4, 5)),
        (wire.WAIT, wire.WAIT_BRIEF, (3, 5, 6, 7, 8)),
    ):
        record = bytes(range(1, 1 + whole.size))
        fields = whole.unpack(record)
        assert brief.unpack_from(record) == tuple(fields[place] for place in places)
