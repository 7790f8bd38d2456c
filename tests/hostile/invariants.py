"""What is true of every graph, whatever was read, and of every byte that is printed."""

from __future__ import annotations

from tracer.graph import DEAD, Process, ProcessGraph

STRONG = ("observed", "derived")


def check_graph(graph: ProcessGraph) -> None:
    """Raise AssertionError where the graph contradicts itself."""
    members = set(map(id, graph.processes)) | {id(graph.init)}
    uids = {p.uid for p in graph.processes}
    assert len(uids) == len(graph.processes), "two processes with one uid"
    live = {}
    for process in graph.live():
        assert process.tgid not in live, f"two live processes {process.tgid}"
        live[process.tgid] = process
    for process in graph.processes:
        _check_process(process, members)
    for process in graph.processes:
        _check_no_cycle(process)


def _check_process(process: Process, members: set[int]) -> None:
    parent = process.parent
    assert parent is None or id(parent) in members, f"the parent of {process} is not in the graph"
    assert parent is not process, f"{process} is its own parent"
    assert (parent is None) == (str(process.evidence) == "unknown"), f"{process}: {parent} is {process.evidence}"
    if process.state is DEAD:
        return
    if parent is not None:
        assert parent.alive or str(process.evidence) not in STRONG, f"{process} hangs on {parent}, {process.evidence}"
        if not parent.outside and parent.alive:
            assert process in list(parent.children()), f"{process} is not among the children of {parent}"
    for child in process.children():
        assert child.parent is process, f"{child} is listed under {process}, its parent is {child.parent}"
        assert child.state is not DEAD, f"{child} is dead and still listed under {process}"
    for tid, task in process.threads.items():
        assert task.tid == tid, f"thread {tid} of {process} says that it is {task.tid}"
        assert task.process is process, f"thread {tid} of {process} says that it is of {task.process}"


def _check_no_cycle(process: Process) -> None:
    seen = {id(process)}
    above = process.parent
    while above is not None:
        assert id(above) not in seen, f"{process} is its own ancestor"
        seen.add(id(above))
        above = above.parent


def check_tame(output: bytes) -> None:
    """Raise AssertionError where a terminal would obey something, or text could look like other text.

    Newlines end lines; everything else is printable in the sense of Unicode, so no C0, C1, DEL, bidi or zero-width
    characters, and the whole is UTF-8.
    """
    text = output.decode("utf-8")
    wild = {c for c in text if c != "\n" and not c.isprintable()}
    assert not wild, f"raw {sorted(map(ascii, wild))}"
