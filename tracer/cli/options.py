"""Options that several subcommands share: filters, output, layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tracer.filters import Predicate
    from tracer.graph import ProcessGraph
    from tracer.runtime.containers import Names
    from tracer.runtime.roles import Roles

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(readable=False)
"""Not looked at here: what cannot be read or written is no wrong usage, and has a message of its own."""

_FILTERS: list[Any] = [
    click.option("--pid", "pids", type=int, multiple=True, metavar="PID", help="Only this process."),
    click.option("--comm", "comms", multiple=True, metavar="GLOB", help="Only processes called so (now or earlier)."),
    click.option("--role", "role_globs", multiple=True, metavar="GLOB", help="Only this role: shim, pause, 'runc-*'."),
    click.option("--container", "containers", multiple=True, metavar="GLOB|ID", help="Only this container."),
    click.option("--pod", "pods", multiple=True, metavar="GLOB|UID", help="Only this pod: web, shop/web."),
    click.option("--subtree", "subtrees", type=int, multiple=True, metavar="PID", help="Only this one and all below."),
    click.option(
        "--state", "states", type=click.Choice(["running", "zombie", "dead"]), multiple=True, help="Only in this state."
    ),
]

_OUTPUT: list[Any] = [
    click.option("-o", "--output", type=FILE, metavar="FILE", help="Write there instead of stdout."),
    click.option("--width", type=click.IntRange(20), metavar="N", help="Columns to lay out in, and to cut to."),
    click.option("--ascii", "ascii_only", is_flag=True, help="No line drawing characters."),
    click.option("--threads", is_flag=True, help="Show every thread."),
    click.option("--reasons", is_flag=True, help="Say why an edge is inferred or assumed."),
]


def _apply(options: list[Any], function: F) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def filter_options(function: F) -> F:
    """Adds the filters; hand their values to Filters."""
    return _apply(_FILTERS, function)


def output_options(function: F) -> F:
    """Adds -o, --width, --ascii, --threads, --reasons."""
    return _apply(_OUTPUT, function)


def answer_options(schema: str) -> Callable[[F], F]:
    """Adds -o, --format text|json, --width, --ascii; `schema` is what json is."""
    form = click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=f"json is {schema}.",
    )
    options = [
        click.option("-o", "--output", type=FILE, metavar="FILE", help="Write there instead of stdout."),
        form,
        click.option("--width", type=click.IntRange(20), metavar="N", help="Columns to lay out in."),
        click.option("--ascii", "ascii_only", is_flag=True, help="No drawing characters."),
    ]
    return lambda function: _apply(options, function)


@dataclass(slots=True)
class Filters:
    """The values of the filter options."""

    pids: tuple[int, ...]
    comms: tuple[str, ...]
    role_globs: tuple[str, ...]
    subtrees: tuple[int, ...]
    states: tuple[str, ...]
    containers: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()

    def predicates(self, graph: ProcessGraph, roles: Roles, view: str, names: Names | None = None) -> list[Predicate]:
        """One for each kind given; below and above are meant as the view (a key of view.ABOVE) draws them.

        Containers are called as `names` has it; without it, as the graph alone tells.
        """
        from tracer import filters
        from tracer.view import ABOVE

        found = []
        if self.pids:
            found.append(filters.by_pid(self.pids))
        if self.comms:
            found.append(filters.by_comm(self.comms))
        if self.role_globs:
            found.append(filters.by_role(self.role_globs, roles))
        if self.subtrees:
            found.append(filters.by_subtree(graph, self.subtrees, ABOVE[view]))
        if self.containers or self.pods:
            from tracer.runtime.containers import Names

            names = names or Names()
        if self.containers and names is not None:
            found.append(filters.by_container(self.containers, names))
        if self.pods and names is not None:
            found.append(filters.by_pod(self.pods, names))
        if self.states:
            found.append(filters.by_state(self.states))
        return found
