"""What an error says to do about it is a sentence, or a command to type."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tracer import errors

ERRORS = {name for name in vars(errors) if isinstance(getattr(errors, name), type)}
COMMANDS = ("mkdir -p ", "mount -t ", "systemctl ", "systemd-cgls ", "--", "/proc ", "`")
"""What begins a hint besides a capital."""


def hints() -> list[tuple[str, str]]:
    """(place, beginning of the text) of every hint that is written where the error is raised."""
    found = []
    for path in sorted(Path("tracer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                for text in map(_beginning, node.args[1:]):
                    found += [(f"{path}:{node.lineno}", text)] * bool(text)
    return found


def _beginning(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_a_hint_is_a_sentence_or_a_command() -> None:
    assert len(hints()) > 30
    assert [hint for hint in hints() if not (re.match("[A-Z]", hint[1]) or hint[1].startswith(COMMANDS))] == []
