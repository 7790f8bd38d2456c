"""One random tree under strace: rounds, truths, logs, verdicts."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tracer.errors import CtraceError
from tracer.graph import ProcessGraph

from . import alternatives, facts, harness, truth
from .agree import differences
from .judge import Problem, Verdict, is_strong, judge
from .live import LiveTracer
from .optionsets import OptionSet
from .truth import Truth

ROUNDS = 5
CUT_MARK = "head.cut"
LIVE, DIFFER = "-live", "-differ"
"""How the folders end of what the probes had wrong, and of what the two tracers tell differently."""
Replay = Callable[[str], ProcessGraph]
Look = Callable[[Path, Truth], None]
"""Gets log and truth of each quiet point instead of the judge."""


@dataclass(slots=True)
class Shape:
    """What varies from seed to seed besides the tree itself."""

    max_tasks: int
    max_depth: int
    pid_max: int

    @staticmethod
    def of(seed: int) -> Shape:
        """Small and big trees, wide and deep ones; a small pid_max makes numbers come back all the time."""
        rng = random.Random(seed)
        return Shape(rng.choice((12, 30, 60, 60, 100)), rng.choice((4, 7, 12)), rng.choice((0, 0, 320, 420)))


@dataclass(slots=True)
class Trial:
    """What one run gave."""

    options: OptionSet
    seed: int
    verdict: Verdict = field(default_factory=Verdict)
    live_verdict: Verdict = field(default_factory=Verdict)
    """What the probes' graph gave, where both watched."""
    points: int = 0
    """Quiet points judged."""
    agreed: int = 0
    """Processes whose stories were compared between the two tracers."""
    disagreed: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    """Folders with log, truth and problems of the points that failed."""
    never_quiet: str = ""


