"""The processors that kernels are booted on. All of them are emulated on x86_64."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True, eq=False)
class Arch:
    """One of them."""

    machine: str
    """As uname says it."""
    debian: str
    qemu: tuple[str, ...]
    """The program, and which board and processor it plays."""
    console: str
    results: str
    """The guest's device, and ..."""
    results_port: tuple[str, ...]
    """... what makes qemu write to a file, whose path is put in, what comes from there."""
    compiler: str
    tools: dict[str, str]
    """Program -> Debian package that has it."""

    @property
    def kernel(self) -> str:
        """The metapackage."""
        return f"linux-image-cloud-{self.debian}"


X86_64 = Arch(
    "x86_64",
    "amd64",
    ("qemu-system-x86_64", "-cpu", "max"),
    "ttyS0",
    "/dev/ttyS1",
    ("-serial", "file:{}"),
    "gcc",
    {"qemu-system-x86_64": "qemu-system-x86", "gcc": "gcc"},
)
ARM64 = Arch(
    "aarch64",
    "arm64",
    ("qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72"),
    "ttyAMA0",
    "/dev/ttyS0",
    ("-chardev", "file,id=results,path={}", "-device", "pci-serial,chardev=results"),
    "aarch64-linux-gnu-gcc",
    {"qemu-system-aarch64": "qemu-system-arm", "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"},
)
