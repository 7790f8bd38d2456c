"""libbpf by ctypes: the few functions that loading takes, of its stable C interface.

Nearly every node has the library, since iproute2 (`ip`, `tc`) is linked with it. Where it is not, the copy inside an
installed pylibbpf does: that module exports libbpf's functions. pylibbpf itself is not used (docs/architecture.md,
"Live").

Both of its interfaces are understood: libbpf.so.1 returns NULL and sets errno, libbpf.so.0 returned -errno as a
pointer.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
from collections import deque
from ctypes import c_bool, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.errors import CapabilityError
from tracer.sources.ebpf.needs import package_command

if TYPE_CHECKING:
    from collections.abc import Iterator

_INSTALL = {
    "debian": "apt install libbpf1",
    "fedora": "dnf install libbpf",
    "arch": "pacman -S libbpf",
    "suse": "zypper install libbpf1",
}

_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "bpf_object__open_mem": (c_void_p, (c_char_p, c_size_t, c_void_p)),
    "bpf_object__load": (c_int, (c_void_p,)),
    "bpf_object__close": (None, (c_void_p,)),
    "bpf_object__find_map_by_name": (c_void_p, (c_void_p, c_char_p)),
    "bpf_object__find_program_by_name": (c_void_p, (c_void_p, c_char_p)),
    "bpf_map__set_max_entries": (c_int, (c_void_p, c_uint32)),
    "bpf_map__fd": (c_int, (c_void_p,)),
    "bpf_program__set_autoload": (c_int, (c_void_p, c_bool)),
    "bpf_program__fd": (c_int, (c_void_p,)),
    "bpf_program__attach_raw_tracepoint": (c_void_p, (c_void_p, c_char_p)),
    "bpf_link__destroy": (c_int, (c_void_p,)),
    "bpf_map_lookup_elem": (c_int, (c_int, c_void_p, c_void_p)),
    "bpf_map_update_elem": (c_int, (c_int, c_void_p, c_void_p, c_uint64)),
    "bpf_map_get_next_key": (c_int, (c_int, c_void_p, c_void_p)),
}

# int (*)(enum libbpf_print_level, const char *format, va_list): the va_list arrives as a pointer on both machines
# (x86-64 psABI 3.5.7; AAPCS64 passes structs of more than 16 bytes by reference).
_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)
_LEVEL_WARN = 0
_LINE_MAX = 1 << 20
"""Bytes kept of one message; the verifier's log is one."""


class BpfError(Exception):
    """A function of libbpf failed. `said` is what it printed meanwhile."""

    def __init__(self, errno: int, said: str) -> None:
        super().__init__(os.strerror(errno))
        self.errno = errno
        self.said = said


class Libbpf:
    """The library's functions. Raises CapabilityError where there is no usable library."""

    def __init__(self) -> None:
        self.path, self._library = _open()
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._said: deque[str] = deque(maxlen=50)
        self._print = _PRINT(self._printed)  # kept: libbpf calls it as long as the process lives
        self._library.libbpf_set_print(self._print)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def _printed(self, level: int, form: bytes, arguments: int) -> int:
        if level > _LEVEL_WARN:
            return 0
        text = ctypes.create_string_buffer(_LINE_MAX)
        ctypes.CDLL(None).vsnprintf(text, c_size_t(_LINE_MAX), c_char_p(form), c_void_p(arguments))
        self._said.append(text.value.decode("utf-8", "replace"))
        return 0

    def pointer(self, name: str, *arguments: Any) -> int:
        """Call a function that returns a pointer. Raises BpfError."""
        self._said.clear()
        value = getattr(self._library, name)(*arguments) or 0
        if not value:
            raise BpfError(ctypes.get_errno(), "".join(self._said))
        if value > 2**64 - 4096:
            raise BpfError(2**64 - value, "".join(self._said))
        return int(value)

    def number(self, name: str, *arguments: Any) -> int:
        """Call a function that returns a number, or less than 0. Raises BpfError."""
        self._said.clear()
        value = int(getattr(self._library, name)(*arguments))
        if value < 0:
            raise BpfError(-value if value != -1 else ctypes.get_errno() or 1, "".join(self._said))
        return value


def install_command() -> str:
    """What installs libbpf on this distribution."""
    return package_command(_INSTALL)


def _open() -> tuple[str, ctypes.CDLL]:
    """(name or path, library): the first that can be loaded and has all functions."""
    why = ""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path, use_errno=True)
        except OSError as error:
            if "No such file" not in str(error):
                why = f": {error}"
            continue
        lacking = [name for name in _FUNCTIONS if not hasattr(library, name)]
        if not lacking:
            return path, library
        why = f": {path} is too old, it has no {lacking[0]}"
    raise CapabilityError(f"the CO-RE probes need libbpf, which is not installed{why}", install_command())


def _candidates() -> Iterator[str]:
    yield "libbpf.so.1"
    yield "libbpf.so.0"
    with contextlib.suppress(ImportError, ValueError):
        found = importlib.util.find_spec("pylibbpf")  # does not run it
        for folder in (found.submodule_search_locations or []) if found is not None else []:
            yield from map(str, sorted(Path(folder).glob("pylibbpf.*.so")))
