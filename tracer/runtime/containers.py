"""Which container a process belongs to, and what that container is called.

`Names()` answers from what the graph has: cgroup paths, command lines of the runtimes, who created whom.
`Names(Files())` also asks the runtimes' files on this machine, and remembers the answers when the
container is gone. What nobody says stays unknown ('' or None), never guessed.

The id comes from the kernel's word first (the cgroup path), then from the process's own command line if it is a
runtime's, then from whoever created it. A container that holds runtimes of its own (a node in a container) can say
what it likes about its own containers, and nothing about others: details are kept by (outer container, id).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from tracer.runtime import cgroup, claims
from tracer.runtime.members import Member, by_cgroup, by_claim, by_shim_and_path, inherited, one_before, own_claim
from tracer.runtime.oci import Details, from_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracer.graph import Process, ProcessGraph
    from tracer.runtime.bundles import Files

KEPT = 10_000
"""Containers whose names are remembered; the least recently asked for goes first."""
_MEMO = 200_000


class ContainerName(NamedTuple):
    """What is known of a container; '' for what is not. Raw: clean before printing."""

    runtime: str = ""
    """`containerd`, `docker`, `cri-o`, `podman`, `runc`, `crun`."""
    namespace: str = ""
    """containerd's: `k8s.io`, `moby`, `default`."""
    id: str = ""
    """64 hexadecimal digits, or what runc's user chose; from an strace log perhaps only the beginning."""
    pod: str = ""
    pod_namespace: str = ""
    name: str = ""
    """The container's own; '' for a pod's sandbox (pause), which has none."""
    image: str = ""
    pod_uid: str = ""
    sandbox_id: str = ""
    """Id of the pod's sandbox; '' where there is no pod or it is not known."""

    @property
    def sandbox(self) -> bool:
        """It is the container that holds the pod's namespaces (pause)."""
        return bool(self.id) and same_id(self.id, self.sandbox_id)

    @property
    def title(self) -> str:
        """The shortest that tells: `shop/web app`, `shop/web`, `web-db`, `c8b394369634`."""
        pod = f"{self.pod_namespace}/{self.pod}" if self.pod_namespace and self.pod else self.pod
        named = " ".join(part for part in (pod, self.name) if part)
        if named and (self.name or self.sandbox or not self.id):
            return named
        if not self.id:
            return f"pod {self.sandbox_id[:12]}" if self.sandbox_id else ""
        return f"{named} {self.id[:12]}" if named else self.id[:12]


def same_id(one: str, other: str) -> bool:
    """Whether two ids mean one container; a log may have the beginning only (strace cuts at 32 characters)."""
    if one == other or not one or not other:
        return bool(one) and one == other
    short, long = sorted((one, other), key=len)
    return len(short) >= 12 and long.startswith(short) and len(long) == claims.FULL_ID


