"""A copy of the living part of a graph that the reconstructor can go on with: for what has not happened."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from tracer.graph import DEAD, PidNs, Process, ProcessGraph, Task
from tracer.reconstruct.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping


class Mirror:
    """The state, and who stands for whom in it."""

    def __init__(self, graph: ProcessGraph) -> None:
        self.state = State()
        self._namespaces: dict[PidNs, PidNs] = {}
        self._tasks: dict[Task, Task] = {}
        self.copies: dict[Process, Process] = {}
        self.originals: dict[Process, Process] = {}
        everyone = [graph.init, *(p for p in graph.live() if p is not graph.init)]
        for process in everyone:
            self._copy(process)
        self._connect(graph)

    def _copy(self, process: Process) -> None:
        twin = copy(process)
        twin.reparentings = None
        twin.threads = {}
        for tid, task in process.threads.items():
            twin.threads[tid] = self._task(task, twin)
        twin.leader = self._tasks.get(process.leader) or self._task(process.leader, twin)
        self.copies[process] = twin
        self.originals[twin] = process

    def _task(self, task: Task, process: Process) -> Task:
        twin = copy(task)
        twin.process = process
        twin.children = None
        self._tasks[task] = twin
        return twin

    def _connect(self, graph: ProcessGraph) -> None:
        state = self.state
        for process, twin in self.copies.items():
            twin.ns = self._namespace(process.ns)
            twin.real_parent = None if process.real_parent is None else self._tasks.get(process.real_parent)
            if twin.real_parent is not None and not twin.real_parent.process.outside:
                if twin.real_parent.children is None:
                    twin.real_parent.children = {}
                twin.real_parent.children[twin] = None
            if not twin.outside:
                state.processes.append(twin)
            state.tasks.update(twin.threads)
        state.init = self.copies[graph.init]
        state.root_ns = state.init.ns
        state.root_ns.init = state.init

    def _namespace(self, ns: PidNs) -> PidNs:
        twin = self._namespaces.get(ns)
        if twin is None:
            twin = copy(ns)
            self._namespaces[ns] = twin
            twin.parent = None if ns.parent is None else self._namespace(ns.parent)
            init = None if ns.init is None or ns.init.state is DEAD else self.copies.get(ns.init)
            twin.init = init
        return twin

    def suppose_subreapers(self, suppositions: Mapping[Process, str]) -> None:
        """Take these (of the graph) for subreapers, where that is not known; for each, why."""
        for process, why in suppositions.items():
            twin = self.copies.get(process)
            if twin is not None and twin.subreaper is None:
                twin.subreaper = True
                self.state.doubts[twin] = why
