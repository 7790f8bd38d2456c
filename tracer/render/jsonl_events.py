"""What happens, as JSON for machines: `ctrace.events/1`, one object a line (docs/reference/jsonl.md).

Pure ASCII, whatever names and arguments hold. Fields may be added, never renamed.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, TextIO

from tracer.clean import clean_surrogates
from tracer.graph import Process, Program, Reparenting
from tracer.identity import signal_name
from tracer.live import journal as j
from tracer.render.findings import finding_object

if TYPE_CHECKING:
    from tracer.live.check import Agreement
    from tracer.live.journal import Happened
    from tracer.runtime.containers import Names
    from tracer.runtime.findings import Finding
    from tracer.runtime.roles import Roles

SCHEMA = "ctrace.events/1"
_SECOND = 1_000_000_000

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

    def happened(self, happened: Happened) -> None:
        """One change."""
        process = happened.process
        line: dict[str, Any] = {
            "event": happened.kind,
            "at": happened.at,
            "time": happened.time,
            "utc": self._utc(happened.time),
        }
        if process is None:
            line["count"] = happened.detail
        else:
            parent = process.parent
            line["pid"] = process.tgid
            line["start_time"] = process.start_time or None
            line["comm"] = clean_surrogates(process.comm)
            line["role"] = self._roles.role(process)
            line["parent"] = None if parent is None else parent.tgid
            line["container"] = self._container(process)
            line.update(_details(happened, process))
        self._write(line)

    def _container(self, process: Process) -> dict[str, str] | None:
        name = self._names.of(process)
        return None if name is None else {key: clean_surrogates(text) for key, text in name._asdict().items()}

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

    def _utc(self, boot_time: int | None) -> str | None:
        if boot_time is None:
            return None
        second, rest = divmod(boot_time + self._offset, _SECOND)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{rest // 1000:06d}Z"


def _details(happened: Happened, process: Process) -> dict[str, Any]:
    """What the kind of change adds to its line."""
    kind, detail = happened.kind, happened.detail
    if isinstance(detail, Reparenting):
        return _adoption(detail)
    if isinstance(detail, Program):
        return _program(detail)
    if kind == j.CREATED:
        creator = process.creator
        return {
            "creator": process.creator_tid or None,
            "creator_pid": None if creator is None else creator.tgid,
            "evidence": process.evidence.value,
            "ns_pids": list(process.ns_pids),
        }
    if kind == j.FOUND:
        return {
            **_program(process.program or Program("", (), False)),
            "state": process.state,
            "subreaper": process.subreaper,
            "ns_pids": list(process.ns_pids),
            "cgroup": clean_surrogates(process.cgroup),
        }
    if kind == j.EXITED:
        return {"exit": _exit(process)}
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


def _program(program: Program) -> dict[str, Any]:
    return {
        "exe": clean_surrogates(program.exe),
        "argv": [clean_surrogates(arg) for arg in program.argv],
        "argv_cut": program.argv_cut,
    }


def _exit(process: Process) -> dict[str, Any] | None:
    status = process.exit
    if status is None:
        return None
    return {"code": status.code} if status.signal is None else {"signal": status.signal, "core": status.core}