class Names:
    """The containers of one graph. Cheap to ask again: an answer is kept until a process changes cgroup or program."""

    def __init__(self, files: Files | None = None, *, limit: int = KEPT) -> None:
        self._files = files
        self._limit = limit
        self._members: dict[tuple[int, int], tuple[object, Member | None]] = {}
        self._details: OrderedDict[tuple[str, str], Details] = OrderedDict()

    def of(self, process: Process) -> ContainerName | None:
        """The container that a process is in or works for; None for none that is known.

        Live: ask once when `runc create` is exec'd, and the name is there when the container is long gone.
        """
        member = self.member(process)
        if member is None:
            return None
        known = self._ask(process, member) if member.id else Details()
        sandbox_id = known.sandbox_id or member.sandbox_id
        if sandbox_id and not (known.pod and known.pod_namespace):
            pod = self._ask(process, member._replace(id=sandbox_id, name=""))
            known = known.or_else(pod._replace(name="", image=""))
        return ContainerName(
            runtime=known.runtime or member.runtime,
            namespace=member.namespace,
            id=member.id,
            pod=known.pod,
            pod_namespace=known.pod_namespace,
            name=known.name,
            image=known.image,
            pod_uid=known.pod_uid or member.pod_uid,
            sandbox_id=sandbox_id,
        )

    def member(self, process: Process) -> Member | None:
        """To which container it belongs; asks no files but the runtimes' state folders."""
        path: list[Process] = []
        on_path: set[Process] = set()
        node: Process | None = process
        found: Member | None = None
        while node is not None and node not in on_path:
            token = (node.cgroup, node.exec_at, node.program)
            memo = self._members.get((node.tgid, node.serial))
            if memo is not None and memo[0] == token:
                found = memo[1]
                break
            path.append(node)
            on_path.add(node)
            own = self._own(node)
            if own is not None:
                found = own
                self._remember(path.pop(), own)
                break
            node = one_before(node)
        for passed in reversed(path):
            found = inherited(passed, found)
            self._remember(passed, found)
        return found

    def known(self) -> Iterator[tuple[tuple[str, str], Details]]:
        """Every container's details so far, by (outer container's id, id): for a recording."""
        yield from self._details.items()

    def learn(self, containers: Iterable[tuple[tuple[str, str], Details]]) -> None:
        """Take over what `known()` of another run told."""
        for key, details in containers:
            self._keep(key, details)

    def forget(self, gone: Iterable[Process]) -> None:
        """These processes will not be asked for again; their containers' details are kept."""
        for process in gone:
            self._members.pop((process.tgid, process.serial), None)

    def _remember(self, process: Process, member: Member | None) -> None:
        if len(self._members) >= _MEMO:
            self._members.clear()
        token = (process.cgroup, process.exec_at, process.program)
        self._members[process.tgid, process.serial] = (token, member)

    def _own(self, process: Process) -> Member | None:
        """What its own command line and cgroup say."""
        where = cgroup.facts(process.cgroup)
        claim = own_claim(process)
        if claim is not None:
            return by_claim(process, claim, where)
        if where.container_id:
            return by_cgroup(process, where)
        found = by_shim_and_path(process) if process.cgroup and not self._is_as_its_creator(process) else None
        if found is None and self._files is not None and process.cgroup:
            found = self._by_state(process)
        return found

    def _is_as_its_creator(self, process: Process) -> bool:
        """Above it and in its cgroup's path is what is above and in the path of its creator, who was asked already."""
        creator = process.creator
        if creator is None or process.parent is not creator or process.cgroup != creator.cgroup:
            return False
        memo = self._members.get((creator.tgid, creator.serial))
        known = memo is not None and memo[0] == (creator.cgroup, creator.exec_at, creator.program)
        return known and claims.claim(creator.program) is None

    def _by_state(self, process: Process) -> Member | None:
        assert self._files is not None
        state = self._files.state(process)
        return None if state is None else Member(state.id, namespace=state.namespace, runtime=state.runtime)

    def _ask(self, process: Process, member: Member) -> Details:
        """From memory, else from files; and what a conmon above it says (anyone can write that: not remembered)."""
        told = from_name(member.name) if member.name else Details()
        key = (member.outer_id, member.id)
        known = self._details.get(key)
        if known is not None:
            self._details.move_to_end(key)
        elif self._files is not None:
            known = self._files.details(process, member)
            if known is not None:
                self._keep(key, known)
        return told if known is None else known.or_else(told)

    def _keep(self, key: tuple[str, str], details: Details) -> None:
        self._details[key] = details
        self._details.move_to_end(key)
        while len(self._details) > self._limit:
            self._details.popitem(last=False)


def names_of(graph: ProcessGraph, files: Files | None = None) -> Names:
    """Names for a graph, with what its source told of containers (a recording does)."""
    names = Names(files)
    names.learn((key, Details(*fields)) for key, fields in graph.containers.items() if len(fields) == len(Details()))
    return names
