"""What would happen, in words: who dies, who is adopted by whom, who must be waited for, who lives on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from tracer.graph import RULE_CHILD_REAPER, RULE_SUBREAPER, Process, Reparenting
from tracer.identity import Evidence
from tracer.render import words
from tracer.render.lines import Line, Span
from tracer.runtime.ends import ASKED, Death
from tracer.whatif import Fate, Zombie

if TYPE_CHECKING:
    from tracer.render.prose import Prose
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles

_HANG = 12
_Row = tuple[str, "Evidence | None", str]
"""Text, evidence, why that is not better."""
_NAMED = 20
"""In one row; the rest is counted."""
_ROWS = 40
"""Of one kind; the rest is counted."""


class Foretold:
    """Tells one fate."""

    def __init__(self, fate: Fate, roles: Roles, names: Names, prose: Prose) -> None:
        self._fate = fate
        self._roles = roles
        self._names = names
        self._prose = prose

    def title(self, process: Process | None) -> str:
        """`nginx (158)`; raw."""
        return "somebody unknown" if process is None else words.title(process, self._roles)

    def who(self, process: Process) -> str:
        """With the container that it is in: `nginx (158) of shop/web nginx`."""
        return words.title_in_container(process, self._roles, self._names)

    def _container(self, process: Process) -> str:
        """`shop/web nginx`; '' for none."""
        name = self._names.of(process)
        return name.title if name is not None else ""

    def lines(self) -> Iterator[Line]:
        """All sections that are not empty."""
        fate = self._fate
        yield from self._section("dies", self._deaths(fate.deaths))
        doubts = groupby(fate.doubts, key=lambda doubt: doubt.why)
        yield from self._section(
            "in doubt", [(f"{self._all(d.process for d in g)}: {why}", None, "") for why, g in doubts]
        )
        yield from self._section("adopted", self._adoptions(fate.adoptions))
        yield from self._section("zombie", list(self._zombies(fate.zombies)))

    def _all(self, processes: Iterable[Process]) -> str:
        """`pause (7) of shop/web; app (8) and worker (9) of shop/web app`."""
        everyone = list(processes)
        said = []
        for container, group in groupby(everyone[:_NAMED], key=self._container):
            named = [self.title(process) for process in group]
            who = " and ".join(part for part in (", ".join(named[:-1]), named[-1]) if part)
            said.append(who + (f" of {container}" if container else ""))
        if len(everyone) > _NAMED:
            said.append(f"and {len(everyone) - _NAMED:,} more")
        return ("; " if any(self._container(process) for process in everyone) else ", ").join(said)

    def lives_on(self, rows: Sequence[str]) -> Iterator[Line]:
        """Who might have been thought to die."""
        return self._section("lives on", [(row, None, "") for row in rows])

    def _section(self, name: str, rows: Sequence[_Row]) -> Iterator[Line]:
        lead = name
        for text, evidence, reason in rows[:_ROWS]:
            notes = words.evidence(evidence) if evidence is not None else []
            yield from self._prose.lines([Span(text)], first=lead.ljust(_HANG), hang=_HANG, notes=notes)
            if reason:
                said = [Span(f"not certain: {reason}", "inferred")]
                yield from self._prose.lines(said, first=" " * (_HANG + 2), hang=_HANG + 4)
            lead = ""
        if len(rows) > _ROWS:
            yield Line([Span(" " * _HANG), Span(f"and {len(rows) - _ROWS:,} more", "dim")])

    def _deaths(self, deaths: Iterable[Death]) -> list[_Row]:
        rows: list[_Row] = []
        for (kind, why, by, evidence), group in groupby(deaths, key=lambda d: (d.kind, d.why, d.by, d.evidence)):
            text = self._all(death.process for death in group)
            if why:
                text += f": {why}"
            if by is not None and kind != ASKED:
                text += f": {self.title(by)}"
            rows.append((text, None if kind == ASKED else evidence, ""))
        return rows

    def _adoptions(self, adoptions: Iterable[tuple[Process, Reparenting]]) -> list[_Row]:
        rows: list[_Row] = []
        alike = groupby(adoptions, key=lambda a: (a[1].old, a[1].new, a[1].rule, a[1].evidence, a[1].reason))
        for (old, _, _, evidence, reason), group in alike:
            moved = list(group)
            many = len(moved) > 1
            who = self._all(process for process, _ in moved)
            text = f"{who}, {'children' if many else 'child'} of {self.title(old)}, "
            text += f"{'go' if many else 'goes'} to {self._adopter(moved[0][1])}"
            rows.append((text, evidence, reason))
        return rows

    def _adopter(self, step: Reparenting) -> str:
        new = self.title(step.new)
        if step.rule == RULE_SUBREAPER:
            return f"the nearest subreaper, {new}"
        if step.rule == RULE_CHILD_REAPER and step.new is not None:
            nested = step.new.ns.level > 0
            return f"the init of {'its pid namespace' if nested else 'the machine'}, {new}"
        return new

    def _zombies(self, zombies: Iterable[Zombie]) -> Iterator[_Row]:
        """Only those that were there before, or that somebody may forget: an init or a shim waits at once."""
        for (debtor, waits, before), group in groupby(zombies, key=lambda z: (z.debtor, z.waits, z.before)):
            alike = list(group)
            many = len(alike) > 1
            who, parent, it = self._all(z.process for z in alike), self.title(debtor), "them" if many else "it"
            if before:
                gone = "they are" if many else "it is"
                rest = f"which waits for {it}: {gone} gone then" if waits else f"which must wait for {it} then"
                verbs = "are zombies already, and go" if many else "is one already, and goes"
                yield f"{who} {verbs} to {parent}, {rest}", None, ""
            elif not waits:
                yield f"{who} {'stay zombies' if many else 'stays one'} until {parent} waits for {it}", None, ""


def verdict(fate: Fate, roles: Roles, because: str = "") -> str:
    """The answer in one or two sentences; `because`: why nobody else dies. Raw."""
    asked = [d for d in fate.deaths if d.kind == ASKED]
    more = len(fate.deaths) - len(asked)
    count = len(fate.adoptions)
    if more:
        said = f"{more:,} more {'process dies' if more == 1 else 'processes die'}."
    else:
        said = "Nothing else dies" if asked else "Nothing dies"
        reasons = [because] if because else []
        if len(asked) == 1 and not any(asked[0].process.children()):
            reasons.append("it has no children")
        said += f": {', and '.join(reasons)}." if reasons else "."
    if not count:
        return said
    adopters = list(dict.fromkeys(step.new for _, step in fate.adoptions))
    by = words.title(adopters[0], roles) if len(adopters) == 1 and adopters[0] is not None else "others"
    return f"{said} {count:,} {'is' if count == 1 else 'are'} adopted by {by}."
