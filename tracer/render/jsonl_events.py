"""What happens, as JSON for machines: `ctrace.events/1`, one object a line (docs/reference/jsonl.md).

Pure ASCII, whatever names and arguments hold. Fields may be added, never renamed.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO

from tracer.clean import clean_surrogates
from tracer.graph import Process, Program, Reparenting
from tracer.identity import signal_name, wait_status
from tracer.live import journal as j
from tracer.render.findings import finding_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.live.check import Agreement
    from tracer.live.journal import Happened
    from tracer.runtime.containers import ContainerName, Names
    from tracer.runtime.findings import Finding
    from tracer.runtime.roles import Roles

SCHEMA = "ctrace.events/1"
_SECOND = 1_000_000_000
_CACHED = 1024
"""Names, programs and ends whose JSON is kept: many events tell the same."""

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class EventWriter:
    """Writes the lines. `epoch_offset`: ns to add to a time since boot to get one since the epoch."""

    def __init__(self, out: TextIO, roles: Roles, names: Names, epoch_offset: int) -> None:
        self._out = out
        self._roles = roles
        self._names = names
        self._offset = epoch_offset
        self._second = -1
        self._text = ""

    def begin(self, **facts: Any) -> None:
        """The first line: the schema, and what is traced."""
        head = {"event": "begin", "schema": SCHEMA, "clock": "boot", "epoch_offset": self._offset, **facts}
        self._write(head)

    def line(self, happened: Happened) -> str:
        """One change. Spelled out: there is one for nearly every event, and the encoder takes ten times as long."""
        kind, at, time_, process, detail = happened
        if process is None:
            return f'{self._head(kind, at, time_)},"count":{detail}}}\n'
        parent = process.parent
        role = self._roles.role(process)
        return (
            f'{self._head(kind, at, time_)}{who(process.tgid, process.start_time)}"comm":{_text(process.comm)},'
            f'"role":{"null" if role is None else _text(role)},"parent":{"null" if parent is None else parent.tgid},'
            f'"container":{self._container(process)}{_details(happened, process)}}}\n'
        )

    def alike(self, kind: str, at: int, time_: int, child: int, start: int, rest: str) -> str:
        """The line of a change like one before, which had `rest` after who it was."""
        return f"{self._head(kind, at, time_)}{who(child, start)}{rest}"

    def write(self, lines: Iterable[str]) -> None:
        """Lines made here."""
        self._out.write("".join(lines))

    def _head(self, kind: str, at: int, time_: int | None) -> str:
        return f'{{"event":"{kind}","at":{at},"time":{_number(time_)},"utc":{self._utc(time_)}'

    def _container(self, process: Process) -> str:
        name = self._names.of(process)
        return "null" if name is None else _container(name)

    def verified(self, agreement: Agreement) -> None:
        """The outcome of a comparison with /proc."""
        self._write(
            {
                "event": "verified",
                "processes": agreement.processes,
                "threads": agreement.threads,
                "differences": [
                    {
                        "pid": d.pid,
                        "comm": clean_surrogates(d.name),
                        "what": d.what,
                        "graph": clean_surrogates(d.ours),
                        "kernel": clean_surrogates(d.kernel),
                    }
                    for d in agreement.differences
                ],
            }
        )

    def finding(self, finding: Finding) -> None:
        """Something that is wrong at the end."""
        self._write({"event": "finding", **finding_object(finding, self._roles)})

    def end(self, **facts: Any) -> None:
        """The last line."""
        self._write({"event": "end", **facts})

    def _write(self, line: dict[str, Any]) -> None:
        self._out.write(_encode(line) + "\n")

    def _utc(self, boot_time: int | None) -> str:
        if boot_time is None:
            return "null"
        second, rest = divmod(boot_time + self._offset, _SECOND)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f'"{self._text}.{rest // 1000:06d}Z"'


def who(tgid: int, start: int) -> str:
    """The part of a line that says which process it is about; no name or argument can hold this, for its quotes."""
    return f',"pid":{tgid},"start_time":{start or "null"},'


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


@lru_cache(_CACHED)
def _text(raw: str) -> str:
    """As JSON."""
    return _encode(clean_surrogates(raw))


@lru_cache(_CACHED)
def _container(name: ContainerName) -> str:
    return _encode({key: clean_surrogates(text) for key, text in name._asdict().items()})


def _details(happened: Happened, process: Process) -> str:
    """What the kind of change adds to its line: fields with a comma before each."""
    kind, detail = happened.kind, happened.detail
    if kind == j.CREATED:
        creator = process.creator
        return (
            f',"creator":{process.creator_tid or "null"},"creator_pid":{"null" if creator is None else creator.tgid},'
            f'"evidence":"{process.evidence.value}","ns_pids":[{",".join(map(str, process.ns_pids))}]'
        )
    if kind == j.EXITED:
        return _exit(process.status)
    if kind == j.REAPED:
        return ""
    if type(detail) is Program:
        return _program(detail)
    return _fields(_rare_details(happened, process))


def _fields(fields: dict[str, Any]) -> str:
    return "," + _encode(fields)[1:-1] if fields else ""


@lru_cache(_CACHED)
def _exit(status: int | None) -> str:
    if status is None:
        return _fields({"exit": None})
    end = wait_status(status)
    return _fields({"exit": {"code": end.code} if end.signal is None else {"signal": end.signal, "core": end.core}})


@lru_cache(_CACHED)
def _program(program: Program) -> str:
    return _fields(_program_fields(program))


def _rare_details(happened: Happened, process: Process) -> dict[str, Any]:
    kind, detail = happened.kind, happened.detail
    if isinstance(detail, Reparenting):
        return _adoption(detail)
    if kind == j.FOUND:
        return {
            **_program_fields(process.program or Program("", (), False)),
            "state": process.state,
            "subreaper": process.subreaper,
            "ns_pids": list(process.ns_pids),
            "cgroup": clean_surrogates(process.cgroup),
        }
    if kind == j.SUBREAPER:
        return {"on": detail}
    if kind == j.PDEATHSIG:
        return {"signal": signal_name(detail) if isinstance(detail, int) and detail else None}
    if kind == j.RENAMED:
        return {"from": clean_surrogates(str(detail))}
    return {"tid": detail} if kind in {j.THREAD_CREATED, j.THREAD_EXITED} else {}


def _adoption(change: Reparenting) -> dict[str, Any]:
    return {
        "from": change.old.tgid,
        "to": None if change.new is None else change.new.tgid,
        "rule": change.rule,
        "cause": clean_surrogates(change.cause),
        "evidence": change.evidence.value,
        "reason": clean_surrogates(change.reason),
    }


def _program_fields(program: Program) -> dict[str, Any]:
    return {
        "exe": clean_surrogates(program.exe),
        "argv": [clean_surrogates(arg) for arg in program.argv],
        "argv_cut": program.argv_cut,
    }
