"""A graph that was written as JSON (`ctrace.graph/1`, `--format json` or jsonl), read back for a comparison."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tracer.errors import NotATrace, UnreadableInput

if TYPE_CHECKING:
    from tracer.sources.open import Input

SCHEMA = "ctrace.graph/1"
MAX = 1 << 30
"""Bytes; all of it is in memory at once."""
_FIELDS: dict[str, tuple[type, ...]] = {
    "uid": (str,),
    "pid": (int,),
    "comm": (str,),
    "state": (str,),
    "parent": (int, type(None)),
}


def looks_like_graph(sample: bytes) -> bool:
    """Whether it can be such a document."""
    return sample.lstrip()[:1] == b"{" and SCHEMA.encode() in sample[:4096]


def read_graph(source: Input) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The document without its processes, and the processes; what the contract requires of them is there.

    Raises NotATrace, UnreadableInput.
    """
    data = bytearray()
    for block in source.blocks():
        data += block
        if len(data) > MAX:
            raise UnreadableInput(f"{source.name} is too big to compare: more than {MAX >> 20} MB")
    try:
        head, processes = _parse(data.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise NotATrace(f"{source.name} is no {SCHEMA}: {error}") from None
    if head.get("schema") != SCHEMA:
        raise NotATrace(f"{source.name} has the schema {head.get('schema')!r}", f"Readable is {SCHEMA}.")
    for number, process in enumerate(processes):
        _check(process, number, source.name)
    return head, processes


def _parse(text: str) -> tuple[dict[str, Any], list[Any]]:
    """One document, or one object a line. Raises ValueError."""
    try:
        document = json.loads(text)
    except ValueError:
        lines = [json.loads(line) for line in text.split("\n") if line.strip()]
        if not lines or not isinstance(lines[0], dict):
            raise
        return lines[0], lines[1:]
    if not isinstance(document, dict) or not isinstance(document.get("processes", []), list):
        raise ValueError("its processes are no list")
    return document, document.get("processes", [])


def _check(process: object, number: int, path: str) -> None:
    if not isinstance(process, dict):
        raise NotATrace(f"{path}: process {number} is no object")
    for name, types in _FIELDS.items():
        if not isinstance(process.get(name), types):
            raise NotATrace(f"{path}: process {number} has no good {name!r}")
