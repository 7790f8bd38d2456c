"""The graph for Graphviz: solid edges to the present parent, dashed ones to the creator where that is another."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from tracer.clean import clean
from tracer.graph import DEAD, ZOMBIE, Process
from tracer.identity import Evidence
from tracer.render import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.runtime.roles import Roles

_EDGE_STYLES = {
    Evidence.OBSERVED: "solid",
    Evidence.DERIVED: "solid",
    Evidence.INFERRED: "bold",
    Evidence.ASSUMED: "dotted",
    Evidence.UNKNOWN: "dotted",
}


def write_dot(out: TextIO, processes: Iterable[Process], roles: Roles) -> None:
    """One digraph. Nodes are `pid#serial`; those that edges name without being asked for are drawn plain."""
    out.write('digraph ctrace {\n  rankdir=LR;\n  node [shape=box, fontname="monospace"];\n')
    drawn: set[Process] = set()
    named: dict[Process, None] = {}
    for process in processes:
        drawn.add(process)
        out.write(f"  {_node(process, roles)};\n")
        for line in _edges(process):
            out.write(f"  {line};\n")
        named.update(dict.fromkeys(p for p in (process.parent, process.creator) if p is not None))
    for process in named:
        if process not in drawn:
            out.write(f'  "{process.uid}" [label={_quote(words.title(process, roles))}, style=dashed];\n')
    out.write("}\n")


def _node(process: Process, roles: Roles) -> str:
    style = {DEAD: ", color=gray, fontcolor=gray", ZOMBIE: ", color=red"}.get(process.state, "")
    return f'"{process.uid}" [label={_quote(words.title(process, roles))}{style}]'


def _edges(process: Process) -> list[str]:
    edges = []
    parent, creator = process.parent, process.creator
    if parent is not None:
        style = _EDGE_STYLES[process.evidence]
        edges.append(f'"{parent.uid}" -> "{process.uid}" [style={style}, label="{process.evidence.value}"]')
    if creator is not None and creator is not parent:
        edges.append(f'"{creator.uid}" -> "{process.uid}" [style=dashed, color=gray, label="created"]')
    return edges


def _quote(text: str) -> str:
    escaped = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
