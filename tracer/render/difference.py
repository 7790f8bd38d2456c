"""Two states of process trees compared, as text and as JSON (`ctrace.diff/1`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from tracer.clean import clean_surrogates
from tracer.identity import Evidence
from tracer.render import words
from tracer.render.lines import Line, Span
from tracer.render.times import show_time

if TYPE_CHECKING:
    from tracer.diff import Change, Difference, Item, Move, Moved, Side
    from tracer.render.prose import Prose

SCHEMA = "ctrace.diff/1"
_HANG = 4


class Compared:
    """Tells what differs between two sides."""

    def __init__(
        self, a: Side, b: Side, names: tuple[str, str], prose: Prose, *, midnight: int | None, unit: str
    ) -> None:
        """`names`: what to call the sides; `midnight` and `unit` (`line`, `record`, `event`) are of side B's places."""
        self._a = a
        self._b = b
        self._names = names
        self._prose = prose
        self._midnight = midnight
        self._unit = unit
        self._labels_a = {item.pid: item.label for item in a.items.values()}
        self._labels_b = {item.pid: item.label for item in b.items.values()}

    def lines(self, found: Difference) -> Iterator[Line]:
        """A line of counts, then one for each difference."""
        yield from self._prose.lines([Span(" → ".join(self._names), "name")], hang=2)
        yield from self._prose.lines([Span(self._counts(found))], first="  ", hang=4)
        if not self._a.live() and not self._b.live():
            said = "Compared is who lives, and everything had ended on both sides: --at1 and --at2 name other moments."
            yield from self._prose.lines([Span(said, "dim")], first="  ", hang=4)
        if found.differs:
            yield Line([])
        for item in found.came:
            yield from self._row("+", item, self._born(item), "good")
        for item, later in found.went:
            yield from self._row("-", item, self._ended(later), "bad")
        for moved in found.moved:
            yield from self._moved(moved)
        for change in found.changed:
            yield from self._row("~", change.b, _changed(change), "mark")

    def _counts(self, found: Difference) -> str:
        total = f"{len(self._a.live()):,} → {len(self._b.live()):,} processes"
        counts = [
            (len(found.came), "came"),
            (len(found.went), "went"),
            (len(found.moved), "moved"),
            (sum(c.what == "program" for c in found.changed), "changed program"),
            (sum(c.what != "program" for c in found.changed), "changed otherwise"),
        ]
        said = [f"{count:,} {what}" for count, what in counts if count]
        between = f"; {found.between:,} came and went in between" if found.between else ""
        return f"{total}: {', '.join(said) if said else 'no difference'}{between}"

    def _row(self, mark: str, item: Item, said: str, style: str, evidence: str | None = None) -> Iterator[Line]:
        text = [Span(f"{item.label} ({item.pid})", style), Span(f"   {said}" if said else "")]
        notes = words.evidence(Evidence(evidence)) if evidence in set(Evidence) else []
        yield from self._prose.lines(text, first=f"{mark} ", hang=_HANG, notes=notes)

    def _who(self, pid: int | None, labels: dict[int, str]) -> str:
        if pid is None:
            return "somebody unknown"
        label = labels.get(pid) or self._labels_b.get(pid) or self._labels_a.get(pid)
        return f"{label or ('init' if pid == 1 else 'process')} ({pid})"

    def _place(self, at: int | None, time: int | None = None) -> str:
        if not at or not self._unit:
            return ""
        return f", {self._unit} {at}" + (f", {show_time(time, self._midnight)}" if time is not None else "")

    def _born(self, item: Item) -> str:
        creator = self._b.items.get(item.creator_uid or "")
        said = [f"created by {creator.label} ({creator.pid}){self._place(item.born)}"] if creator is not None else []
        if item.parent is not None and (creator is None or creator.pid != item.parent):
            since = f" since {self._place(item.moves[-1].at)[2:]}" if item.moves and self._unit else ""
            said.append(f"child of {self._who(item.parent, self._labels_b)}{since}")
        return "; ".join(said)

    def _ended(self, later: Item | None) -> str:
        if later is None:
            return ""
        return (later.end or "ended") + self._place(later.exited)

    def _moved(self, moved: Moved) -> Iterator[Line]:
        item = moved.b
        if moved.steps:
            for step in moved.steps:
                yield from self._row("↻", item, self._step(step), "", step.evidence)
            return
        said = f"from {self._who(moved.a.parent, self._labels_a)}"
        said += ", which has ended," if moved.parent_ended else ""
        said += f" to {self._who(item.parent, self._labels_b)}"
        yield from self._row("↻", item, said, "")

    def _step(self, step: Move) -> str:
        old, new = self._who(step.old, self._labels_a), self._who(step.new, self._labels_b)
        why = ", which exited" if step.cause == f"exit of {step.old}" else f" ({step.cause})" if step.cause else ""
        return f"from {old}{why} → {new}{self._place(step.at, step.time)}"


def _changed(change: Change) -> str:
    if change.what == "program":
        was = change.old if change.a.label == change.b.label else f"{change.a.label}, {change.old}"
        return f"runs {change.new}; before: {was}"
    if change.what == "state":
        ended = f": {change.b.end}" if change.b.end else ""
        return f"is {'a zombie' if change.new == 'zombie' else change.new} now{ended}"
    if change.what == "subreaper":
        return "became a subreaper" if change.new == "yes" else "is no subreaper any more"
    return f"moved to cgroup {change.new} from {change.old}"


def write_difference(out: TextIO, found: Difference, names: tuple[str, str]) -> None:
    """One JSON document. Pure ASCII."""
    document = {
        "schema": SCHEMA,
        "a": clean_surrogates(names[0]),
        "b": clean_surrogates(names[1]),
        "same": found.same,
        "between": found.between,
        "came": [_item(item) for item in found.came],
        "went": [_item(item) | {"exit": clean_surrogates(later.end) if later else None} for item, later in found.went],
        "moved": [
            _item(m.b)
            | {
                "from": m.a.parent,
                "to": m.b.parent,
                "parent_ended": m.parent_ended,
                "steps": [_move(s) for s in m.steps],
            }
            for m in found.moved
        ],
        "changed": [
            _item(c.b) | {"what": c.what, "old": clean_surrogates(c.old), "new": clean_surrogates(c.new)}
            for c in found.changed
        ],
    }
    json.dump(document, out, indent=1)
    out.write("\n")


def _item(item: Item) -> dict[str, Any]:
    return {
        "uid": clean_surrogates(item.uid),
        "pid": item.pid,
        "label": clean_surrogates(item.label),
        "exe": clean_surrogates(item.exe),
        "state": clean_surrogates(item.state),
        "parent": item.parent,
    }


def _move(step: Move) -> dict[str, Any]:
    return {
        "line": step.at,
        "time": step.time,
        "from": step.old,
        "to": step.new,
        "cause": clean_surrogates(step.cause),
        "evidence": clean_surrogates(step.evidence),
    }
