"""Whether C programs can be made here: a compiler alone is not enough, the C library has a package of its own."""

from __future__ import annotations

import functools
import os
import subprocess

_PROGRAM = "#include <linux/types.h>\n#include <stdio.h>\nint main(void) { return 0; }\n"


@functools.cache
def cannot_compile(*options: str) -> str:
    """Why `gcc OPTIONS` makes no program here, or ''."""
    command = ["gcc", *options, "-x", "c", "-", "-o", os.devnull]
    try:
        done = subprocess.run(command, input=_PROGRAM, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return "no C compiler (apt install gcc libc6-dev)"
    return "" if done.returncode == 0 else "the C compiler lacks the C library's files (apt install libc6-dev)"