def run(
    options: OptionSet,
    seed: int,
    programs: Path,
    keep: Path,
    replay: Replay,
    rounds: int = ROUNDS,
    tasks: int = 0,
    look: Look | None = None,
    live: LiveTracer | None = None,
) -> Trial:
    """Trace the seed's tree with these options and judge every quiet point; what fails is copied below `keep`."""
    trial = Trial(options, seed)
    if look is None:

        def look(log: Path, found: Truth) -> None:
            if live is not None:
                judge_live(trial, found, keep, live)
            if options.live != "ebpf":
                judge_point(trial, log, found, keep, replay)
            if live is not None and options.live == "both" and not _says_too_little(log):
                compare(trial, log, found, keep, live)

    folder = Path(tempfile.mkdtemp(prefix="ctrace-fuzz-"))
    try:
        _run_in(folder, trial, programs, look, rounds, tasks, live if options.late == "often" else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if live is not None:
            live.forget()
    return trial


def never(path: str) -> ProcessGraph:
    """A replay for runs that only record."""
    raise AssertionError(path)


def log_of(options: OptionSet, folder: Path) -> Path:
    """Where the trace of a run is: a file, or a folder for -ff."""
    return folder / {"file": "log", "stderr": "stderr", "folder": "ff"}[options.form]


def command(options: OptionSet, folder: Path) -> list[str]:
    """The strace call, without what it traces."""
    where = {"file": ["-o", str(folder / "log")], "stderr": [], "folder": ["-o", str(folder / "ff" / "log")]}
    return [harness.STRACE, *options.options, *where[options.form]]


def _run_in(
    folder: Path,
    trial: Trial,
    programs: Path,
    look: Look,
    rounds: int,
    tasks: int,
    restarted: LiveTracer | None,
) -> None:
    """`restarted`: after each quiet point it forgets all, and attaches anew."""
    options, seed = trial.options, trial.seed
    if options.form == "folder":
        (folder / "ff").mkdir()
    shape = Shape.of(seed)
    strace = command(options, folder)
    tree_errors = folder / "tree-stderr" if options.late and not options.live else folder / "stderr"
    late: list[subprocess.Popen[bytes]] = []
    with harness.box(
        folder,
        programs,
        [] if options.late or options.live == "ebpf" else strace,
        seed=seed,
        kinds=options.kinds,
        mode="plain" if options.live == "both" or (options.live and seed % 2) else "pidns",
        host_view=bool(options.live),
        max_tasks=tasks or shape.max_tasks,
        max_depth=shape.max_depth,
        pid_max=shape.pid_max if "reuse" in options.kinds else 0,
        stderr=tree_errors,
    ) as box:
        round_now = 0
        for _ in range(rounds):
            found = box.look(round_now)
            if found is None:
                trial.never_quiet = truth.why_not_quiet(box.proc, box.keeper, round_now)
                break
            if not found.processes:
                break
            if options.late and not options.live and not late:
                late.append(_attach(box, options, strace, folder, found))
                found = _settle(box, round_now, len(found.processes)) or found
            log = log_of(options, folder)
            if options.cut:
                log = _cut(log, folder / CUT_MARK, seed)
            if options.live == "ebpf" or _says_something(log):
                trial.points += 1
                look(log, found)
            round_now = box.control.next_round()
            if restarted is not None:
                restarted.start_again()
    for process in late:
        process.kill()
        process.wait()


def _says_something(log: Path) -> bool:
    """A tracer that comes late may not have made its file yet."""
    files = [*log.iterdir()] if log.is_dir() else [log]
    return any(f.exists() and f.stat().st_size for f in files)


def _attach(
    box: harness.Box, options: OptionSet, strace: list[str], folder: Path, found: Truth
) -> subprocess.Popen[bytes]:
    """Start strace on processes that run already."""
    alive = [p.pid for p in found.processes.values() if not p.zombie]
    targets = alive[:1] if options.late == "root" else alive
    with (folder / "stderr").open("wb") as errors:
        return box.run_inside([*strace, *(f"-p{pid}" for pid in targets)], stderr=errors, stdin=subprocess.DEVNULL)


def _settle(box: harness.Box, round_now: int, at_least: int) -> Truth | None:
    """The truth with the late tracer in place."""
    for _ in range(200):
        found = box.look(round_now)
        if found is None or found.tracers:
            return box.look(round_now)
    return None


def judge_point(trial: Trial, log: Path, found: Truth, keep: Path, replay: Replay) -> None:
    """Compare, add up, and keep the case where it failed."""
    verdict = judge_log(log, found, trial.options.complete, replay)
    trial.verdict.add(verdict)
    trial.verdict.problems += verdict.problems
    if verdict.fatal:
        trial.kept.append(keep_case(keep, trial, log, found, verdict))


def judge_live(trial: Trial, found: Truth, keep: Path, live: LiveTracer) -> None:
    """Compare the probes' graph; a failure keeps the events in place of a log."""
    verdict = live.judge(found)
    total = trial.live_verdict if trial.options.live == "both" else trial.verdict
    total.add(verdict)
    trial.verdict.problems += verdict.problems
    if verdict.fatal:
        case = keep_case(keep, trial, None, found, verdict, LIVE)
        (case / "events.txt").write_text("\n".join(map(repr, live.story)))
        trial.kept.append(case)


def compare(trial: Trial, log: Path, found: Truth, keep: Path, live: LiveTracer) -> None:
    """The whole history as the two tracers have it; what differs is kept, with the log and the events."""
    trial.agreed, trial.disagreed, trial.disagreements = differences(log, live.graph(), found, numbers_in(log))
    if trial.disagreements:
        case = keep_case(keep, trial, log, found, Verdict(), DIFFER)
        (case / "problems.txt").write_text("\n".join(trial.disagreements) + "\n")
        (case / "events.txt").write_text("\n".join(map(repr, live.story)))


def judge_log(log: Path, found: Truth, complete: bool, replay: Replay) -> Verdict:
    """Replay a log and judge it. An exception of the replay is a fatal problem of its own."""
    try:
        graph = replay(str(log))
    except CtraceError as error:
        verdict = Verdict()
        verdict.other["refused"] = 1
        verdict.problems.append(Problem("refused", 0, "a trace", error.message, fatal=complete))
        return verdict
    except Exception as error:
        import traceback

        where = traceback.format_exception(error)[-3:]
        verdict = Verdict()
        verdict.problems.append(Problem("crash", 0, "no exception", "".join(where), fatal=True))
        return verdict
    verdict = judge(graph, found, complete and not _says_too_little(log), numbers_in(log))
    if complete and _says_too_little(log):
        verdict.unclear = verdict.processes
    if complete:
        _who_could_know(verdict, log, found)
    return verdict


def _who_could_know(verdict: Verdict, log: Path, found: Truth) -> None:
    """What differs in a complete log is a bug where the log allows one answer alone, and none where it allows two."""
    asked = alternatives.asked_of(verdict)
    if asked:
        for answer in alternatives.judge(facts.read(log), found, list(asked)):
            verdict.other[answer.verdict] += 1
            problem = asked[answer.pid]
            problem.fatal = is_strong(problem) or answer.verdict != alternatives.UNDECIDABLE


_LINE = re.compile(rb"^(?:\[pid +)?(\d+)(?:<[^>]*>)?\]? (.*)$", re.M)
_CALL = re.compile(rb"(?:^|[ .])(?:clone3?|v?fork|wait4|waitid|prctl)(?:\(| resumed>)")
_RESULT = re.compile(rb" = (\?|-?\d+)( \(errno)?")
_STALE = {56, 57, 58, 59, 60, 61, 62, 157, 202, 231, 247, 272, 308, 322, 435}
"""x86-64's numbers of the calls that the trees make."""


def _says_too_little(log: Path) -> bool:
    """A caller was killed inside a call that matters: whether it created, reaped or changed something is not in the
    log, only what follows may tell. A wrong edge with strong evidence is a bug all the same."""
    files = [log] if log.is_file() else list(log.iterdir())
    return any(_killed_inside(f.read_bytes()) for f in files)


def _killed_inside(raw: bytes) -> bool:
    """The last line of a task before its end is a call without a result, or with one that is not its own.

    strace 6.1 prints what it has read last, another task's result or number of call, where the task is dead when it
    asks for its registers.
    """
    doubtful: dict[bytes, bool] = {}
    told = b""
    for tid, rest in _LINE.findall(raw) or [(b"", line) for line in raw.splitlines()]:  # -ff does not name the task
        if doubtful.get(tid) and b"+++ " in rest:
            return True
        value, odd = [(b"", b""), *_RESULT.findall(rest)][-1]
        if _CALL.search(rest):
            doubtful[tid] = value in (b"", b"?") or bool(odd) or _is_stale(value, told)
        elif b"--- " not in rest:
            doubtful[tid] = False
        told = value or told
    return False


def _is_stale(value: bytes, told: bytes) -> bool:
    return value not in (b"0", b"-1") and (value == told or int(value) in _STALE)


_NAMED = re.compile(
    rb"(?m)^(\d+)[ <]|\[pid +(\d+)|\) += (\d+)|Process (\d+)|pid (?:changed to )?(\d+)|si_pid=(\d+)"
    rb"|/\* (\d+) in strace's"
)


def numbers_in(log: Path) -> set[int]:
    """Every number that a log gives to a task, in its lines or its files' names."""
    files = [log] if log.is_file() else list(log.iterdir())
    found = {n for f in files for match in _NAMED.findall(f.read_bytes()) for n in match if n}
    return {int(n) for n in found} | {int(f.suffix[1:]) for f in files if f.suffix[1:].isdigit()}


def _cut(log: Path, target: Path, seed: int) -> Path:
    """Throw away the head of the log, as if the terminal's buffer had not kept it."""
    raw = log.read_bytes()
    target.write_bytes(raw[random.Random(seed).randrange(len(raw) // 2 + 1) :])
    return target


def keep_case(keep: Path, trial: Trial, log: Path | None, found: Truth, verdict: Verdict, kind: str = "") -> Path:
    """Copy what is needed to look at a failure: `python -m tests.fuzz.run --again FOLDER` judges it again."""
    case = keep / f"{trial.options.name}-{trial.seed}-{found.round}{kind}"
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir(parents=True)
    if log is not None and log.is_dir():
        shutil.copytree(log, case / "log")
    elif log is not None:
        shutil.copy(log, case / "log")
    (case / "truth.json").write_text(found.to_json())
    (case / "options").write_text(trial.options.name)
    lines = [f"python -m tests.fuzz.run --sets {trial.options.name} --seed {trial.seed} --runs 1"]
    lines += [str(p) for p in verdict.problems]
    (case / "problems.txt").write_text("\n".join(lines) + "\n")
    return case
