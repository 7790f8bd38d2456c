"""Podman and conmon, for real. CRI-O has no package here: its layouts are tested by hand-written ones (tests/unit)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node import images
from tests.node import processes as proc
from tests.node.conftest import skip_or_fail
from tests.tree import podman as private
from tests.tree.podman import Podman
from tests.tree.running import ctrace, findings, processes, tree

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    if reason := private.missing():
        skip_or_fail(reason)
    with Podman.start() as started:
        yield started


@pytest.fixture(scope="module")
def app(podman: Podman) -> tuple[str, int]:
    return podman.run_app("shop-db")


def test_name_and_image(app: tuple[str, int]) -> None:
    container, pid = app
    found = processes("--container", "shop-db")
    assert {process["comm"] for process in found.values()} == {"conmon", "app", "app-worker"}
    for process in found.values():
        name = process["container"]
        assert (name["runtime"], name["id"], name["name"]) == ("podman", container, "shop-db")
        assert (name["image"], name["pod"], name["sandbox_id"]) == (images.APP, "", "")
    assert found[pid]["role"] == "container"


def test_conmon_is_left_to_the_machine_and_holds_the_container(app: tuple[str, int]) -> None:
    _, pid = app
    found = processes("--container", "shop-db")
    (conmon,) = [process for process in found.values() if process["comm"] == "conmon"]
    assert found[pid]["parent"] == conmon["pid"]
    assert "conmon" in conmon["role"]
    listed = proc.read(conmon["pid"])
    assert listed is not None
    assert conmon["parent"] == listed.ppid
    text = tree("--container", "shop-db")
    assert text.count("container shop-db") == 1
    assert findings("--container", "shop-db") == []
    # Whoever calls podman starts the next one: no daemon does.
    assert "ctrace record -o FILE -- COMMAND" in ctrace("explain", pid).out


def test_the_id_is_still_told_when_conmon_was_killed(podman: Podman) -> None:
    """The cgroup has the id; this podman's folders are unusual ones, and only conmon told where they are."""
    container, pid = podman.run_app("orphan")
    try:
        (conmon,) = [p for p, found in processes("--container", "orphan").items() if found["comm"] == "conmon"]
        proc.kill([conmon])
        found = processes("--container", container[:12])
        assert found[pid]["container"]["id"] == container
        assert found[pid]["container"]["runtime"] == "podman"
    finally:
        proc.kill([pid])


def test_a_container_of_runc_alone_is_known_by_its_state_folder(podman: Podman, tmp_path: Path) -> None:
    """No shim, no conmon, and a cgroup that was called by its user."""
    from tests.tree.runc import running

    with running(podman.folder, tmp_path, "by-hand") as pid:
        found = processes("--container", "by-hand")
        assert set(found) == {pid}
        assert found[pid]["container"]["runtime"] == "runc"
        assert found[pid]["cgroup"].endswith("/of-my-own")
