"""`ctrace whatif`: who dies, who lives and who adopts whom if something ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracer.cli.options import FILE, answer_options

if TYPE_CHECKING:
    from tracer.cli.scene import Scene
    from tracer.graph import Process
    from tracer.render.answer import Answer
    from tracer.runtime.ends import Death
    from tracer.runtime.reactions import Reactions
    from tracer.runtime.stopping import Scope
    from tracer.whatif import Fate

_EPILOG = """\b
Examples:
  ctrace whatif stop containerd.service                 does a restart of containerd cost me my containers?
  ctrace whatif stop containerd.service strace.log --kill-mode process
  ctrace whatif exit 1224703                            what if this shim dies?
  ctrace whatif kill shop/web                           a pod; or one container, by name or id
  ctrace whatif exit 1224703 node.ctrace --at 05:17:36  as it was then

Nothing is touched: the rules of the kernel, of systemd's KillMode and of the container runtimes are applied to a copy
of what /proc (or FILE) shows. What a manager does later (Restart=, kubelet) is not foretold.

Exit codes: 0 fine; 1 the input could not be used, or no such process, unit or container; 2 wrong usage.
"""


@click.command(epilog=_EPILOG)
@click.argument("event", type=click.Choice(["exit", "stop", "kill"]))
@click.argument("target", metavar="PID|UNIT|CONTAINER")
@click.argument("file", type=FILE, metavar="[FILE]", required=False)
@click.option(
    "--kill-mode",
    type=click.Choice(["control-group", "mixed", "process", "none"]),
    help="Suppose this KillMode, instead of what systemd says (or, from a FILE, of the default).",
)
@click.option("--at", metavar="LINE|TIME", help="With FILE: as it was after this line or at this time.")
@answer_options("ctrace.fate/1")
def whatif(
    event: str,
    target: str,
    file: str | None,
    kill_mode: str | None,
    at: str | None,
    output: str | None,
    form: str,
    width: int | None,
    ascii_only: bool,
) -> int:
    """Foretell what happens if a process exits, a unit is stopped, or a container is killed.

    Who dies with it, who survives, who adopts whom by which rule, and which zombies wait for whom. From /proc, or from
    the end of FILE, which is anything that `ctrace replay` reads.
    """
    from tracer.cli import scene as scenes
    from tracer.cli.output import open_output
    from tracer.errors import UsageError
    from tracer.render.answer import answer_lines
    from tracer.render.lines import Painter
    from tracer.render.prose import Prose
    from tracer.runtime.reactions import Reactions

    if at is not None and file is None:
        raise UsageError("--at needs a FILE", "/proc shows the present only.")
    scenes.check_order(target, file)
    scene = scenes.look() if file is None else scenes.read(file, at=at)
    reactions = Reactions(scene.graph, scene.roles, scene.names, namespaces_known=scene.source.info.kind != "strace")
    ask = {"exit": _exit, "stop": _stop, "kill": _kill}[event]
    answer = ask(scene, reactions, target, kill_mode)
    _note_limits(answer, scene)
    with open_output(output) as out:
        if form == "json":
            from tracer.render.fate_json import write_fate

            write_fate(
                out,
                scene.source.info,
                answer.question,
                answer.fate,
                scene.roles,
                scopes=answer.scopes,
                otherwise=answer.otherwise,
                notes=answer.notes,
            )
            return 0
        painter = Painter(out, width=width, ascii_only=ascii_only or None)
        painter.paint(answer_lines(answer, scene.roles, scene.names, Prose(painter.width, painter.text)))
    return 0


def _foresee(scene: Scene, reactions: Reactions, deaths: list[Death]) -> Fate:
    from tracer.mirror import Mirror
    from tracer.whatif import foresee

    mirror = Mirror(scene.graph)
    mirror.suppose_subreapers(reactions.suppositions())
    return foresee(scene.graph, deaths, mirror, reactions, reactions.waits)


def _exit(scene: Scene, reactions: Reactions, target: str, kill_mode: str | None) -> Answer:
    from tracer.identity import Evidence
    from tracer.render import words
    from tracer.render.answer import Answer
    from tracer.runtime import stopping
    from tracer.runtime.ends import ASKED, Death

    process = _one(scene, target)
    deaths = [Death(process, ASKED, "", Evidence.DERIVED)]
    scopes = []
    scope = _unit_of_main(scene, process, kill_mode)
    if scope is not None:
        scopes.append(scope)
        deaths += stopping.main_ended(scope)
    title = f"If {words.title(process, scene.roles)} exits"
    return Answer({"event": "exit", "target": target}, title, _foresee(scene, reactions, deaths), scopes)


def _one(scene: Scene, who: str) -> Process:
    """The one living process that is meant."""
    from tracer.errors import TargetError
    from tracer.graph import RUNNING
    from tracer.render import words

    meant = scene.whom(who)
    living = [p for p in meant if p.state is RUNNING]
    if living and living[0].outside:
        raise TargetError(f"{words.title(living[0], scene.roles)} is not in the trace", "Nothing lives without PID 1.")
    if len(living) == 1:
        return living[0]
    if not living:
        raise TargetError(f"{words.title(meant[-1], scene.roles)} has ended already", "--at LINE goes back to before.")
    some = ", ".join(words.title_in_container(p, scene.roles, scene.names) for p in living[:10])
    raise TargetError(f"{who} is the name of {len(living)} processes", f"Give the number of one: {some}")


def _unit_of_main(scene: Scene, process: Process, kill_mode: str | None) -> Scope | None:
    """The service whose main process it is, as this machine's systemd tells."""
    from tracer.errors import CtraceError
    from tracer.runtime import cgroup, stopping
    from tracer.sources.systemd import read_unit

    name = cgroup.unit(process.cgroup).name
    if scene.source.info.kind != "proc" or not name.endswith(".service"):
        return None
    try:
        unit = read_unit(name)
    except CtraceError:
        return None
    return stopping.of_unit(scene.graph, unit, kill_mode) if unit.main_pid == process.tgid else None


