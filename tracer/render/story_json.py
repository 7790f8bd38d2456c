"""Stories as JSON, by the contract `ctrace.story/1` (docs/reference/explain.md, story.schema.json). Pure ASCII."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

from tracer.clean import clean_surrogates
from tracer.expectation import Link, ancestors, why_not
from tracer.explain import THREAD_TOOK_OVER, Step, Story
from tracer.graph import Process, Program, Reparenting
from tracer.identity import signal_name
from tracer.live import journal as j
from tracer.render.json import process_object, source_object
from tracer.render.story import FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles
    from tracer.sources.base import SourceInfo

SCHEMA = "ctrace.story/1"


def write_stories(
    out: TextIO, info: SourceInfo, stories: Iterable[Story], roles: Roles, names: Names, left_out: int = 0
) -> None:
    """One document with a story for each process; so many others of the same name were left out."""
    document = {
        "schema": SCHEMA,
        "source": source_object(info),
        "stories": [_story(story, roles, names) for story in stories],
        "left_out": left_out,
    }
    json.dump(document, out, indent=1)
    out.write("\n")


def _story(story: Story, roles: Roles, names: Names) -> dict[str, Any]:
    expected = why_not(story.process)
    return {
        "process": process_object(story.process, roles, names),
        "steps": [_step(step, roles) for step in story.steps],
        "above": [reference(p, roles) for p in ancestors(story.process)] if story.process.alive else [],
        "why_not": None
        if expected is None
        else {
            "expected": reference(expected.expected, roles),
            "links": [_link(link, roles) for link in expected.links],
        },
    }


def reference(process: Process | None, roles: Roles, at: int | None = None) -> dict[str, Any] | None:
    """Who is meant: uid (null outside the trace), pid, and what people called it then."""
    if process is None:
        return None
    return {
        "uid": None if process.outside else str(process.uid),
        "pid": process.tgid,
        "label": clean_surrogates(roles.label(process, at)),
        "role": roles.role(process, at),
    }


def _step(step: Step, roles: Roles) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": step.kind,
        "line": step.at,
        "time": step.time,
        "evidence": None if step.evidence is None else step.evidence.value,
        "reason": clean_surrogates(step.reason),
        "tid": step.tid or None,
    }
    if step.kind in {j.CREATED, j.FOUND}:
        fields["creator"] = reference(step.actor, roles, step.at)
        fields["parent"] = reference(step.parent, roles, step.at)
        fields["flags"] = [name for bit, name in FLAGS if step.flags & bit]
    elif step.kind == j.REAPED:
        fields["by"] = reference(step.actor, roles, step.at)
    elif step.kind == THREAD_TOOK_OVER:
        fields |= {"from_tid": step.detail, "to_tid": step.tid, "signal": _signal(step.signal)}
    return fields | _detail(step, roles)


def _detail(step: Step, roles: Roles) -> dict[str, Any]:
    detail = step.detail
    if isinstance(detail, Program):
        argv = [clean_surrogates(arg) for arg in detail.argv]
        return {"exe": clean_surrogates(detail.exe), "argv": argv, "argv_cut": detail.argv_cut}
    if isinstance(detail, Reparenting):
        return {
            "from": reference(detail.old, roles, step.at),
            "to": reference(detail.new, roles, step.at),
            "rule": detail.rule,
            "cause": clean_surrogates(detail.cause),
            "passed_over": [
                {"process": reference(c.process, roles, step.at), "why": clean_surrogates(c.why)}
                for c in step.passed_over
            ],
            "signal": _signal(step.signal),
        }
    if step.kind == j.SUBREAPER:
        return {"on": bool(detail)}
    if step.kind == j.PDEATHSIG and isinstance(detail, int):
        return {"signal": _signal(detail)}
    if step.kind == j.RENAMED and isinstance(detail, str):
        return {"old": clean_surrogates(detail)}
    return {"thread": detail} if step.kind in {j.THREAD_CREATED, j.THREAD_EXITED} else {}


def _signal(number: int) -> str | None:
    return signal_name(number) if number else None


def _link(link: Link, roles: Roles) -> dict[str, Any]:
    left = link.left
    return {
        "creator": reference(link.creator, roles, link.child.born_at),
        "child": reference(link.child, roles),
        "holds": link.holds,
        "beside": link.beside,
        "broken_at": None if left is None or link.holds else left.at,
        "now_child_of": None if left is None else reference(left.new, roles),
    }
