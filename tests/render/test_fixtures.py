"""Every recorded log comes out of every renderer: by the schema, printable, and with nobody lost."""

from __future__ import annotations

import io
import json
from pathlib import Path

import jsonschema
import pytest

from tests.render.paint import painted, tree
from tracer.reconstruct import reconstruct
from tracer.render import words
from tracer.render.dot import write_dot
from tracer.render.json import document_head, write_json
from tracer.render.timeline import timeline_lines
from tracer.runtime.roles import Roles
from tracer.sources.detect import open_source

LOGS = Path(__file__).parents[2] / "fixtures/logs"
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/graph.schema.json").read_text(encoding="utf-8"))
CHECKER = jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("path", sorted(LOGS.glob("*/*.log")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_renderer(path: Path) -> None:
    source = open_source([str(path)])
    graph = reconstruct(source)
    roles = Roles(graph)
    out = io.StringIO()
    write_json(out, document_head(graph, source.info, source.stats), graph.processes, roles)
    document = json.loads(out.getvalue())
    CHECKER.validate(document)
    assert len(document["processes"]) == len(graph.processes) == graph.stats.processes
    dot = io.StringIO()
    write_dot(dot, graph.processes, roles)
    lineage = tree(graph, "lineage", width=None, threads=True, reasons=True)
    timeline = painted(timeline_lines(graph.processes, roles, midnight=source.info.midnight, width=100), width=None)
    for text in (out.getvalue(), dot.getvalue(), lineage, timeline, tree(graph)):
        assert all(line.isprintable() for line in text.split("\n"))
    named = [process for process in graph.processes if process.leader_known]
    numbers = [f"({words.number(process)})" for process in named]
    assert all(number in lineage and number in timeline for number in numbers)
    assert graph.to_networkx().number_of_nodes() >= len(graph.processes)
