"""One side of a comparison, from a document `ctrace.graph/1`."""

from __future__ import annotations

from typing import Any

from tracer.diff import Item, Move, Side
from tracer.graph import Program
from tracer.identity import WaitStatus
from tracer.runtime.roles import Name, display_name, is_helper


def side_of_document(processes: list[dict[str, Any]]) -> Side:
    """What the document says; optional fields may be missing, and odd ones count as missing."""
    return Side({process["uid"]: _item(process) for process in processes})


def looker(head: dict[str, Any]) -> int:
    """The pid of the ctrace that made it from /proc; 0 where the document has none."""
    source = head.get("source")
    return (_number(source.get("pid")) or 0) if isinstance(source, dict) else 0


def _item(process: dict[str, Any]) -> Item:
    moves = tuple(_move(step) for step in _list(process.get("reparentings")) if isinstance(step, dict))
    known = process.get("subreaper_known") is not False and isinstance(process.get("subreaper"), bool)
    return Item(
        uid=process["uid"],
        pid=process["pid"],
        label=_label(process),
        exe=_text(process.get("exe")),
        state=process["state"],
        end=_end(process.get("exit")),
        parent=process["parent"],
        parent_uid=_text(process.get("parent_uid")) or None,
        creator_uid=_text(process.get("creator_uid")) or None,
        subreaper=process["subreaper"] if known else None,
        cgroup=_text(process.get("cgroup")),
        start_time=_number(process.get("start_time")) or 0,
        born=_line(process.get("born")),
        exited=_line(process.get("exited")),
        moves=moves,
    )


def _label(process: dict[str, Any]) -> str:
    role = _text(process.get("role"))
    if is_helper(role or None) and role not in {"cni", "runc"}:
        return role.replace("-", " ", 1)
    exe = _text(process.get("exe"))
    program = Program(exe, (), False) if exe else None
    return display_name(Name(process["comm"], program, own=True)) or role or "?"


def _move(step: dict[str, Any]) -> Move:
    return Move(
        at=_number(step.get("line")) or 0,
        time=_number(step.get("time")),
        old=_number(step.get("from")) or 0,
        new=_number(step.get("to")),
        cause=_text(step.get("cause")),
        evidence=_text(step.get("evidence")) or "unknown",
    )


def _end(status: object) -> str:
    if not isinstance(status, dict):
        return ""
    code, signal = _number(status.get("code")), _text(status.get("signal"))
    if code is None and not signal:
        return ""
    return str(WaitStatus(code, signal or None, status.get("core") is True))


def _line(place: object) -> int | None:
    return _number(place.get("line")) if isinstance(place, dict) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
