"""Offsets from BTF are those that a C compiler finds in bpftool's header of the same kernel."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.compiler import cannot_compile
from tracer.errors import CapabilityError
from tracer.sources.ebpf.btf import _DECLARATION, VMLINUX, Btf, field_macros
from tracer.sources.ebpf.needs import probe_folder

FIELDS = (probe_folder() / "fields.h").read_text()
MACHINE = platform.machine()

needs_btf = pytest.mark.skipif(not VMLINUX.exists(), reason=f"this kernel has no {VMLINUX}")


def declared() -> list[tuple[str, str, str, str]]:
    """(kind, struct, name, path) of what applies to this machine."""
    found = _DECLARATION.findall(FIELDS)
    return [(kind, *rest) for kind, only_on, *rest in found if only_on in ("", MACHINE.upper())]


@needs_btf
def test_offsets_are_the_compilers(tmp_path: Path) -> None:
    bpftool = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin:/sbin")
    if bpftool is None:
        pytest.skip("needs bpftool (apt install bpftool)")
    if reason := cannot_compile():
        pytest.skip(reason)
    with (tmp_path / "vmlinux.h").open("w") as header:
        subprocess.run([bpftool, "btf", "dump", "file", str(VMLINUX), "format", "c"], stdout=header, check=True)
    fields = [(s, n, p) for kind, s, n, p in declared() if kind == "FIELD"]
    asked = [f"__builtin_offsetof(struct {s}, {p})" for s, _, p in fields]
    sizes = [s for kind, s, _, _ in declared() if kind == "SIZE"]
    asked += [f"sizeof(struct {s})" for s in sizes]
    source = tmp_path / "ask.c"
    source.write_text('#include "vmlinux.h"\nunsigned long answers[] = {' + ",".join(asked) + "};\n")
    program = [
        "int printf(const char *, ...); extern unsigned long answers[];",
        f'int main(void) {{ for (int i = 0; i < {len(asked)}; i++) printf("%lu\\n", answers[i]); return 0; }}',
    ]
    (tmp_path / "main.c").write_text("\n".join(program))
    subprocess.run(["gcc", "-w", "-o", "ask", "ask.c", "main.c"], cwd=tmp_path, check=True)
    answers = subprocess.run([str(tmp_path / "ask")], check=True, capture_output=True, text=True).stdout.split()
    macros = field_macros(Btf.of_kernel(), FIELDS, MACHINE)
    wanted = [f"OFF_{s}_{n}" for s, n, _ in fields] + [f"SIZE_{s}" for s in sizes]
    assert {name: macros[name] for name in wanted} == dict(zip(wanted, map(int, answers), strict=True))


@needs_btf
def test_a_bit_field_is_one_bit() -> None:
    btf = Btf.of_kernel()
    flag = btf.field("signal_struct", "is_child_subreaper")
    assert flag.bit_width == 1
    assert flag.mask in {1 << i for i in range(8)}
    assert flag != btf.field("signal_struct", "has_child_subreaper")


@needs_btf
def test_an_optional_flag_that_the_kernel_lacks_reads_as_not_set() -> None:
    macros = field_macros(Btf.of_kernel(), "OPTIONAL_FLAG(task_struct, no_such, no_such)\n", MACHINE)
    assert macros["MASK_task_struct_no_such"] == 0


@needs_btf
@pytest.mark.parametrize(
    "line",
    [
        "FIELD(task_struct, x, no_such)",
        "FLAG(task_struct, x, no_such)",
        "FIELD(no_such, x, y)",
        "SIZE(no_such)",
        "FIELD(task_struct, x, pid.nr)",
    ],
)
def test_other_missing_fields_are_an_error(line: str) -> None:
    with pytest.raises(CapabilityError, match=r"no_such|pid\.nr"):
        field_macros(Btf.of_kernel(), line + "\n", MACHINE)


def test_fields_of_other_machines_are_left_out() -> None:
    assert {"x86_64", "aarch64"} <= {m.lower() for _, m, *_ in _DECLARATION.findall(FIELDS)}


@pytest.mark.parametrize("data", [b"", b"\x9f\xeb", b"not btf at all, but long enough for a header"])
def test_what_is_no_btf_is_an_error(data: bytes) -> None:
    with pytest.raises(CapabilityError):
        Btf(data)


def test_a_kernel_without_btf_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(CapabilityError) as caught:
        Btf.of_kernel(tmp_path / "vmlinux")
    assert "CONFIG_DEBUG_INFO_BTF" in caught.value.hint