def _stop(scene: Scene, reactions: Reactions, target: str, kill_mode: str | None) -> Answer:
    from tracer.render.answer import Answer
    from tracer.runtime import stopping

    scopes = _scopes(scene, target, kill_mode)
    first = scopes[0]
    deaths = [death for scope in scopes for death in stopping.deaths(scope)]
    reactions.together = {p for scope in scopes for p in stopping.at_once(scope)}
    answer = Answer(
        {"event": "stop", "target": target},
        f"If systemd stops {first.name}",
        _foresee(scene, reactions, deaths),
        scopes,
    )
    for mode in (stopping.CONTROL_GROUP, stopping.PROCESS):
        reactions.together = set(stopping.at_once(first, mode))
        rest = [death for scope in scopes[1:] for death in stopping.deaths(scope)]
        if mode != first.kill_mode and first.main is not None:
            answer.otherwise[mode] = _foresee(scene, reactions, [*stopping.deaths(first, mode), *rest])
    if not first.kill_mode_known:
        answer.notes.append(f"its KillMode is not in the trace: systemd's default, {first.kill_mode}, is assumed")
    if first.guess:
        answer.notes.append(first.guess)
    return answer


def _scopes(scene: Scene, target: str, kill_mode: str | None) -> list[Scope]:
    """The unit, and those that are stopped with it."""
    from tracer.errors import CapabilityError, TargetError
    from tracer.runtime import stopping
    from tracer.sources.systemd import read_unit

    first = None
    if scene.source.info.kind == "proc":
        try:
            first = read_unit(target)
        except CapabilityError:
            if kill_mode is None:
                raise
    if first is None:
        scope = stopping.of_trace(scene.graph, target, kill_mode, scene.roles)
        if scope is None:
            raise TargetError(
                f"there is no running process of {target}", "`ctrace whatif exit PID` asks about a process."
            )
        return [scope]
    if not first.kill_mode:
        raise TargetError(f"{first.name} has no processes of its own", "Ask about a service or a scope.")
    found = {first.name: stopping.of_unit(scene.graph, first, kill_mode)}
    todo = list(first.stopped_with_it)
    while todo and len(found) < _UNITS_MAX:
        name = todo.pop(0)
        if name in found:
            continue
        try:
            unit = read_unit(name)
        except TargetError:
            continue  # it is wanted by name, and not there
        if unit.active and unit.kill_mode:
            found[unit.name] = stopping.of_unit(scene.graph, unit, None)
            todo += unit.stopped_with_it
    return list(found.values())


_UNITS_MAX = 50


def _kill(scene: Scene, reactions: Reactions, target: str, kill_mode: str | None) -> Answer:
    from tracer import filters, whom
    from tracer.errors import TargetError
    from tracer.graph import RUNNING
    from tracer.identity import Evidence
    from tracer.render.answer import Answer
    from tracer.runtime.ends import ASKED, Death
    from tracer.runtime.roles import SHIM

    found = [
        p
        for p in whom.container(scene.graph, target, scene.roles, scene.names)
        if p.state is RUNNING and scene.roles.role(p) != SHIM
    ]
    if not found:
        hint = f"Of a process: ctrace whatif exit {target}" if target.isdigit() else "`ctrace tree` shows who is there."
        raise TargetError(f"there is no running container or pod {target}", hint)
    containers = {name.id: name.title for p in found if (name := scene.names.of(p)) is not None}
    in_pod = filters.by_pod((target,), scene.names)
    if len(containers) > 1 and not all(in_pod(p) for p in found):
        some = "\n".join(f"  {i[:12]}  {title}" for i, title in sorted(containers.items())[:10])
        raise TargetError(f"{len(containers)} containers are called {target}", f"Give the id of one:\n{some}")
    title = f"If {target} is killed (SIGKILL to the main process of {'each' if len(found) > 1 else 'the'} container)"
    deaths = [Death(p, ASKED, "", Evidence.DERIVED) for p in found]
    return Answer({"event": "kill", "target": target}, title, _foresee(scene, reactions, deaths))


def _note_limits(answer: Answer, scene: Scene) -> None:
    """What the source could not tell, as far as it matters."""
    if scene.source.info.kind == "proc" and answer.fate.adoptions:
        answer.notes.append(
            "/proc does not show PR_SET_PDEATHSIG: an adopted process that asked for a signal at the death of its "
            "parent dies instead; a trace of its start would show it"
        )
    if _pause_leaves_containers(answer.fate.dead, scene):
        answer.notes.append(
            "a kubelet, where there is one, takes a pod without pause for broken: it ends the pod's other containers, "
            "and starts the pod anew"
        )


def _pause_leaves_containers(dead: set[Process], scene: Scene) -> bool:
    """Whether a pod loses its pause, and another container of it lives on."""
    from tracer.runtime.roles import CONTAINER, PAUSE

    pods: dict[str | None, set[str]] = {PAUSE: set(), CONTAINER: set()}
    for process in scene.graph.live():
        role, name = scene.roles.role(process), scene.names.of(process)
        if role in pods and name is not None and (process in dead) == (role == PAUSE):
            pods[role].add(name.sandbox_id)
    return bool((pods[PAUSE] & pods[CONTAINER]) - {""})
