"""Boots one kernel under qemu's software emulation and reads the guest's results from its second serial port."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kernels.arch import Arch

MEMORY = "3G"
"""The initramfs is in memory twice while it is unpacked."""
LAST_LINES = 25
BAD_WORDS = ("Kernel panic", "Oops", "BUG:", "general protection fault", "blocked for more than", "Call Trace")
KERNEL_OPTIONS = (
    *("loglevel=5", "rdinit=/init", "panic=-1", "oops=panic"),
    # Emulation is slow and its processors are taken away for long: no false alarms.
    *("rcupdate.rcu_cpu_stall_suppress=1", "nowatchdog", "mitigations=off", "random.trust_cpu=on", "audit=0"),
)


@dataclass(slots=True)
class Boot:
    """What one boot gave."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    """The guest's lines, as they came."""
    seconds: float = 0.0
    console: str = ""
    finished: bool = False
    """The guest said that it was done and switched itself off."""
    stopped: str = ""
    """Why it was ended from outside, or ''."""

    @property
    def trouble(self) -> list[str]:
        """Lines of the console that a healthy kernel does not write."""
        return [line for line in self.console.splitlines() if any(word in line for word in BAD_WORDS)]

    @property
    def last_lines(self) -> str:
        return "\n".join(self.console.splitlines()[-LAST_LINES:])


def boot(
    arch: Arch,
    image: Path,
    archives: list[Path],
    work: Path,
    seconds: float,
    settings: dict[str, str],
    told: Callable[[dict[str, Any]], None],
) -> Boot:
    """Run the kernel with these initramfs archives, for at most `seconds`; `told` gets each result as it comes.

    `settings`: names and values for the guest's tests (init.sh makes CTRACE_TEST_NAME of them).
    """
    initrd, console, results = work / "initrd.cpio", work / "console", work / "results"
    with initrd.open("wb") as output:
        for archive in archives:
            with archive.open("rb") as source:
                shutil.copyfileobj(source, output, 1 << 20)
    for old in (console, results):
        old.unlink(missing_ok=True)
    settings = {**settings, "results": arch.results}
    append = " ".join(
        [f"console={arch.console}", *KERNEL_OPTIONS, *(f"ctrace.{name}={value}" for name, value in settings.items())]
    )
    qemu = [
        *(*arch.qemu, "-accel", "tcg,thread=multi", "-smp", "2", "-m", MEMORY),
        *("-kernel", str(image), "-initrd", str(initrd), "-append", append),
        *("-display", "none", "-monitor", "none", "-parallel", "none", "-nic", "none", "-no-reboot", "-nodefaults"),
        *("-serial", f"file:{console}", *(option.format(results) for option in arch.results_port)),
    ]
    # `timeout` ends it if we hang; pdeathsig if we are killed.
    bounded = ["setpriv", "--pdeathsig", "TERM", "timeout", "--kill-after=5", f"{seconds + 30:.0f}", "nice", "-n", "10"]
    result = Boot()
    began = time.monotonic()
    with (
        (work / "qemu-said").open("wb") as said,
        subprocess.Popen([*bounded, *qemu], stdin=subprocess.DEVNULL, stdout=said, stderr=said) as process,
    ):
        try:
            _follow(process, results, result, began + seconds, told)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
    result.seconds = time.monotonic() - began
    initrd.unlink()
    if console.exists():
        result.console = console.read_bytes().decode("utf-8", "replace").replace("\r", "")
    result.console += (work / "qemu-said").read_text(errors="replace")
    result.finished = any(step.get("step") == "done" for step in result.steps)
    if not result.finished and not result.stopped:
        result.stopped = f"qemu ended with {process.returncode} before the guest was done"
    return result


def _follow(
    process: subprocess.Popen[bytes],
    results: Path,
    result: Boot,
    deadline: float,
    told: Callable[[dict[str, Any]], None],
) -> None:
    """Read results until the guest has switched itself off or the time is over."""
    read = 0
    while True:
        over = process.poll() is not None
        lines = results.read_bytes().split(b"\n")[:-1] if results.exists() else []
        for line in lines[read:]:
            try:
                step = json.loads(line)
            except ValueError:
                continue  # what firmware or kernel wrote to this port
            result.steps.append(step)
            told(step)
        read = len(lines)
        if over:
            return
        if time.monotonic() > deadline:
            result.stopped = "the time was over"
            return
        time.sleep(0.3)
