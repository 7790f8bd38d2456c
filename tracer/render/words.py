"""How a process, its parents and its end are put into words: the same in every text output."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tracer.graph import (
    DEAD,
    RULE_CHILD_REAPER,
    RULE_SEEN,
    RULE_SUBREAPER,
    RULE_THREAD,
    RUNNING,
    ZOMBIE,
    Process,
    Reparenting,
)
from tracer.identity import wait_status
from tracer.render.lines import Span
from tracer.runtime import roles as r

if TYPE_CHECKING:
    from tracer.identity import Evidence
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles

_STATUSES = 512
"""Wait statuses whose words are kept: 256 codes and the signals."""
_ROLE_STYLES = {
    r.CONTAINER: "container",
    r.EXEC: "container",
    r.SHIM: "shim",
    r.PAUSE: "pause",
    r.CONTAINERD: "daemon",
    "dockerd": "daemon",
    "crio": "daemon",
    "kubelet": "daemon",
    "conmon": "shim",
}


def title(process: Process, roles: Roles, at: int | None = None) -> str:
    """`runc create (1224714)`: what it was at `at`, and its pid. Raw."""
    return f"{roles.label(process, at)} ({number(process)})"


def title_in_container(process: Process, roles: Roles, names: Names) -> str:
    """`nginx (158) of shop/web nginx`. Raw."""
    name = names.of(process)
    return title(process, roles) + (f" of {name.title}" if name is not None and name.title else "")


def number(process: Process) -> str:
    """The pid; `?` for the one process whose number an strace log can leave out (a log to the terminal)."""
    return str(process.tgid or "?")


def name_style(process: Process, roles: Roles) -> str:
    """The style for the name, by role."""
    return style_of_role(roles.role(process))


def style_of_role(role: str | None) -> str:
    """The style for the names of processes with this role."""
    if r.is_helper(role):
        return "helper"
    return _ROLE_STYLES.get(role or "", "name")


def marks(process: Process, roles: Roles) -> list[str]:
    """What is to be said beside the name: the role where the name does not tell, and whether it is a subreaper."""
    said = []
    role = roles.role(process)
    if role is not None and role not in roles.label(process).replace(" ", "-"):
        said.append(role)
    if process.subreaper:
        said.append("subreaper")
    return said


def end(process: Process) -> str:
    """`exited with 0`, `killed by SIGKILL`; '' while it runs."""
    if process.status is not None:
        return _ended(process.status)
    return "" if process.state not in {DEAD, ZOMBIE} else "ended, status not known"


@lru_cache(_STATUSES)
def _ended(status: int) -> str:
    return str(wait_status(status))


def state_notes(process: Process, waits_seen: bool = True) -> list[Span]:
    """That it is outside the trace, a zombie, or how it ended; nothing while it runs."""
    if process.outside:
        return [Span("outside the trace", "dim")]
    if process.state == ZOMBIE and not waits_seen:
        return [Span(f"{end(process)}, ", "dim"), Span("perhaps a zombie", "zombie")]
    if process.state == ZOMBIE:
        return [Span("zombie", "zombie"), Span(f": {end(process)}, not reaped yet", "dim")]
    if process.state == DEAD:
        return [Span(end(process), "bad" if process.status else "dim")]
    return []


def thread_notes(process: Process) -> list[Span]:
    """How many threads a running process has, and what is unusual about them."""
    notes: list[Span] = []
    if process.state != RUNNING or process.outside:
        return notes
    if len(process.threads) > 1:
        notes.append(Span(f"{len(process.threads):,} threads", "dim"))
        inferred = sum(1 for task in process.threads.values() if task.membership)
        if inferred:
            notes += [Span(" (", "dim"), Span(f"{inferred:,} inferred", "inferred"), Span(")", "dim")]
    said = []
    if process.leader is not None and process.leader.exiting and len(process.threads) > 1:
        said.append("its leader ended, other threads live on")
    if not process.leader_known:
        said.append("perhaps a thread of an unseen process")
    for text in said:
        notes += [Span(", " if notes else ""), Span(text, "dim")]
    return notes


def evidence(kind: Evidence, reason: str = "") -> list[Span]:
    """The word for how an edge is known, and why it is not known better."""
    said = [Span(kind.value, kind.value)]
    return [*said, Span(f": {reason}", "dim")] if reason else said


def adopted_from(change: Reparenting, roles: Roles) -> str:
    """`runc create (1224714), which exited`. Raw."""
    old = change.old
    if change.cause == f"exit of {old.tgid}":
        return f"{title(old, roles, change.at)}, which exited"
    return title(old, roles, change.at) + (f" ({change.cause})" if change.cause else "")


def adopted_by(change: Reparenting, roles: Roles, *, near: bool) -> str:
    """`nearest subreaper, the shim`: who took it, and as what. `near`: the new parent is drawn right above. Raw."""
    new = change.new
    if new is None:
        return "nobody knows whom"
    role = roles.role(new)
    name = f"the {role}" if near and role is not None and change.rule != RULE_CHILD_REAPER else title(new, roles)
    if change.rule == RULE_SUBREAPER:
        alike = roles.label(new) == roles.label(change.old, change.at)
        return f"nearest subreaper ({new.tgid})" if alike else f"nearest subreaper, {name}"
    if change.rule == RULE_CHILD_REAPER:
        if new.ns.level:
            return f"{name}, init of its pid namespace"
        return "init" if new.tgid == 1 else name
    if change.rule == RULE_THREAD:
        return f"another thread of {name}"
    return f"{name}, as the kernel told" if change.rule == RULE_SEEN else name


def adoption(change: Reparenting, roles: Roles, *, near: bool) -> str:
    """One change of parents as a sentence. Raw."""
    to_init = change.rule == RULE_CHILD_REAPER and change.new is not None and not change.new.ns.level
    above = ": no living subreaper above" if to_init else ""
    return f"from {adopted_from(change, roles)}{above} → {adopted_by(change, roles, near=near)}"


def adoption_in_short(change: Reparenting, roles: Roles, *, near: bool) -> list[str]:
    """The same in ever fewer words, down to the new parent alone. Raw."""
    new = change.new
    if new is None:
        return []
    role = roles.role(new)
    name = title(new, roles)
    if near and role is not None and change.rule != RULE_CHILD_REAPER:
        name = f"the {role}"
    elif role == r.SHIM:
        name = f"the shim ({number(new)})"
    if change.rule == RULE_THREAD:
        name = f"another thread of {name}"
    old, who = adopted_from(change, roles), title(change.old, roles, change.at)
    said = [f"from {old} → {name}", f"from {who} → {name}", f"by {name}"]
    if change.rule != RULE_SUBREAPER:
        return said
    return [f"from {old} → nearest subreaper, {name}", f"from {who} → nearest subreaper, {name}", *said]
