"""What to show of a graph: which processes, under whom, and what is folded into a count.

`now`      who is whose child at the end of the trace (or at the asked moment): running processes and zombies;
           finished ones are counted at the nearest process above them that is still there.
`lineage`  who created whom: everything that the trace has, the dead included.

Everything here is linear in the number of processes and without recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.alike import Likeness, likeness
from tracer.graph import DEAD, ZOMBIE, Process, ProcessGraph
from tracer.runtime.roles import CNI, Roles

NOW = "now"
LINEAGE = "lineage"

Above = Callable[[Process], Process | None]
"""Under whom a view draws a process; None for a root."""


class Placed(NamedTuple):
    """A process and its place in the drawing."""

    process: Process
    depth: int
    """0 for a root."""
    last: bool
    """No sibling is drawn after it."""


KINDS_MAX = 1000
"""So many kinds are told apart: processes choose their names, and a session runs for ever."""


@dataclass(slots=True)
class Finished:
    """Dead processes that are shown as a count only."""

    kinds: dict[str, int] = field(default_factory=dict)
    """How many direct children of each kind: `cni loopback`, `shim start`; raw names. The first KINDS_MAX kinds."""
    others: int = 0
    """Direct children of further kinds."""
    below: int = 0
    """Those whose own parent had ended before they did or was dead too: further down."""
    unreaped: int = 0
    """Those of them that may be zombies: the trace shows no wait."""

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.kinds.values()) + self.others + self.below

    def add(self, kind: str) -> None:
        """Count a direct child."""
        kinds = self.kinds
        if kind in kinds:
            kinds[kind] += 1
        elif len(kinds) < KINDS_MAX:
            kinds[kind] = 1
        else:
            self.others += 1


@dataclass(slots=True)
class View:
    """A forest to draw."""

    name: str
    graph: ProcessGraph
    roles: Roles
    roots: list[Process]
    children: dict[Process, list[Process]]
    finished: dict[Process | None, Finished]
    """By the process they are counted at; None: those with nobody known above them."""
    context: Collection[Process]
    """Drawn only because something below them was asked for."""

    def walk(self) -> Iterator[Placed]:
        """Every process to draw, parents first."""
        stack = [Placed(root, 0, root is self.roots[-1]) for root in reversed(self.roots)]
        while stack:
            placed = stack.pop()
            yield placed
            below = self.children.get(placed.process)
            if below:
                youngest = below[-1]
                stack.extend(Placed(child, placed.depth + 1, child is youngest) for child in reversed(below))


def parent_now(process: Process) -> Process | None:
    """Under whom `now` draws a process."""
    return process.parent


def creator_or_parent(process: Process) -> Process | None:
    """Under whom `lineage` draws a process: its creator, or the first parent where only that is known."""
    return process.creator if process.creator is not None else process.birth_parent


ABOVE: dict[str, Above] = {NOW: parent_now, LINEAGE: creator_or_parent}


def build_view(
    graph: ProcessGraph, name: str, *, keep: Collection[Process] | None = None, roles: Roles | None = None
) -> View:
    """The view called `name` (a key of ABOVE). With `keep`: only these processes, and those above them as context."""
    above = ABOVE[name]
    roles = roles or Roles(graph)
    if keep is not None:
        keep = set(keep)
    chosen = graph.processes if keep is None else [p for p in graph.processes if p in keep]
    everything = name != NOW
    # Where no wait is shown, nobody can tell zombies from those that are gone; who asks for some sees each.
    gone = {DEAD} if graph.stats.waits_seen or keep is not None else {DEAD, ZOMBIE}
    finished = {} if everything else _fold(chosen, roles, gone)
    wanted = [p for p in chosen if everything or p.state not in gone]
    anchors = [p for p in finished if p is not None]
    included = _with_ancestors([*wanted, *anchors], above)
    context = included.keys() - set(wanted) if keep is not None else frozenset()
    view = View(name, graph, roles, [], {}, finished, context)
    _place(view, included, above)
    return view


def _with_ancestors(wanted: list[Process], above: Above) -> dict[Process, None]:
    included: dict[Process, None] = {}
    for process in wanted:
        node: Process | None = process
        while node is not None and node not in included:
            included[node] = None
            node = above(node)
    return included


def _place(view: View, included: dict[Process, None], above: Above) -> None:
    """Hang every process under the one above it, in the order of the graph; outside processes come first."""
    view.roots.extend(p for p in included if p.outside)
    for process in view.graph.processes:
        if process not in included or process.outside:
            continue
        parent = above(process)
        if parent is None:
            view.roots.append(process)
        else:
            view.children.setdefault(parent, []).append(process)


def _fold(chosen: list[Process], roles: Roles, gone: set[str]) -> dict[Process | None, Finished]:
    """Count every process that is `gone` at the nearest process above it, in the tree of `now`, that is not."""
    finished: dict[Process | None, Finished] = {}
    nearest: dict[Process, Process | None] = {}
    kind_of = _Kinds(roles).kind
    for process in chosen:
        if process.state not in gone:
            continue
        task = process.real_parent
        parent = task.process if task is not None else None
        if parent is None or parent.state not in gone:
            anchor = parent
        else:
            # Siblings come one after the other: where their parent was looked up, so are they.
            anchor = nearest[parent] if parent in nearest else _nearest_alive(parent, nearest, gone)
        fold = finished.get(anchor)
        if fold is None:
            fold = finished[anchor] = Finished()
        if parent is anchor:
            fold.add(kind_of(process))
        else:
            fold.below += 1
        fold.unreaped += process.state is not DEAD
    return finished


def _nearest_alive(process: Process, known: dict[Process, Process | None], gone: set[str]) -> Process | None:
    path = []
    node: Process | None = process
    while node is not None and node.state in gone and node not in known:
        known[node] = None
        path.append(node)
        node = node.parent
    anchor = known[node] if node is not None and node.state in gone else node
    for passed in path:
        known[passed] = anchor
    return anchor


class _Kinds:
    """Kinds of dead processes by name; of the many that are alike, one is looked at."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._alike: dict[Likeness, str] = {}

    def kind(self, process: Process) -> str:
        like = likeness(process)
        if like is None:
            return self._named(process)
        kind = self._alike.get(like)
        if kind is None:
            kind = self._alike[like] = self._named(process)
        return kind

    def _named(self, process: Process) -> str:
        label = self._roles.label(process)
        return f"cni {label}" if self._roles.role(process) == CNI else label
