"""Where on this machine a container's files are, and which of them to ask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.graph import RUNNING
from tracer.runtime import claims, oci
from tracer.runtime.containers import same_id
from tracer.runtime.members import claims_above, holder, own_claim
from tracer.runtime.runc_state import State, read_states

if TYPE_CHECKING:
    from tracer.graph import Process
    from tracer.runtime.claims import Claim
    from tracer.runtime.members import Member
    from tracer.runtime.oci import Details

PATIENCE = 1.0
"""Seconds until somebody who had no answer is asked again."""
_TICK = 10_000_000  # ns; fs/proc shows start times in USER_HZ
_MISSES_KEPT = 10_000


class Files:
    """The runtimes' files, for Names. What may not be read is not there."""

    def __init__(self, proc: str = "/proc", root: str = "/") -> None:
        self._proc = proc
        self._root = root
        self._missed: dict[tuple[str, str], float] = {}
        self._states: dict[int, State] = {}
        self._states_read = -PATIENCE

    def details(self, process: Process, member: Member) -> Details | None:
        """What the files say of the container; None when they say nothing (yet)."""
        if not claims.is_id(member.id):
            return None  # it becomes part of a path
        now = time.monotonic()
        key = (member.outer_id, member.id)
        if now - self._missed.get(key, -PATIENCE) < PATIENCE:
            return None
        for root, bundle in self._bundles(process, member):
            found = oci.read_bundle(bundle, root)
            if found:
                return found
        for root in self._roots(process, member):
            found = oci.read_docker(member.id, root)
            if found:
                return found
        if len(self._missed) >= _MISSES_KEPT:
            self._missed.clear()
        self._missed[key] = now
        return None

    def state(self, process: Process) -> State | None:
        """The container whose first process this is, by the state folders of runc and crun."""
        now = time.monotonic()
        if now - self._states_read >= PATIENCE:
            self._states_read = now
            self._states = {state.init: state for state in read_states(self._root)}
        state = self._states.get(process.tgid)
        if state is None or (state.init_start and abs(state.init_start * _TICK - process.start_time) >= 2 * _TICK):
            return None
        return state

    def _bundles(self, process: Process, member: Member) -> Iterator[tuple[str, str]]:
        """(root folder, bundle's path in it), the likeliest first."""
        runtimes = list(_runtimes(process, member))
        for runtime, claim in runtimes:
            tasks = self._tasks_of(runtime, claim) if claim.kind == claims.SHIM else ""
            for root in self._roots_of(runtime):
                if claim.bundle and same_id(claim.id, member.id):
                    yield root, claim.bundle
                if tasks:
                    yield root, f"{tasks}/{member.id}"
        for root in self._roots(process, member):
            for bundle in oci.usual_bundles(member.id, member.namespace):
                yield root, bundle

    def _roots(self, process: Process, member: Member) -> list[str]:
        """The root folders of the runtimes that could have made it, and this machine's."""
        runtimes = [runtime for runtime, _ in _runtimes(process, member)]
        roots = dict.fromkeys(root for runtime in runtimes for root in self._roots_of(runtime))
        if not member.outer_id:
            roots[self._root] = None
        return list(roots)

    def _roots_of(self, process: Process) -> list[str]:
        """Its root folder, and that of the first living one that it comes from: helpers are gone in no time."""
        node: Process | None = process.creator
        while node is not None and node.state is not RUNNING:
            node = node.creator
        return [self._root_of(process)] + ([self._root_of(node)] if node is not None else [])

    def _root_of(self, process: Process) -> str:
        return f"{self._proc}/{process.tgid}/root" if process.state is RUNNING else self._root

    def _tasks_of(self, shim: Process, claim: Claim) -> str:
        """The folder of all bundles of a shim's namespace: a shim works in its first container's (containerd 1.2)."""
        try:
            bundle = Path(f"{self._proc}/{shim.tgid}/cwd").readlink()
        except OSError:
            return ""
        expected = (claim.namespace, claim.id)
        return str(bundle.parent) if (bundle.parent.name, bundle.name) == expected else ""


def _runtimes(process: Process, member: Member) -> Iterator[tuple[Process, Claim]]:
    """Itself if it is a runtime's, those above it, and those that created it."""
    chain: list[Process] = [process]
    while chain[-1].creator is not None and len(chain) < 64:
        chain.append(chain[-1].creator)
    for node in chain:
        claim = own_claim(node)
        if claim is not None and holder(node) in {"", member.outer_id}:
            yield node, claim
            break
    yield from claims_above(process, member.outer_id)
