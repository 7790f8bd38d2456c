"""What would happen as JSON, by the contract `ctrace.fate/1` (docs/reference/whatif.md, fate.schema.json)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

from tracer.clean import clean_surrogates
from tracer.render.json import source_object
from tracer.render.story_json import reference

if TYPE_CHECKING:
    from tracer.runtime.roles import Roles
    from tracer.runtime.stopping import Scope
    from tracer.sources.base import SourceInfo
    from tracer.whatif import Fate

SCHEMA = "ctrace.fate/1"


def write_fate(
    out: TextIO,
    info: SourceInfo,
    question: dict[str, str],
    fate: Fate,
    roles: Roles,
    *,
    scopes: list[Scope],
    otherwise: dict[str, Fate],
    notes: list[str],
) -> None:
    """One document. `otherwise`: by KillMode, what another one would do."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "source": source_object(info),
        "question": {key: clean_surrogates(text) for key, text in question.items()},
        "units": [_scope(scope, roles) for scope in scopes],
        **fate_object(fate, roles),
        "otherwise": {mode: fate_object(other, roles) for mode, other in otherwise.items()},
        "notes": [clean_surrogates(note) for note in notes],
    }
    json.dump(document, out, indent=1)
    out.write("\n")


def fate_object(fate: Fate, roles: Roles) -> dict[str, Any]:
    """Who dies, who is adopted, who stays a zombie, and of whom it is not known."""
    return {
        "deaths": [
            {
                "process": reference(d.process, roles),
                "kind": d.kind,
                "why": clean_surrogates(d.why),
                "by": reference(d.by, roles),
                "evidence": d.evidence.value,
            }
            for d in fate.deaths
        ],
        "adoptions": [
            {
                "process": reference(p, roles),
                "from": reference(step.old, roles),
                "to": reference(step.new, roles),
                "rule": step.rule,
                "evidence": step.evidence.value,
                "reason": clean_surrogates(step.reason),
            }
            for p, step in fate.adoptions
        ],
        "zombies": [
            {
                "process": reference(z.process, roles),
                "debtor": reference(z.debtor, roles),
                "waits": z.waits,
                "before": z.before,
            }
            for z in fate.zombies
        ],
        "doubts": [{"process": reference(d.process, roles), "why": clean_surrogates(d.why)} for d in fate.doubts],
    }


def _scope(scope: Scope, roles: Roles) -> dict[str, Any]:
    return {
        "name": clean_surrogates(scope.name),
        "kill_mode": scope.kill_mode,
        "kill_mode_known": scope.kill_mode_known,
        "send_sigkill": scope.send_sigkill,
        "delegate": scope.delegate,
        "main": reference(scope.main, roles),
        "members": [reference(p, roles) for p in scope.members],
        "guess": clean_surrogates(scope.guess),
    }
