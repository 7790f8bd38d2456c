"""Compare a graph with what the machine itself said: the text of `pstree -p` or of `ps -eo pid,ppid,...`.

read_processes() takes the text (every way that pstree draws, with pids; every ps listing whose header has PID and
PPID), compare() sets it against the living processes of a graph. What cannot be compared is counted with its reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import NotATrace, UnreadableInput
from tracer.graph import DEAD

if TYPE_CHECKING:
    from tracer.graph import Process, ProcessGraph


READABLE = "Readable are the output of `pstree -p` and of `ps -eo pid,ppid,comm` with its header."


class Listed(NamedTuple):
    """A process in the text."""

    pid: int
    ppid: int | None
    """None: the text starts with this process."""
    name: str


@dataclass(slots=True)
class Listing:
    """What the text says."""

    kind: str
    """`pstree` or `ps`."""
    processes: dict[int, Listed] = field(default_factory=dict)
    threads: dict[int, int] = field(default_factory=dict)
    """tid -> pid, for threads other than the leader."""
    cut: int = 0
    """Lines that were cut off (`+++`), so that processes are missing."""
    unread: int = 0
    """Other lines that could not be read."""


def read_processes(path: str) -> Listing:
    """Read the text in a file. Raises UnreadableInput, or NotATrace where it is no such text."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UnreadableInput(f"cannot read {path}: {error.strerror}") from error
    return parse_processes(text, path)


def parse_processes(text: str, name: str = "the text") -> Listing:
    """Parse the text of pstree or ps; a shell command above it is passed over. Raises NotATrace."""
    lines = _VT100.sub(lambda match: match[1].translate(_VT100_LINES), text).replace("\x0f", "").splitlines()
    lines = [_COLOUR.sub("", line) for line in lines]
    for start, line in enumerate(lines):
        if {"PID", "PPID"} <= set(line.split()):
            return _parse_ps(lines[start:])
    if any("PID" in line.split() and line.isupper() for line in lines):
        raise NotATrace(f"{name} does not say who is whose child: the column PPID is missing", READABLE)
    listing = _parse_pstree(lines)
    if listing.processes:
        return listing
    raise NotATrace(f"{name} has no process ids that can be compared", READABLE)


# --- ps ---


def _parse_ps(lines: list[str]) -> Listing:
    listing = Listing("ps")
    columns = lines[0].split()
    pid_at, ppid_at = columns.index("PID"), columns.index("PPID")
    lwp_at = next((columns.index(name) for name in ("LWP", "TID", "SPID") if name in columns), None)
    needed = max(pid_at, ppid_at, lwp_at or 0)
    for line in lines[1:]:
        values = line.split(None, len(columns) - 1)
        if not values:
            continue
        wanted = [pid_at, ppid_at] if lwp_at is None else [pid_at, ppid_at, lwp_at]
        if len(values) <= needed or not all(_is_number(values[at]) for at in wanted):
            listing.unread += 1
            continue
        pid, ppid = int(values[pid_at]), int(values[ppid_at])
        if lwp_at is not None and int(values[lwp_at]) != pid:
            listing.threads[int(values[lwp_at])] = pid
        listing.processes.setdefault(pid, Listed(pid, ppid, values[-1] if len(values) == len(columns) else ""))
    return listing


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


# --- pstree ---

# psmisc's `pstree -G` draws with the terminal's line drawing set: ESC ( 0 ... ESC ( B.
_VT100 = re.compile(r"\x1b\(0\x0f?(.*?)\x1b\(B")
_VT100_LINES = str.maketrans("xtmqwl", "│├└─┬┌")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BRANCH = re.compile(r"[ │|]*(?:├─|└─|\|-|`-)")
_NODE = re.compile(r"(?P<name>.+?)\((?P<pid>\d+)(?:,[^()]*)?\)(?=─┬─|───|-\+-|---|[─-]{0,3}\+*\s*$)")
_NODE_WITH_ARGS = re.compile(r"(?P<name>\{.*?\}|.*?),(?P<pid>\d+)(?:,\S*)?(?=\s|$)")
_CONNECTOR = re.compile(r"─┬─|───|-\+-|---")


class _Drawn(NamedTuple):
    column: int
    """Where the children's branches are drawn."""
    pid: int


def _parse_pstree(lines: list[str]) -> Listing:
    listing = Listing("pstree")
    with_args = _draws_args(lines)
    above: list[_Drawn] = []
    for line in lines:
        line = line.rstrip()
        branch = _BRANCH.match(line)
        if branch is None and line.startswith((" ", "│", "|")):
            # Below a line that is cut off at the terminal's edge, its children have nothing but a `+` there.
            listing.cut += line.endswith("+")
            listing.unread += not line.endswith("+")
            continue
        column = branch.end() if branch else 0
        above = [drawn for drawn in above if drawn.column <= column - 2] if branch else []
        if branch and not above:
            listing.unread += 1
            continue
        if with_args:
            read = _read_with_args(line, column, above, listing)
        else:
            read = _read_chain(line, column, above, listing)
        if not read and line and listing.processes:
            listing.unread += 1
    return listing


def _draws_args(lines: list[str]) -> bool:
    """Whether this is `pstree -a`: `name,pid args`, one process a line."""
    first = next((i for i, line in enumerate(lines) if _BRANCH.match(line)), None)
    if first is None:
        return not any(_NODE.match(line.rstrip()) for line in lines)
    return _NODE.match(lines[first].rstrip(), _branch_end(lines[first])) is None and (
        _NODE_WITH_ARGS.match(lines[first], _branch_end(lines[first])) is not None
    )


