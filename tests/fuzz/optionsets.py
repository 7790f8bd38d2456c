"""The ways in which a random tree is traced, and what may be asked of the graph for each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .harness import all_but

CALLS = "process,prctl,unshare,setns"


@dataclass(slots=True, frozen=True)
class OptionSet:
    """One way to trace."""

    name: str
    options: tuple[str, ...]
    """strace options; the output option is added."""
    complete: bool = True
    """Every fact is in the log, so any difference is a bug. Else only a wrong edge with strong evidence is."""
    form: str = "file"
    """`file` (-o), `stderr` (2>&1: notices and the tree's own output in between), `folder` (-ff)."""
    kinds: tuple[str, ...] = all_but("setns", "pidns")
    late: str = ""
    """`all` or `root`: attach at the first quiet point, to every process or to the root alone; `often`, live: anew in
    the middle of each round."""
    cut: bool = False
    """The head of the log is thrown away before it is read."""
    live: str = ""
    """`ebpf`: traced by the probes instead; `both`: by strace and the probes at once."""


def _f(calls: str, *more: str) -> tuple[str, ...]:
    return ("-f", *more, "-e", f"trace={calls}")


_NO_PIDNS = all_but("setns", "pidns")
_NO_REUSE = all_but("setns", "pidns", "reuse")
"""-ff writes over the file of a task whose number is used again."""
_NO_WAITS = "fork,vfork,clone,clone3,execve,execveat,exit,exit_group,prctl,unshare,setns"
_NO_CLONE3 = "fork,vfork,clone,execve,execveat,exit,exit_group,wait4,waitid,kill,tkill,tgkill,prctl,unshare,setns"


def _lacking(
    name: str, options: tuple[str, ...], *, form: str = "file", late: str = "", cut: bool = False
) -> tuple[OptionSet, OptionSet]:
    """A set that lacks facts, once with trees in one pid namespace and once (`-ns`) with nested ones."""
    plain = OptionSet(name, options, False, form, _NO_PIDNS, late, cut)
    return plain, replace(plain, name=f"{name}-ns", kinds=all_but())


SETS = (
    OptionSet("o", _f(CALLS)),
    OptionSet("bare", _f("process,prctl")),
    OptionSet("stderr", _f(CALLS), form="stderr", kinds=(*_NO_PIDNS, "print")),
    OptionSet("stderr-tt-T", _f(CALLS, "-tt", "-T"), form="stderr"),
    OptionSet(
        "ff-nano",
        ("-ff", "--absolute-timestamps=format:unix,precision:ns", "-e", f"trace={CALLS}"),
        form="folder",
        kinds=_NO_REUSE,
    ),
    OptionSet("ff-tt", ("-ff", "-tt", "-e", f"trace={CALLS}"), form="folder", kinds=_NO_REUSE),
    OptionSet("tt", _f(CALLS, "-tt")),
    OptionSet("Y", _f(CALLS, "-Y")),
    OptionSet("stderr-Y", _f(CALLS, "-Y"), form="stderr"),
    OptionSet("decorated", _f(CALLS, "-T", "-i", "-n", "-r", "-y")),
    OptionSet("raw", _f(CALLS, "-X", "raw", "-ttt")),
    OptionSet("verbose", _f(CALLS, "-X", "verbose", "-v")),
    OptionSet("names", _f(CALLS, "-N")),
    OptionSet("colour", _f(CALLS, "--color=always"), form="stderr"),
    OptionSet("seccomp", _f(CALLS, "--seccomp-bpf")),
    OptionSet("quiet", _f(CALLS, "-q")),
    OptionSet("pidns", _f(CALLS, "--pidns-translation"), kinds=all_but("setns")),
    OptionSet("all-calls", ("-f",)),
    *_lacking("no-clone3", _f(_NO_CLONE3)),
    *_lacking("no-prctl", _f("process,unshare,setns")),
    *_lacking("no-waits", _f(_NO_WAITS)),
    *_lacking("reference", _f("clone,execve,exit_group,prctl"), form="stderr"),
    *_lacking("execs-only", _f("execve")),
    *_lacking("qq", _f(CALLS, "-qq")),
    *_lacking("qqq", _f(CALLS, "-qqq")),
    *_lacking("successful", _f(CALLS, "-z")),
    *_lacking("late", _f(CALLS), late="all"),
    *_lacking("late-stderr", _f(CALLS), late="all", form="stderr"),
    *_lacking("late-root", _f(CALLS), late="root"),
    *_lacking("cut", _f(CALLS), cut=True),
    *_lacking("cut-stderr", _f(CALLS), cut=True, form="stderr"),
    # Without --decode-pids=pidns the numbers of nested namespaces are guesses.
    OptionSet("nested", _f(CALLS), complete=False, kinds=all_but("setns")),
    OptionSet("nested-stderr", _f(CALLS), complete=False, kinds=all_but("setns"), form="stderr"),
    OptionSet("nested-ff", ("-ff", "-ttt", "-e", f"trace={CALLS}"), False, "folder", all_but("setns")),
    OptionSet("reuse-ff", ("-ff", "-ttt", "-e", f"trace={CALLS}"), False, "folder", _NO_PIDNS),
    OptionSet("setns", _f(CALLS), complete=False, kinds=all_but()),
    OptionSet("no-unshare", _f("process,prctl"), complete=False, kinds=all_but()),
    OptionSet("invisible", _f(CALLS), complete=False, kinds=(*_NO_PIDNS, "autoreap", "untraced")),
)
LIVE = (
    OptionSet("live", (), kinds=(*all_but(), "autoreap", "untraced"), live="ebpf"),
    OptionSet("live-late", (), kinds=(*all_but(), "autoreap", "untraced"), late="often", live="ebpf"),
    OptionSet("both", _f(CALLS), kinds=all_but("setns", "pidns"), live="both"),
    OptionSet("both-ns", _f(CALLS, "--pidns-translation"), kinds=all_but("setns"), live="both"),
)
BY_NAME = {s.name: s for s in SETS + LIVE}


def choose(names: str) -> list[OptionSet]:
    """`all` (strace), `complete`, `lacking`, `live`, or names with commas."""
    if names == "live":
        return list(LIVE)
    if names == "all":
        return list(SETS)
    if names in ("complete", "lacking"):
        return [s for s in SETS if s.complete == (names == "complete")]
    return [BY_NAME[n] for n in names.split(",")]
