"""The graph as JSON, by the contract `ctrace.graph/1` (docs/reference/json.md, graph.schema.json).

Written process by process, one a line: a million of them need no memory. Pure ASCII, whatever the names hold.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

from tracer.alike import Likeness, likeness
from tracer.clean import clean_surrogates
from tracer.graph import DEAD, Process, ProcessGraph, Reparenting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracer.identity import WaitStatus
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles
    from tracer.sources.base import SourceInfo, SourceStats

SCHEMA = "ctrace.graph/1"

_encode = json.JSONEncoder(separators=(", ", ": "), check_circular=False).encode


def write_json(
    out: TextIO, head: dict[str, Any], processes: Iterable[Process], roles: Roles, names: Names | None = None
) -> None:
    """One document. `head` comes from document_head(); with `names`, processes tell their cgroup and container."""
    for text in json_text(head, processes, roles, names):
        out.write(text)


def json_text(
    head: dict[str, Any], processes: Iterable[Process], roles: Roles, names: Names | None = None
) -> Iterator[str]:
    """The document in pieces."""
    yield "{\n"
    for key, value in head.items():
        yield f"{_encode(key)}: {_encode(value)},\n"
    yield '"processes": ['
    separator = "\n"
    text = _Texts(roles, names).text
    for process in processes:
        yield separator + text(process)
        separator = ",\n"
    yield "\n]}\n"


def write_jsonl(
    out: TextIO, head: dict[str, Any], processes: Iterable[Process], roles: Roles, names: Names | None = None
) -> None:
    """The same, one object a line: first the document without its processes, then each process."""
    out.write(_encode(head) + "\n")
    text = _Texts(roles, names).text
    for process in processes:
        out.write(text(process) + "\n")


class _Texts:
    """Texts of processes; of those that are alike the third and all further ones are filled into that of the second."""

    def __init__(self, roles: Roles, names: Names | None) -> None:
        self._roles = roles
        self._names = names
        self._templates: dict[Likeness, str] = {}

    def text(self, process: Process) -> str:
        """The object of one process."""
        like = likeness(process)
        template = None if like is None else self._templates.get(like)
        if not template:
            known = process_object(process, self._roles, self._names)
            if like is not None:
                if len(self._templates) >= _TEMPLATES_KEPT:
                    self._templates.clear()
                self._templates[like] = "" if template is None else _template(known)
            return _encode(known)
        born, exited, reaped = process.born_time, process.exited_time, process.reaped_time
        return template % (
            process.tgid,
            process.serial,
            process.tgid,
            process.born_at,
            "null" if born is None else born,
            process.exited_at,
            "null" if exited is None else exited,
            process.reaped_at,
            "null" if reaped is None else reaped,
        )


_TEMPLATES_KEPT = 1000
_HOLES = {
    "uid": '"%d#%d"',
    "pid": "%d",
    "born": '{"line": %d, "time": %s}',
    "exited": '{"line": %d, "time": %s}',
    "reaped": '{"line": %d, "time": %s}',
}
"""What alike processes (`alike`) do not share, in the order of process_object()."""


def _template(known: dict[str, Any]) -> str:
    values = (_HOLES.get(key) or _encode(value).replace("%", "%%") for key, value in known.items())
    return "{" + ", ".join([f"{_encode(key)}: {value}" for key, value in zip(known, values, strict=True)]) + "}"


def source_object(info: SourceInfo) -> dict[str, Any]:
    """`source` of every document about a trace."""
    known: dict[str, Any] = {"kind": info.kind, "path": clean_surrogates(info.path), "clock": info.clock}
    return known if info.boot_epoch is None else {**known, "boot_epoch": info.boot_epoch}


def document_head(graph: ProcessGraph, info: SourceInfo, stats: SourceStats) -> dict[str, Any]:
    """Everything in the document but the processes."""
    missing = {"missing_before": sorted(graph.stats.lost_before)} if info.kind == "strace" else {}
    return {
        "schema": SCHEMA,
        "source": source_object(info),
        "stats": {
            "lines": stats.lines,
            "events": stats.events,
            "unreadable": stats.unreadable,
            "lost": max(stats.lost, graph.stats.lost),
            **missing,
            "processes": graph.stats.processes,
            "inferred": graph.stats.inferred,
        },
    }


def process_object(process: Process, roles: Roles, names: Names | None = None) -> dict[str, Any]:
    """One element of `processes`."""
    program = process.program
    parent = process.parent
    birth_parent = process.birth_parent
    place = {} if names is None else _place(process, names)
    return place | {
        "uid": str(process.uid),
        "pid": process.tgid,
        "comm": clean_surrogates(process.comm),
        "exe": "" if program is None else clean_surrogates(program.exe),
        "argv": [] if program is None else [clean_surrogates(arg) for arg in program.argv],
        "argv_cut": program is not None and program.argv_cut,
        "state": process.state,
        "parent": None if parent is None else parent.tgid,
        "parent_uid": None if parent is None or parent.outside else str(parent.uid),
        "birth_parent": None if birth_parent is None else birth_parent.tgid,
        "birth_evidence": process.birth_evidence.value,
        "creator": None if process.creator is None else process.creator_tid,
        "creator_uid": None if process.creator is None else str(process.creator.uid),
        "evidence": process.evidence.value,
        "reason": clean_surrogates(process.reason),
        "subreaper": bool(process.subreaper),
        "subreaper_known": process.subreaper is not None,
        "threads": _threads(process),
        "threads_inferred": [task.tid for task in process.threads.values() if task.membership],
        "ns_pids": list(process.ns_pids),
        "exit": _exit(process.exit),
        "role": roles.role(process),
        "start_time": process.start_time or None,
        "born": {"line": process.born_at, "time": process.born_time},
        "exited": _moment(process.exited_at, process.exited_time),
        "reaped": _moment(process.reaped_at, process.reaped_time),
        "reparentings": [_reparenting(change) for change in process.reparentings or ()],
    }


def _place(process: Process, names: Names) -> dict[str, Any]:
    """Where systemd and the container runtimes count it."""
    from tracer.runtime.cgroup import unit

    name = names.of(process)
    return {
        "cgroup": clean_surrogates(process.cgroup) or None,
        "unit": clean_surrogates(unit(process.cgroup).name) or None,
        "container": None if name is None else {key: clean_surrogates(text) for key, text in name._asdict().items()},
    }


def _threads(process: Process) -> list[int]:
    if process.state == DEAD:
        return []
    return [process.tgid, *(tid for tid in process.threads if tid != process.tgid)]


def _exit(status: WaitStatus | None) -> dict[str, Any] | None:
    if status is None:
        return None
    return {"code": status.code} if status.signal is None else {"signal": status.signal, "core": status.core}


def _moment(at: int | None, time: int | None) -> dict[str, int | None] | None:
    return None if at is None else {"line": at, "time": time}


def _reparenting(change: Reparenting) -> dict[str, Any]:
    return {
        "line": change.at,
        "time": change.time,
        "from": change.old.tgid,
        "to": None if change.new is None else change.new.tgid,
        "rule": change.rule,
        "cause": clean_surrogates(change.cause),
        "evidence": change.evidence.value,
        "reason": clean_surrogates(change.reason),
    }
