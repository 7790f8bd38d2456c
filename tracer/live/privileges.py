"""What runs as root keeps, once the probes are attached, only the capabilities that it still uses.

Before, CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN) load and attach the probes, root's other rights open the output
file, and COMMAND is forked. Afterwards:

CAP_SYS_PTRACE       /proc/PID/exe, cwd, root and ns of others, root's too: ptrace_may_access() asks for it as soon as
                     the other one has a capability that we dropped (cap_ptrace_access_check()). It also sees through
                     hidepid.
CAP_DAC_READ_SEARCH  Reading only: modules of this program loaded late from a home folder closed to others, and the
                     runtimes' files where ctrace is not root but was given capabilities.
CAP_KILL             With COMMAND only: passing a signal on to it, whoever it has become.
CAP_BPF              Before Linux 5.19 only: with kernel.unprivileged_bpf_disabled, bpf(2) refused all commands to
                     others; since commit c8644cd0efe7 it refuses to load programs and make maps, and maps that are
                     open stay usable. The kernel is asked, not its version.

CAP_SYS_PTRACE is a great power: this guards against our own mistakes, not against somebody who already runs code here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from pathlib import Path

from tracer.errors import CapabilityError

# linux/capability.h
CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SETPCAP, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_BPF = 2, 5, 8, 19, 21, 39

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4  # linux/prctl.h
_VERSION_3 = 0x20080522
_BPF_CALL = {"x86_64": 321, "aarch64": 280}
_BPF_MAP_LOOKUP_ELEM = 1

_libc = ctypes.CDLL(None, use_errno=True)
_ulong = ctypes.c_ulong


def drop(*, command: bool = False) -> set[int]:
    """Give up everything but what is used from now on; the capabilities that are left.

    command  signals will be passed on to a COMMAND

    Counts for this thread and those that it starts later. Raises CapabilityError where the kernel does not let go.
    """
    had = {number for number in range(64) if _status("CapPrm") >> number & 1}
    kept = had & {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, *([CAP_KILL] if command else [])}
    try:
        _set(effective=kept | had & {CAP_SETPCAP}, permitted=had)
        if not _maps_usable():
            kept |= had & {CAP_BPF} or had & {CAP_SYS_ADMIN}
        _no_more_by_exec(kept)
        _set(effective=kept, permitted=kept)
    except OSError as error:
        raise CapabilityError(f"root's privileges cannot be given up: {error.strerror}") from None
    return kept


def _status(field: str) -> int:
    text = Path("/proc/thread-self/status").read_text()
    return int(text.partition(f"{field}:")[2].split()[0], 16)


def _set(*, effective: set[int], permitted: set[int]) -> None:
    """capset(2); nothing inheritable, so nothing ambient either."""
    sets = [sum(1 << number for number in numbers) for numbers in (effective, permitted)] + [0]
    words = [numbers >> shift & 0xFFFFFFFF for shift in (0, 32) for numbers in sets]
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)(*words)))


def _no_more_by_exec(kept: set[int]) -> None:
    """No program that is run from here gets more: no set-uid bits, and at most these capabilities for root."""
    _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1))
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    bounding = _status("CapBnd")
    for number in range(64):
        # Without CAP_SETPCAP it cannot be narrowed; no_new_privs holds all the same.
        if bounding >> number & 1 and number not in kept:
            _prctl(_PR_CAPBSET_DROP, number)


def _maps_usable() -> bool:
    """bpf(2) looks at the caller first and at what is asked second: EPERM, or EBADF for a map that there is not."""
    call = _BPF_CALL.get(platform.machine())
    if call is None:
        return False
    attributes = (ctypes.c_uint32 * 8)(0xFFFFFFFF)
    failed: int = _libc.syscall(call, _BPF_MAP_LOOKUP_ELEM, attributes, ctypes.sizeof(attributes))
    return failed < 0 and ctypes.get_errno() == errno.EBADF


def _prctl(option: int, value: int) -> int:
    result: int = _libc.prctl(option, _ulong(value), _ulong(0), _ulong(0), _ulong(0))
    return result


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
