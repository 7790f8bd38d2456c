"""The name that an exec gives: begin_new_exec() keeps TASK_COMM_LEN - 1 bytes of the file's name."""

from __future__ import annotations

import pytest

from tracer.reconstruct.program import comm_of


@pytest.mark.parametrize(
    ("filename", "comm"),
    [
        ("/usr/bin/true", "true"),
        ("sh", "sh"),
        ("/x/123456789012345", "123456789012345"),
        ("/x/1234567890123456", "123456789012345"),
        ("/x/1234567890123é", "1234567890123é"),
        ("/x/12345678901234é", "12345678901234"),
    ],
)
def test_comm_of(filename: str, comm: str) -> None:
    assert comm_of(filename) == comm