def _branch_end(line: str) -> int:
    branch = _BRANCH.match(line)
    return branch.end() if branch else 0


def _read_chain(line: str, column: int, above: list[_Drawn], listing: Listing) -> bool:
    """`a(1)---b(2)-+-c(3)`: a line holds a chain; `+` marks where the next children hang."""
    parent = above[-1].pid if above else None
    node = _NODE.match(line, column)
    while node:
        pid = _add(listing, node["name"], int(node["pid"]), parent)
        connector = _CONNECTOR.match(line, node.end())
        if connector is None:
            listing.cut += node.end() < len(line)
            return True
        if connector[0] in {"─┬─", "-+-"}:
            above.append(_Drawn(connector.start() + 1, pid))
        parent, column = pid, connector.end()
        node = _NODE.match(line, column)
        if node is None:
            listing.cut += 1
            return True
    if line.endswith("+") and listing.processes:
        listing.cut += 1
        return True
    return False


def _read_with_args(line: str, column: int, above: list[_Drawn], listing: Listing) -> bool:
    node = _NODE_WITH_ARGS.match(line, column)
    if node is None:
        return False
    pid = _add(listing, node["name"], int(node["pid"]), above[-1].pid if above else None)
    above.append(_Drawn(column + 2, pid))
    return True


def _add(listing: Listing, name: str, number: int, parent: int | None) -> int:
    """Note a process or thread; the pid that children drawn at it belong to."""
    if name.startswith("{") and name.endswith("}") and parent is not None:
        listing.threads[number] = parent
        return parent
    listing.processes.setdefault(number, Listed(number, parent, name))
    return number


# --- comparison ---


class Difference(NamedTuple):
    """A process whose parent (or a thread whose process) the text has otherwise."""

    process: Process
    tid: int
    """The process's own number, or the thread's."""
    ours: int | None
    theirs: int
    theirs_name: str
    what: str
    """`parent`, `thread of`, or `kind`: a process here and a thread there."""


@dataclass(slots=True)
class Comparison:
    """How far graph and text agree."""

    listing: Listing
    compared: int = 0
    agreeing: int = 0
    threads_compared: int = 0
    threads_agreeing: int = 0
    differences: list[Difference] = field(default_factory=list)
    not_compared: Counter[str] = field(default_factory=Counter)
    """Living processes and threads of the graph that were left out, by reason."""
    only_in_text: int = 0
    """Processes of the text that the graph does not have alive."""

    @property
    def differs(self) -> bool:
        """Something was found that does not agree."""
        return bool(self.differences)


def compare(graph: ProcessGraph, listing: Listing) -> Comparison:
    """Compare every living process (zombies too) and thread. Raises NotATrace where they have nothing in common."""
    result = Comparison(listing)
    alive = {process.tgid: process for process in graph.live()}
    for process in alive.values():
        _compare_parent(process, result)
        _compare_threads(process, result)
    result.only_in_text = sum(1 for pid in listing.processes if pid not in alive and pid != graph.init.tgid)
    if not alive and graph.processes:
        raise NotATrace(
            "nothing to compare: everything in the trace had ended", "--at LINE|TIME compares as it was then."
        )
    if not result.compared and not result.differences:
        why = "; ".join(f"{count} {reason}" for reason, count in result.not_compared.items())
        raise NotATrace(
            "nothing to compare: no process that is alive in the trace has its parent in the text"
            + f" ({why})" * bool(why)
        )
    return result


def _compare_parent(process: Process, result: Comparison) -> None:
    listing = result.listing
    ours = None if process.parent is None else process.parent.tgid
    listed = listing.processes.get(process.tgid)
    if process.tgid == 0:
        result.not_compared["its number is not in the trace"] += 1
    elif listed is None:
        host = listing.threads.get(process.tgid)
        if host is None:
            result.not_compared["not in the text: ended in between, or the text leaves it out"] += 1
        elif not process.leader_known:
            result.not_compared["a thread in the text; the trace knows only that the task is there"] += 1
        else:
            result.compared += 1
            name = listing.processes[host].name if host in listing.processes else ""
            result.differences.append(Difference(process, process.tgid, ours, host, name, "kind"))
    elif listed.ppid is None:
        result.not_compared["at the top of the text"] += 1
    elif ours == 0:
        result.not_compared["its parent's number is not in the trace"] += 1
    elif ours is None:
        result.not_compared["parent not known from the trace"] += 1
    else:
        result.compared += 1
        if ours == listed.ppid:
            result.agreeing += 1
        else:
            above = listing.processes.get(listed.ppid)
            name = above.name if above else ""
            result.differences.append(Difference(process, process.tgid, ours, listed.ppid, name, "parent"))


def _compare_threads(process: Process, result: Comparison) -> None:
    listing = result.listing
    if not listing.threads or process.tgid not in listing.processes:
        return
    for tid in _other_threads(process):
        host = listing.threads.get(tid)
        if host is None and tid in listing.processes:
            host = tid
        if host is None:
            result.not_compared["threads not in the text"] += 1
            continue
        result.threads_compared += 1
        if host == process.tgid:
            result.threads_agreeing += 1
        else:
            name = listing.processes[host].name if host in listing.processes else ""
            result.differences.append(Difference(process, tid, process.tgid, host, name, "thread of"))


def _other_threads(process: Process) -> Iterable[int]:
    return () if process.state == DEAD else (tid for tid in process.threads if tid != process.tgid)
