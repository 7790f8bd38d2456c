"""The text of pstree with pids, however it draws, or of ps, where its header has PID and PPID."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tracer.errors import NotATrace, UnreadableInput

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
    text = _VT100.sub(lambda match: match[1].translate(_VT100_LINES), text).replace("\x0f", "")
    # Names may have the other characters at which splitlines() splits.
    lines = [_COLOUR.sub("", line) for line in text.replace("\r\n", "\n").split("\n")]
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
