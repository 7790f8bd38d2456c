"""Containers and units beside processes, and processes by cgroup: fixed-width snapshots."""

from __future__ import annotations

import pytest

from tests.render.paint import check_snapshot, painted
from tests.unit.runtime.test_containers import APP, POD, Story, node
from tracer.cgroup_view import build
from tracer.render.beside import Beside
from tracer.render.cgroup_tree import cgroup_lines
from tracer.render.findings import finding_lines
from tracer.render.tree import tree_lines
from tracer.runtime.containers import Names
from tracer.runtime.findings import find
from tracer.runtime.oci import Details
from tracer.runtime.roles import Roles
from tracer.runtime.units import Units
from tracer.view import build_view

SANDBOX = Details("containerd", "web", "shop", "uid", "", "", "9" * 64)


def pod() -> Story:
    """A node with a pod, and what is unusual: a process of the container in a cgroup of its own choice."""
    story = node()
    story.there(30, 1, "/usr/sbin/cron", cgroup="/system.slice/cron.service")
    story.there(31, 30, "/bin/sh", cgroup="/system.slice/cron.service")
    story.there(40, 22, "/bin/sleep", cgroup="/")
    return story


def names() -> Names:
    known = Names()
    app = Details("containerd", "web", "shop", "", "app", "app:1", "")
    known.learn([(("", "98026388664f8480865471120998236a" * 2), app._replace(name="")), (("", APP), app)])
    return known


def places(story: Story, view: str, width: int = 100, *, ascii_only: bool = False) -> str:
    graph = story.graph()
    roles = Roles(graph)
    units = Units(graph, roles)
    if view == "cgroup":
        lines = cgroup_lines(build(graph), roles=roles, names=names(), units=units, width=width)
    else:
        beside = Beside(names(), roles, units if view == "both" else None)
        lines = tree_lines(build_view(graph, "now"), width=width, beside=beside)
    return painted(lines, width=width, ascii_only=ascii_only)


@pytest.mark.parametrize("view", ["now", "cgroup", "both"])
def test_places(view: str) -> None:
    check_snapshot(f"places-{view}.txt", places(pod(), view))


def test_narrow_and_plain() -> None:
    text = places(pod(), "both", 60, ascii_only=True)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 60
    check_snapshot("places-both-60-ascii.txt", text)


def test_findings() -> None:
    graph = pod().graph()
    text = painted(finding_lines(find(graph, Roles(graph), names()), width=80), width=80)
    check_snapshot("findings.txt", text)


@pytest.mark.parametrize("view", ["now", "cgroup", "both"])
@pytest.mark.parametrize("name", ["\x1b[2J", "[red]", "\u202eevil", "\udcff", "a\nb"])
def test_hostile_names_of_cgroups_and_programs(view: str, name: str) -> None:
    story = node()
    story.there(50, 1, f"/bin/{name}", cgroup=f"/x.slice/{name}.service")
    story.there(51, 22, "/bin/sh", cgroup=f"{POD}/{APP}/{name}")
    text = places(story, view, 200)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(text.splitlines()) == len(places(node(), view, 200).splitlines()) + {"cgroup": 4}.get(view, 2)
    if name == "[red]":
        assert name in text
