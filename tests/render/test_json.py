from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.script import Script, pod
from tracer.alike import likeness
from tracer.render.json import document_head, process_object, write_json, write_jsonl
from tracer.runtime.containers import names_of
from tracer.runtime.roles import Roles

SCHEMA = json.loads(Path("docs/reference/graph.schema.json").read_text(encoding="utf-8"))
CHECKER = jsonschema.Draft202012Validator(SCHEMA)


def document(script: Script) -> dict[str, Any]:
    graph = script.graph()
    out = io.StringIO()
    write_json(out, document_head(graph, script.info, script.stats), graph.processes, Roles(graph))
    assert out.getvalue().isascii()
    parsed: dict[str, Any] = json.loads(out.getvalue())
    CHECKER.validate(parsed)
    return parsed


def by_pid(parsed: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {process["pid"]: process for process in parsed["processes"]}


@pytest.mark.parametrize("timed", [False, True])
def test_pod_by_the_contract(timed: bool) -> None:
    script = pod(timed=timed)
    parsed = document(script)
    assert parsed["schema"] == "ctrace.graph/1"
    assert parsed["source"]["path"] == "script.log"
    assert parsed["stats"]["processes"] == len(parsed["processes"]) == 18
    assert parsed["stats"]["lines"] == len(script.events)
    processes = by_pid(parsed)
    pause = processes[304]
    assert pause["uid"] == "304#0"
    assert (pause["comm"], pause["exe"], pause["argv"]) == ("pause", "/pause", ["/pause"])
    assert (pause["parent"], pause["birth_parent"], pause["creator"]) == (220, 300, 303)
    assert (pause["evidence"], pause["state"], pause["role"]) == ("derived", "running", "pause")
    assert pause["threads"] == [304]
    assert pause["exit"] is None
    (change,) = pause["reparentings"]
    assert (change["from"], change["to"], change["rule"]) == (300, 220, "subreaper")
    assert change["cause"] == "exit of 300"
    assert (change["time"] is not None) is timed
    shim = processes[220]
    assert (shim["parent"], shim["evidence"], shim["subreaper"], shim["role"]) == (1, "assumed", True, "shim")
    assert shim["threads"] == [220, 221]
    root = processes[100]
    assert (root["parent"], root["evidence"], root["creator"]) == (None, "unknown", None)
    assert (root["subreaper"], root["subreaper_known"]) == (False, False)
    dead = processes[201]
    assert (dead["state"], dead["exit"], dead["threads"]) == ("dead", {"code": 1}, [])


def test_ends_zombies_and_reuse() -> None:
    s = Script()
    s.attach(10, "make")
    s.run(10, 11, "/bin/a")
    s.run(10, 11, "/bin/b", status=11 | 0x80)
    s.fork(10, 12)
    s.exit(12, 15)
    parsed = document(s)
    assert [p["uid"] for p in parsed["processes"]] == ["10#0", "11#0", "11#1", "12#0"]
    assert parsed["processes"][2]["exit"] == {"signal": "SIGSEGV", "core": True}
    zombie = parsed["processes"][3]
    assert (zombie["state"], zombie["threads"], zombie["reaped"]) == ("zombie", [12], None)
    assert zombie["exit"] == {"signal": "SIGTERM", "core": False}


def test_bytes_that_are_no_text() -> None:
    s = Script()
    s.attach(10)
    s.exec(10, b"/bin/\xff\xe9".decode("utf-8", "surrogateescape"), "\ud800", "\x1b[31m", "日本")
    process = document(s)["processes"][0]
    assert process["exe"] == "/bin/\\xff\\xe9"
    assert process["argv"] == ["\\ud800", "\x1b[31m", "日本"]


def test_empty_graph() -> None:
    assert document(Script())["processes"] == []


def test_jsonl_says_the_same() -> None:
    script = pod()
    graph = script.graph()
    out = io.StringIO()
    write_jsonl(out, document_head(graph, script.info, script.stats), graph.processes, Roles(graph))
    head, *processes = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {**head, "processes": processes} == document(script)


@pytest.mark.parametrize("timed", [False, True])
def test_many_that_are_alike_are_each_what_they_are(timed: bool) -> None:
    """Each text is that of the process alone, also where a text is filled into that of another."""
    script = Script(timed=timed)
    script.attach(10, "sh")
    script.fork(10, 11)
    script.exec(11, '/bin/50%s "sh"', "50%d")
    number = 20
    for turn in range(60):
        shell, child = 10 + turn % 2, number + turn % 7  # the numbers come back
        script.fork(shell, child)
        if turn % 3:
            script.exec(child, ("/bin/100%", "/opt/cni/bin/bridge")[turn % 5 == 0], "%(x)s", "\u2028")
        if turn % 11 == 0:
            script.rename(child, "other %")
        if turn == 30:
            script.exec(10, "/usr/bin/containerd")
        script.exit(child, turn % 4 << 8)
        if turn % 13:
            script.reap(shell, child)
    graph = script.graph()
    roles, names = Roles(graph), names_of(graph)
    for known in (names, None):
        out = io.StringIO()
        write_jsonl(out, document_head(graph, script.info, script.stats), graph.processes, roles, known)
        expected = [json.dumps(process_object(process, roles, known)) for process in graph.processes]
        assert out.getvalue().splitlines()[1:] == expected
    assert len({like for like in map(likeness, graph.processes) if like is not None}) < len(graph.processes) / 2


def test_the_schema_can_refuse() -> None:
    parsed = document(pod())
    for broken in (
        {**parsed, "schema": "ctrace.graph/2"},
        {**parsed, "processes": [{**parsed["processes"][0], "evidence": "sure"}]},
        {**parsed, "processes": [{k: v for k, v in parsed["processes"][0].items() if k != "parent"}]},
        {**parsed, "processes": [{**parsed["processes"][0], "exit": {"code": 0, "signal": "SIGKILL"}}]},
    ):
        assert not CHECKER.is_valid(broken)


def test_when_it_was_reaped() -> None:
    """Also of processes that are alike, whose text is made once."""
    s = Script(timed=True)
    s.attach(10, "sh")
    for child in range(11, 16):
        s.run(10, child, "/bin/true")
    processes = document(s)["processes"][1:]
    assert all(p["reaped"]["time"] is not None for p in processes)
    assert [p["reaped"]["time"] for p in processes] == sorted({p["reaped"]["time"] for p in processes})
