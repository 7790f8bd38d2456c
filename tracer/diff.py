"""Two states of process trees compared: who came, who went, who moved and why, who changed what.

A side is what a graph, or a graph that was written as JSON, says; both are reduced to Items. Who is the same process
on both sides is a question of identity: within one trace the uid, else the number together with the start time, or,
between runs that have nothing in common, the lineage (who was created by whom).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tracer.graph import DEAD, ZOMBIE, Process, ProcessGraph

if TYPE_CHECKING:
    from tracer.runtime.roles import Roles

SAME_START = 20_000_000
"""ns: /proc has start times in ticks of 10 ms."""


class Move(NamedTuple):
    """One change of parents."""

    at: int
    time: int | None
    old: int
    new: int | None
    cause: str
    evidence: str


class Item(NamedTuple):
    """A process on one side. Text is raw."""

    uid: str
    pid: int
    label: str
    exe: str
    state: str
    end: str
    """How it ended: `exited with 0`; '' while it runs."""
    parent: int | None
    parent_uid: str | None
    creator_uid: str | None
    subreaper: bool | None
    """None: not known."""
    cgroup: str
    """'' where not known."""
    start_time: int
    """ns since boot; 0 where not known."""
    born: int | None
    """Place in the trace."""
    exited: int | None
    moves: tuple[Move, ...]


class Change(NamedTuple):
    """Something about a process that is on both sides."""

    a: Item
    b: Item
    what: str
    """`program`, `state`, `subreaper`, `cgroup`."""
    old: str
    new: str


class Moved(NamedTuple):
    """A process that has another parent."""

    a: Item
    b: Item
    steps: tuple[Move, ...]
    """How it got there, where B tells; else ()."""
    parent_ended: bool
    """The parent on side A does not live on side B."""


@dataclass(slots=True)
class Side:
    """All that one input knows."""

    items: dict[str, Item]
    """By uid; the dead, too, where the input has them."""
    trace: str = ""
    """Names the trace, where it is one; two moments of one trace share their uids."""

    def live(self) -> list[Item]:
        """Running processes and zombies."""
        return [item for item in self.items.values() if item.state != DEAD]

    def without_bystanders(self, looker: int) -> Side:
        """Without the kernel's own threads, which come and go by themselves, and without the ctrace that looked.

        looker   its pid; 0 where nobody of the side did
        """
        kernel = {i.uid for i in self.items.values() if i.pid == 2 and i.label == "kthreadd" and not i.exe}
        return Side(
            {
                uid: item
                for uid, item in self.items.items()
                if item.pid != looker and uid not in kernel and (item.exe or item.parent_uid not in kernel)
            },
            self.trace,
        )


@dataclass(slots=True)
class Difference:
    """The answer; empty lists where nothing differs."""

    came: list[Item] = field(default_factory=list)
    went: list[tuple[Item, Item | None]] = field(default_factory=list)
    """As it was on side A, and what side B says of it, if anything."""
    moved: list[Moved] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    between: int = 0
    """Processes that came and went in between, as far as one trace tells."""
    same: int = 0
    """Processes without any difference."""

    @property
    def differs(self) -> bool:
        """Anything at all."""
        return bool(self.came or self.went or self.moved or self.changed)


def side_of(graph: ProcessGraph, roles: Roles, trace: str = "") -> Side:
    """What a graph says."""
    items = {str(p.uid): _item(p, roles) for p in graph.processes}
    return Side(items, trace)


def _item(process: Process, roles: Roles) -> Item:
    parent = process.parent
    return Item(
        uid=str(process.uid),
        pid=process.tgid,
        label=roles.label(process),
        exe=process.program.exe if process.program is not None else "",
        state=process.state,
        end=str(process.exit) if process.exit is not None and process.state in {DEAD, ZOMBIE} else "",
        parent=None if parent is None else parent.tgid,
        parent_uid=None if parent is None or parent.outside else str(parent.uid),
        creator_uid=None if process.creator is None else str(process.creator.uid),
        subreaper=process.subreaper,
        cgroup=process.cgroup,
        start_time=process.start_time,
        born=process.born_at,
        exited=process.exited_at,
        moves=tuple(
            Move(s.at, s.time, s.old.tgid, None if s.new is None else s.new.tgid, s.cause, s.evidence.value)
            for s in process.reparentings or ()
        ),
    )


def compare(a: Side, b: Side, *, by_lineage: bool = False) -> Difference:
    """The differences between the living processes of two sides."""
    if by_lineage:
        pairs, came, went = _match(a, b, _lineages(a), _lineages(b))
    elif a.trace and a.trace == b.trace:
        pairs, came, went = _match(a, b, {i.uid: i.uid for i in a.live()}, {i.uid: i.uid for i in b.live()})
    else:
        pairs, came, went = _match(a, b, {i.uid: i.pid for i in a.live()}, {i.uid: i.pid for i in b.live()})
    found = Difference(came=came, went=[(item, _later(item, a, b)) for item in went])
    if a.trace and a.trace == b.trace:
        found.between = sum(item.state == DEAD and uid not in a.items for uid, item in b.items.items())
    twins = {one.uid: other.uid for one, other in pairs}
    for one, other in pairs:
        changes = list(_changes(one, other))
        moved = _moved(one, other, twins, a, b)
        found.changed += changes
        if moved is not None:
            found.moved.append(moved)
        found.same += not changes and moved is None
    return found


_Match = tuple[list[tuple[Item, Item]], list[Item], list[Item]]


def _match(a: Side, b: Side, key_a: dict[str, object], key_b: dict[str, object]) -> _Match:
    """Pairs of the same process, and who has no twin: on side B, on side A."""
    by_key = {key: a.items[uid] for uid, key in key_a.items()}
    pairs, came = [], []
    for uid, key in key_b.items():
        item = b.items[uid]
        twin = by_key.get(key)
        if twin is not None and _same_start(twin, item):
            pairs.append((twin, item))
            del by_key[key]
        else:
            came.append(item)
    return pairs, came, list(by_key.values())


def _same_start(one: Item, other: Item) -> bool:
    if not one.start_time or not other.start_time:
        return True
    return abs(one.start_time - other.start_time) < SAME_START


def _lineages(side: Side) -> dict[str, object]:
    """uid -> names of all that created each other down to it, and which of its like it is."""
    paths: dict[str, tuple[str, ...]] = {}
    seen: Counter[tuple[str, ...]] = Counter()
    keys: dict[str, object] = {}
    for item in side.items.values():
        path = _path(item, side, paths)
        if item.state != DEAD:
            keys[item.uid] = (path, seen[path])
            seen[path] += 1
    return keys


def _path(item: Item, side: Side, paths: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    chain: list[Item] = []
    node: Item | None = item
    on_chain: set[str] = set()
    while node is not None and node.uid not in paths and node.uid not in on_chain:
        chain.append(node)
        on_chain.add(node.uid)
        node = side.items.get(node.creator_uid or node.parent_uid or "")
    path = paths.get(node.uid, ()) if node is not None else ()
    for link in reversed(chain):
        path = paths[link.uid] = (*path, link.label)
    return path


def _later(item: Item, a: Side, b: Side) -> Item | None:
    """What side B knows of a process that does not live there."""
    if a.trace and a.trace == b.trace:
        later = b.items.get(item.uid)
        return later if later is not None and later.state == DEAD else None
    same = [i for i in b.items.values() if i.pid == item.pid and i.state == DEAD and _same_start(i, item)]
    return same[0] if len(same) == 1 else None


def _moved(one: Item, other: Item, twins: dict[str, str], a: Side, b: Side) -> Moved | None:
    listed = one.parent_uid in a.items
    if listed and other.parent_uid in b.items:
        if twins.get(one.parent_uid or "") == other.parent_uid:
            return None
    elif one.parent == other.parent:
        return None  # a parent outside, or one that a filter left out: all that is known of it is its number
    if one.parent is None or other.parent is None:
        return None  # one side does not know
    known = len(one.moves)
    new = other.moves[known:] if other.moves[:known] == one.moves else other.moves
    steps = new if new and new[-1].new == other.parent else ()
    ended = listed and twins.get(one.parent_uid or "") is None
    return Moved(one, other, steps, ended)


def _changes(one: Item, other: Item) -> Iterable[Change]:
    if one.exe and other.exe and one.exe != other.exe:
        yield Change(one, other, "program", one.exe, other.exe)
    elif one.label != other.label and not (one.exe and other.exe):
        yield Change(one, other, "program", one.label, other.label)
    if one.state != other.state:
        yield Change(one, other, "state", one.state, other.state)
    if one.subreaper is not None and other.subreaper is not None and one.subreaper != other.subreaper:
        yield Change(one, other, "subreaper", _yes(one.subreaper), _yes(other.subreaper))
    if one.cgroup and other.cgroup and one.cgroup != other.cgroup and other.state != ZOMBIE:
        yield Change(one, other, "cgroup", one.cgroup, other.cgroup)  # v1 shows a zombie in the root


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
