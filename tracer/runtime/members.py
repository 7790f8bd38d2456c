"""To which container a process belongs, by what it says itself and what those above it say. Asks no files.

Its cgroup path is the kernel's word; a runtime's command line says for which container it works; a shim or conmon above
has the rest. Whoever is inside a container has no say about others.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tracer.runtime import cgroup, claims
from tracer.runtime.roles import name_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.graph import Process
    from tracer.runtime.claims import Claim

_CRI_NAMESPACE = "k8s.io"


class Member(NamedTuple):
    """To which container a process belongs, before anybody was asked what that is called."""

    id: str
    """'' where only the pod is known."""
    outer_id: str = ""
    """The container in which the runtime runs that made this one."""
    sandbox_id: str = ""
    namespace: str = ""
    runtime: str = ""
    pod_uid: str = ""
    name: str = ""
    serves: bool = False
    """It is not in the container but works for it: a shim, conmon, `runc create`."""


def one_before(process: Process) -> Process | None:
    """From whom it has its container where nothing of its own says: who created it, else who was its first parent."""
    return process.creator if process.creator is not None else process.birth_parent


def inherited(process: Process, member: Member | None) -> Member | None:
    """What a process is that says nothing of itself, by what the one before it is."""
    if member is None or process.outside:
        return None
    before = one_before(process)
    claim = None if before is None else own_claim(before)
    if claim is None:
        return member
    if claim.kind == claims.SHIM and (process.creator is None or process.exec_at is not None):
        # One shim serves all containers of a pod, and nothing tells which of them this is.
        return member._replace(id="", name="", serves=False) if member.sandbox_id else None
    if claim.kind == claims.MONITOR:
        return member._replace(serves=process.creator is not None)  # its own copy; else it was found below conmon
    return member._replace(serves=claim.kind == claims.SHIM)


def own_claim(process: Process) -> Claim | None:
    """The claim of the program that it runs itself, not just inherited at fork."""
    claim = claims.claim(process.program)
    return claim if claim is not None and name_at(process).own else None


def holder(process: Process) -> str:
    """Id of the container in which a runtime's process itself runs; '' for none."""
    where = cgroup.facts(process.cgroup)
    return where.outer_id if where.monitor else where.container_id


def claims_above(process: Process, outer_id: str) -> Iterator[tuple[Process, Claim]]:
    """Shims and conmons above it in the tree, the nearest first, of those that run in the container `outer_id`.

    Others have no say: whoever is inside a container could call itself a shim.
    """
    seen: set[Process] = set()
    node = process.parent
    while node is not None and node not in seen:
        seen.add(node)
        found = own_claim(node)
        if found is not None and found.kind != claims.RUNTIME and holder(node) == outer_id:
            yield node, found
        node = node.parent


def by_cgroup(process: Process, where: cgroup.CgroupFacts) -> Member:
    """What its cgroup's path says, and the nearest shim or conmon above it."""
    _, claim = next(claims_above(process, where.outer_id), (None, None))
    return Member(
        id=where.container_id,
        outer_id=where.outer_id,
        sandbox_id=_sandbox(claim),
        namespace=claim.namespace if claim is not None else "",
        runtime=where.runtime or _runtime(claim),
        pod_uid=where.pod_uid,
        name=claim.name if claim is not None and claim.id == where.container_id else "",
        serves=where.monitor,
    )


def by_claim(process: Process, claim: Claim, where: cgroup.CgroupFacts) -> Member:
    """What a runtime's own command line says."""
    outer_id = holder(process)
    namespace, sandbox_id, runtime = claim.namespace, _sandbox(claim), _runtime(claim)
    if claim.kind == claims.RUNTIME:
        above, shim = next(claims_above(process, outer_id), (None, None))
        if above is None and process.parent is not None and not process.cgroup:
            outer_id = holder(process.parent)
            above, shim = next(claims_above(process, outer_id), (None, None))
        namespace = namespace or (shim.namespace if shim is not None else "")
        sandbox_id, runtime = _sandbox(shim), _runtime(shim)
    if where.monitor:
        runtime = where.runtime
    return Member(claim.id, outer_id, sandbox_id, namespace, runtime, where.pod_uid, claim.name, serves=True)


def by_shim_and_path(process: Process) -> Member | None:
    """`ctr run` makes the cgroup NAMESPACE/ID, and the id is whatever its user chose: the shim above has both."""
    for _, claim in claims_above(process, ""):
        if claim.kind == claims.SHIM and (claim.namespace, claim.id) in pairwise(cgroup.components(process.cgroup)):
            return Member(claim.id, namespace=claim.namespace, runtime=_runtime(claim))
    return None


def _sandbox(claim: Claim | None) -> str:
    """Kubernetes has one shim for a pod, called by its sandbox (containerd's CRI plugin)."""
    if claim is None or claim.kind != claims.SHIM or claim.namespace != _CRI_NAMESPACE:
        return ""
    return claim.id if claims.is_engine_id(claim.id) else ""


def _runtime(claim: Claim | None) -> str:
    if claim is None or claim.kind != claims.SHIM:
        return ""
    return "docker" if claim.namespace == "moby" else "containerd"
